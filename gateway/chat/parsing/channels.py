"""Answers that are messages with headers: Harmony. The header says whether a message is reasoning, content or
a call.
"""

from __future__ import annotations

import re

from gateway.chat.formats.format import Channels, Format, Syntax
from gateway.chat.parsing.attempt import Calls
from gateway.chat.parsing.events import Content, Event, Reasoning
from gateway.chat.parsing.speech import Kind, Speech
from gateway.chat.parsing.tape import Marks, Reading, Tape, marks

_RECIPIENT = re.compile(r"to=([^\s<]+)")
_NAME = re.compile(r"[\w-]+")


class ChannelReader:
    """The reader of one answer. It begins in a header, since the prompt ends with the start of a message."""

    def __init__(self, tape: Tape, chosen: Format, calls: Calls, out: list[Event], prompt: str) -> None:
        assert chosen.channels
        self._channels: Channels = chosen.channels
        self._tape = tape
        self._tools = calls.tools
        self._speech = Speech(tape, calls, out)
        end = prompt.rstrip()
        self._in_header = not end.endswith(self._channels.message)
        last = end.removesuffix(self._channels.message).rpartition(self._channels.channel)[2]
        self._in_reasoning = last in self._channels.reasoning

    def read(self) -> Reading[None]:
        """Read to the end."""
        channels = self._channels
        if not self._in_header:
            yield from self._message(Reasoning if self._in_reasoning else Content)
        elif not (yield from self._begins_with_header()):
            yield from self._speech.until(marks((channels.channel, channels.start)), Content)
        while not self._tape.is_over:
            yield from self._header()
        if self._tape.text[self._tape.given :]:
            self._speech.mark(0)

    def _begins_with_header(self) -> Reading[bool]:
        """Whether the answer begins as a header does; a text without one is content."""
        yield from self._tape.skip()
        begins = (self._channels.channel, self._channels.start, "to=")
        return bool((yield from self._tape.first_of(begins)))

    def _header(self) -> Reading[None]:
        """A header, and the message behind it."""
        channels, tape = self._channels, self._tape
        self._speech.is_silent = True
        ends = marks((channels.message, channels.end))
        found = yield from self._look(ends)
        if not found:
            if tape.text[tape.given :].strip():
                self._speech.note("truncated", dropped=True)
            return
        header = tape.text[tape.given : tape.at]
        if found == channels.end:
            tape.at += len(found)
            self._speech.note("header", dropped=True)
            return
        recipient = _RECIPIENT.search(header)
        names = _NAME.findall(header.rpartition(channels.channel)[2])
        kind = Reasoning if names and names[0] in channels.reasoning else Content
        if recipient and recipient[1] != "assistant":
            yield from self._to(recipient[1], len(found))
        else:
            self._speech.mark(len(found))
            yield from self._message(kind)

    def _look(self, looked_for: Marks) -> Reading[str]:
        """Move to the first of these marks without giving anything out; empty if there is none."""
        tape = self._tape
        while True:
            found, tape.at = looked_for.search(tape.text, tape.at, ended=tape.ended)
            if found or tape.ended:
                return found[0] if found else ""
            yield

    def _message(self, kind: Kind) -> Reading[None]:
        """The text of a message, up to an end behind which another message, or nothing, comes."""
        ends = marks((self._channels.end,))
        while mark := (yield from self._speech.until(ends, kind)):
            here = self._tape.at
            self._tape.at += len(mark)
            yield from self._tape.skip()
            is_end = self._tape.is_over or (yield from self._tape.starts(self._channels.start))
            self._tape.at = here if is_end else here + 1
            if is_end:
                self._speech.close_text(kind)
                self._speech.mark(len(mark))
                return

    def _to(self, recipient: str, mark: int) -> Reading[None]:
        """A message to somebody: a call, if it is to a tool of the request."""
        channels, tape = self._channels, self._tape
        name = recipient.removeprefix(channels.recipient)
        begin = tape.at
        ways = (Syntax(f"{channels.message}{{}}{{arguments}}"),)
        is_tool = recipient.startswith(channels.recipient) or name in self._tools
        if not (is_tool and self._tools):
            yield from self._look(marks((channels.end,)))
            tape.at += len(channels.end) if not tape.is_over else 0
            self._speech.note("recipient", dropped=True)
            return
        if (yield from self._speech.call(ways, Content, marks(channels.call_ends), name=name)):
            yield from tape.skip()
            if end := (yield from tape.first_of(channels.call_ends)):
                self._speech.mark(len(end))
            return
        tape.at = begin
        self._speech.mark(mark)
        yield from self._message(Content)
