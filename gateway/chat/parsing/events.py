"""What the parser gives out. Each event knows the text that it stands for: all `source` in order are what the
model wrote.

- `Content`, `Reasoning`: text for the reader. `Markup`: marks that nobody is to see.
- `CallBegin`, `CallArguments`…, `CallEnd`: a tool call, as OpenAI streams one; the arguments' texts together
  are JSON.
- `Note`: a word about text that was meant as a call and is none: `reason` is for telemetry. A note with a
  source stands for text that nobody gets (a call that was cut off); one without tells about the content
  behind it.

A call that was given out while it was written and then was no call ends with a `reason` (only where
`Parser.eager`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


class Malformed(Exception):  # noqa: N818 - never leaves the parser
    """What began like a call is none. `reason` is one word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CutOff(Exception):  # noqa: N818 - likewise
    """The text ended within a call."""


@dataclass(frozen=True, slots=True)
class Content:
    """Text of the answer."""

    text: str

    @property
    def source(self) -> str:
        """What the model wrote: the same."""
        return self.text


@dataclass(frozen=True, slots=True)
class Reasoning:
    """Text of the thinking before the answer."""

    text: str

    @property
    def source(self) -> str:
        """What the model wrote: the same."""
        return self.text


@dataclass(frozen=True, slots=True)
class Markup:
    """Marks, and white space beside them."""

    source: str


@dataclass(frozen=True, slots=True)
class CallBegin:
    """A call to the tool `name`; `index` counts the calls of the answer from 0."""

    index: int
    id: str
    name: str
    source: str


@dataclass(frozen=True, slots=True)
class CallArguments:
    """A piece of the arguments' JSON."""

    index: int
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class CallEnd:
    """The call is complete, or, with a `reason`, will never be."""

    index: int
    source: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """`truncated`: the text ended within a call. `stray`: text where only calls may stand. `recipient`: a
    message to somebody who is no tool of the request. Any other reason says what was wrong with a call: its
    text comes as content.
    """

    reason: str
    source: str = ""


Event = Content | Reasoning | Markup | CallBegin | CallArguments | CallEnd | Note


@dataclass(slots=True)
class Call:
    """A complete tool call. `arguments` is a JSON object, as text."""

    id: str
    name: str
    arguments: str = ""
    reason: str = ""


@dataclass(slots=True)
class Message:
    """What all events together say."""

    content: str = ""
    reasoning: str = ""
    calls: list[Call] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """One more event, in order."""
        match event:
            case Content():
                self.content += event.text
            case Reasoning():
                self.reasoning += event.text
            case CallBegin():
                self.calls.append(Call(event.id, event.name))
            case CallArguments():
                self.calls[event.index].arguments += event.text
            case CallEnd():
                self.calls[event.index].reason = event.reason
            case Note():
                self.notes.append(event.reason)


def message_of(events: Iterable[Event]) -> Message:
    """The whole message that these events are."""
    message = Message()
    for event in events:
        message.add(event)
    return message
