"""The parser: a model's text in pieces → events. One machine for all formats; the formats are data.

    parser = Parser(chosen, tools=request_tools, prompt=prompt)
    for piece in pieces:
        events = parser.feed(piece)
    events = parser.finish()

What it promises, whatever the text, the split and the format: the events of all pieces together say what
those of the whole say; all their sources together are the text; nothing that may become a mark is given out
before it is decided; no exception. White space with a line break in it beside marks belongs to the marks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from gateway.chat.formats.format import Format
from gateway.chat.parsing.attempt import Calls
from gateway.chat.parsing.channels import ChannelReader
from gateway.chat.parsing.events import Event
from gateway.chat.parsing.plain import PlainReader
from gateway.chat.parsing.tape import Tape
from gateway.chat.parsing.values import Tools


def call_id(index: int) -> str:
    """An id for the call of that number, for whoever needs no other."""
    return f"call_{index}"


class Parser:
    """The parser of one answer.

    `tools` are the request's, in OpenAI's form: without any, no calls are read. `prompt` is the prompt or its
    end: where it opens the thinking, the answer begins in it. `ids` gives the id of the call with that index.

    `eager` gives a call's name and arguments out while they are written; what then proves to be no call, or
    is cut off, cannot be taken back: its end has a reason. Without it a call is given out when it is
    complete. Eager is for answers that a grammar holds to the format.
    """

    def __init__(
        self,
        chosen: Format,
        *,
        tools: Sequence[Mapping[str, Any]] = (),
        prompt: str = "",
        ids: Callable[[int], str] = call_id,
        eager: bool = False,
    ) -> None:
        self._tape = Tape()
        self._events: list[Event] = []
        calls = Calls(Tools(tools), ids, eager=eager)
        reader = ChannelReader if chosen.channels else PlainReader
        self._reading: Iterator[None] = reader(self._tape, chosen, calls, self._events, prompt).read()

    def feed(self, piece: str) -> list[Event]:
        """The events that this piece decides."""
        self._tape.text += piece
        return self._go_on()

    def finish(self) -> list[Event]:
        """The events of what was held back: nothing follows."""
        self._tape.ended = True
        return self._go_on()

    def _go_on(self) -> list[Event]:
        next(self._reading, None)
        events, self._events[:] = list(self._events), []
        return events


def parse(text: str, chosen: Format, **options: Any) -> list[Event]:
    """The events of a whole text; `options` are those of `Parser`."""
    parser = Parser(chosen, **options)
    return parser.feed(text) + parser.finish()
