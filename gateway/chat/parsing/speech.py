"""Giving out text: content and reasoning, without what belongs to marks, and nothing before it is sure."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.chat.formats.format import Syntax
from gateway.chat.parsing import calls as call_reader
from gateway.chat.parsing.attempt import Attempt, Calls
from gateway.chat.parsing.events import Content, CutOff, Event, Malformed, Markup, Note, Reasoning
from gateway.chat.parsing.tape import Marks, Reading, Tape

Kind = type[Content | Reasoning]


class Speech:
    """Text and calls on a tape, given out to `out`."""

    def __init__(self, tape: Tape, calls: Calls, out: list[Event]) -> None:
        self.tape = tape
        self.calls = calls
        self.out = out
        self.is_silent = True
        """No text since the last mark."""

        self._is_start = True

    def until(self, marks: Marks, kind: Kind) -> Reading[str]:
        """Give text out up to the first of these marks, where reading is then; empty: the text is over, and
        all is given.
        """
        tape = self.tape
        while True:
            found, tape.at = marks.search(tape.text, tape.at, ended=tape.ended)
            self.say(tape.at, kind)
            if found:
                return found[0]
            if tape.ended:
                self._say_last(kind)
                return ""
            yield

    def say(self, end: int, kind: Kind) -> None:
        """Give text out up to there, but for white space at its end."""
        text = self.tape.text[self.tape.given : end]
        said = text.rstrip()
        if not said:
            return
        begin = len(said) - len(said.lstrip())
        if self.is_silent and not self._is_start and "\n" in said[:begin]:
            self._give(Markup(said[:begin]))
            said = said[begin:]
        self._give(kind(said))
        self.is_silent = self._is_start = False

    def _say_last(self, kind: Kind) -> None:
        """Give the white space at the end out."""
        rest = self.tape.text[self.tape.given :]
        if rest:
            self._give(kind(rest) if self._is_start or not self.is_silent else Markup(rest))

    def close_text(self, kind: Kind) -> None:
        """A mark comes next: white space before it is text where it has no line break and follows text."""
        space = self.tape.text[self.tape.given : self.tape.at]
        if space and "\n" not in space and not self.is_silent:
            self._give(kind(space))

    def mark(self, length: int) -> None:
        """A mark of that length comes next: move behind it."""
        self.tape.at += length
        self.out.append(Markup(self.tape.take()))
        self.is_silent, self._is_start = True, False

    def note(self, reason: str, *, dropped: bool = False) -> None:
        """A word about text; if dropped, about all that was read and not given out, which nobody gets."""
        self.out.append(Note(reason, self.tape.take() if dropped else ""))

    def _give(self, event: Content | Reasoning | Markup) -> None:
        self.tape.given += len(event.source)
        self.out.append(event)

    def call(self, syntaxes: Iterable[Syntax], kind: Kind, after: Marks, *, name: str = "") -> Reading[bool]:
        """A call that is written in one of these ways; `name` is its name where the text before it said that.
        False: it is none, and its text is to be given out as text.
        """
        begin = self.tape.at
        self.close_text(kind)
        reason = broken = ""
        for syntax in syntaxes:
            attempt = Attempt(self.tape, self.calls, self.out, is_guess=syntax.is_guess)
            self.tape.at = begin
            try:
                yield from call_reader.read(self.tape, syntax, attempt, after, name)
            except Malformed as error:
                broken = error.reason
                reason = reason if syntax.is_guess else broken
            except CutOff:
                return self._cut_off(attempt, begin)
            else:
                if self.tape.at > self.tape.given:
                    self.mark(0)
                self.is_silent, self._is_start = True, False
                return True
            if attempt.is_public:
                return self._broken(attempt, broken)
            attempt.undo()
        self.tape.at = begin
        if reason:
            self.note(reason)
        return False

    def _broken(self, attempt: Attempt, reason: str) -> bool:
        """After something that was given out it goes wrong: what follows is text."""
        if attempt.is_given:
            attempt.end(reason)
        else:
            attempt.undo()
            self.tape.at = self.tape.given
        self.note(reason)
        self.is_silent, self._is_start = True, False
        return True

    def _cut_off(self, attempt: Attempt, begin: int) -> bool:
        """The text ended within a call: nobody gets its beginning, unless nothing but that said that it is a
        call.
        """
        is_given = attempt.is_given
        if not is_given:
            attempt.undo()
        if attempt.is_guess and not attempt.is_public:
            self.tape.at = begin
            return False
        self.tape.at = len(self.tape.text)
        if is_given:
            attempt.end("truncated")
        self.note("truncated", dropped=True)
        return True
