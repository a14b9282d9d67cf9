"""One attempt to read a call, or several in one: its events are given out when it is sure, or, if eager, at
once.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.chat.parsing.events import CallArguments, CallBegin, CallEnd, Event, Malformed
from gateway.chat.parsing.tape import Tape
from gateway.chat.parsing.values import Tools


class Calls:
    """The calls of an answer: how many there are, their ids, and whether they are given out while they are
    written.
    """

    def __init__(self, tools: Tools, ids: Callable[[int], str], *, eager: bool) -> None:
        self.tools = tools
        self.ids = ids
        self.eager = eager
        self.count = 0


class Attempt:
    """What readers of calls write to. `out` takes the events of complete calls; if eager, those of begun
    ones.
    """

    def __init__(self, tape: Tape, calls: Calls, out: list[Event], *, is_guess: bool = False) -> None:
        self._tape = tape
        self._calls = calls
        self._out = out
        self._events: list[Event] = []
        self._given = tape.given
        self.is_guess = is_guess
        self.name = ""
        self.is_begun = False
        self.is_written = False
        """All arguments are there: only marks can be missing."""

        self.ended = 0
        """Calls that are complete."""

    @property
    def tools(self) -> Tools:
        """The tools of the request."""
        return self._calls.tools

    @property
    def is_given(self) -> bool:
        """The call that is being read was given out already."""
        return self._calls.eager and self.is_begun

    @property
    def is_public(self) -> bool:
        """Something was given out that cannot be taken back."""
        return bool(self.ended) or self.is_given

    def begin(self, name: str) -> None:
        """The name is known.

        Raises:
            Malformed: nothing but the name says that this is a call, and no tool has it.
        """
        if self.is_guess and name not in self.tools:
            raise Malformed("unknown_tool")
        self.name, self.is_begun, self.is_written = name, True, False
        self._give(CallBegin(self._calls.count, self._calls.ids(self._calls.count), name, self._tape.take()))

    def arguments(self, text: str | None = None) -> None:
        """A piece of the arguments: this text, or, as it stands, what was read since the last event."""
        source = self._tape.take()
        piece = source if text is None else text
        if piece or source:
            self._give(CallArguments(self._calls.count, piece, source))

    def end(self, reason: str = "") -> None:
        """The call is complete, or broken."""
        self._give(CallEnd(self._calls.count, self._tape.take(), reason))
        self._out.extend(self._events)
        self._events.clear()
        self._calls.count += 1
        self.ended += 1
        self.is_begun = False
        self._given = self._tape.given

    def undo(self) -> None:
        """Forget what was not given out."""
        self._events.clear()
        self._tape.given = self._given
        self.is_begun = self.is_written = False

    def _give(self, event: Event) -> None:
        if self._calls.eager:
            self._out.append(event)
        else:
            self._events.append(event)
