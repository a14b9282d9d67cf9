"""Answers that are one text with marks in it: all formats but Harmony's."""

from __future__ import annotations

from gateway.chat.formats.format import Format, Span
from gateway.chat.parsing.attempt import Calls
from gateway.chat.parsing.events import Content, Event, Reasoning
from gateway.chat.parsing.speech import Kind, Speech
from gateway.chat.parsing.tape import Reading, Tape, marks

_BARE = "{["


class PlainReader:
    """The reader of one answer: content, and in it reasoning, sections and calls."""

    def __init__(self, tape: Tape, chosen: Format, calls: Calls, out: list[Event], prompt: str) -> None:
        self._format = chosen
        self._tape = tape
        self._speech = Speech(tape, calls, out)
        end = prompt.rstrip()
        self._span = next((span for span in chosen.reasoning if end.endswith(span.open)), None)
        has_tools = bool(calls.tools)
        openers = chosen.openers if has_tools else ()
        self._sections = {span.open: span for span in chosen.sections if has_tools}
        self._reasoning = {span.open: span for span in chosen.reasoning}
        self._openers = openers
        self._after = marks((*openers, *(text for span in chosen.sections for text in span.closes)))
        self._watched = marks((*openers, *self._sections, *chosen.ignored))
        self._watched_first = marks((*openers, *self._sections, *chosen.ignored, *self._reasoning))
        self._bare = chosen.bare if has_tools else ()
        self._is_first = True
        """Nothing but reasoning and calls so far: the answer may still be a bare call, or begin to think."""

    def read(self) -> Reading[None]:
        """Read to the end."""
        if self._span:
            yield from self._think(self._span)
        while (yield from self._part()):
            pass

    def _part(self) -> Reading[bool]:
        """One call that nothing announces, or content up to a mark and what the mark begins. False: the text
        is over.
        """
        if self._is_first and self._bare and (yield from self._bare_call()):
            return True
        return (yield from self._content())

    def _content(self) -> Reading[bool]:
        """Content up to a mark, and what the mark begins. False: the text is over."""
        speech, tape = self._speech, self._tape
        mark = yield from speech.until(self._watched_first if self._is_first else self._watched, Content)
        self._is_first = self._is_first and speech.is_silent
        if mark in self._openers:
            yield from self._call(mark, Content)
        elif mark in self._sections:
            speech.close_text(Content)
            speech.mark(len(mark))
            yield from self._section(self._sections[mark])
        elif mark in self._reasoning:
            if self._is_first:
                speech.mark(len(mark))
                yield from self._think(self._reasoning[mark])
            else:
                tape.at += 1
        elif mark:
            speech.close_text(Content)
            speech.mark(len(mark))
        return bool(mark)

    def _think(self, span: Span) -> Reading[None]:
        """Reasoning up to its end."""
        openers = self._openers if self._format.calls_in_reasoning else ()
        watched = marks((*span.closes, *openers))
        while mark := (yield from self._speech.until(watched, Reasoning)):
            if mark in span.closes:
                self._speech.close_text(Reasoning)
                self._speech.mark(len(mark))
                return
            if (yield from self._call(mark, Reasoning)):
                return

    def _call(self, opener: str, kind: Kind) -> Reading[bool]:
        """A call with that opener; what is none stays text."""
        ways = [syntax for syntax in self._format.calls if syntax.opener and opener.startswith(syntax.opener)]
        done = yield from self._speech.call(ways, kind, self._after)
        if done:
            yield from self._trailing()
        else:
            self._tape.at += len(opener)
            self._is_first = False
        return done

    def _trailing(self) -> Reading[None]:
        """Marks that may follow a call."""
        yield from self._tape.skip()
        if mark := (yield from self._tape.first_of(self._format.trailing)):
            self._speech.mark(len(mark))

    def _bare_call(self) -> Reading[bool]:
        """A call that nothing announces."""
        yield from self._tape.skip()
        if self._tape.is_over or self._tape.text[self._tape.at] not in _BARE:
            return False
        begin = self._tape.at
        if (yield from self._speech.call(self._bare, Content, self._after)):
            yield from self._trailing()
            return True
        self._tape.at = begin
        self._is_first = False
        return False

    def _section(self, span: Span) -> Reading[None]:
        """Calls one after the other; a call that is none ends the section: what follows is content."""
        speech, tape = self._speech, self._tape
        watched = marks((*self._openers, *span.closes))
        while True:
            found, tape.at = watched.search(tape.text, tape.at, ended=tape.ended)
            if found or tape.ended:
                self._stray()
            if found and found[0] in span.closes:
                speech.mark(len(found[0]))
                return
            if (found and not (yield from self._call(found[0], Content))) or tape.is_over:
                return
            if not found:
                yield

    def _stray(self) -> None:
        """What stands between calls is nothing, if it is not white space."""
        if self._tape.text[self._tape.given : self._tape.at].strip():
            self._speech.note("stray", dropped=True)
