r"""The description of one format: how a family of models writes its reasoning and its tool calls.

A call is described by a sample with holes: `<tool_call>\n{call}\n</tool_call>`. What stands between holes is
literal, but for a line break: models write it, and any white space or none is read there. `{}` is the same
for where they write nothing. The holes:

- `{name}`: the tool's name. `{id}`: an id or a number of the call, which is read over.
- `{arguments}`: a JSON object.
- `{call}`: a JSON object of the name and the arguments; these under `arguments`, `parameters` or
  `Syntax.arguments_key`.
- `{calls}`: one such object, or an array of them.
- `{parameters}`: parameters one after the other, each as `Syntax.parameter` describes it, with the holes
  `{key}`, `{value}` (raw text; a line break beside it in the sample is not the value's) and `{type}`
  (`string`, or `string="true"`: as it is; any other: JSON).
- `{object}`: an object in Gemma's notation, with strings between `<|"|>`. `{pythonic}`: a list of Python
  calls.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

_HOLE = re.compile(r"\{([a-z]*)\}|\n")


class Step(NamedTuple):
    """A part of a sample: a hole, literal text, or, where both are empty, white space: `space` is how models
    write it.
    """

    hole: str = ""
    text: str = ""
    space: str = ""


class Span(NamedTuple):
    """What opens and what closes a stretch of text; any of `closes` does."""

    open: str
    closes: tuple[str, ...]


@dataclass(frozen=True)
class Syntax:
    """One way to write a call. `escaped`: names and keys are escaped as in XML's attributes. `guess`: only
    that it names a tool of the request says that it is a call.
    """

    sample: str
    parameter: str = ""
    escaped: bool = False
    guess: bool = False
    lenient: bool = False
    """It is read, but nobody asks for it: models write it by mistake, or with an id of their own."""

    name_key: str = "name"
    arguments_key: str = "arguments"
    """Under which keys the models write the name and the arguments of a `{call}`."""

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The parts of the sample."""
        return steps_of(self.sample)

    @property
    def is_guess(self) -> bool:
        """Whether what is written so may be no call at all; nothing is noted then."""
        return self.guess or not self.opener

    @property
    def opener(self) -> str:
        """The literal text that a call begins with; empty where a call has none."""
        return self.steps[0].text

    @property
    def tail(self) -> tuple[str, ...]:
        """The literal texts behind the last hole."""
        last = max(index for index, step in enumerate(self.steps) if step.hole)
        return tuple(step.text for step in self.steps[last + 1 :] if step.text)


@dataclass(frozen=True)
class Channels:
    """Messages with a header each, as Harmony has them: `start` role `channel` name to=recipient `message`
    text `end`.
    """

    start: str
    channel: str
    message: str
    end: str
    call_ends: tuple[str, ...]
    reasoning: tuple[str, ...]
    recipient: str
    """What stands before the name of a tool in a recipient."""


@dataclass(frozen=True)
class Format:
    """How a family writes. A template that has all texts of one of `signs` is of this family."""

    name: str
    models: str
    signs: tuple[tuple[str, ...], ...] = ()
    reasoning: tuple[Span, ...] = ()
    calls: tuple[Syntax, ...] = ()
    sections: tuple[Span, ...] = ()
    """What calls stand in, one after the other; other text in there is no content."""

    ignored: tuple[str, ...] = ()
    """Marks around content that say nothing."""

    trailing: tuple[str, ...] = ()
    """Marks that may follow a call, and say nothing."""

    between: str = ""
    """What the models write between calls, and between a section's marks and its calls."""

    calls_in_reasoning: bool = False
    """A call ends the reasoning: the models forget to close it."""

    channels: Channels | None = None

    @cached_property
    def openers(self) -> tuple[str, ...]:
        """The literal texts that calls begin with, each once."""
        return tuple(dict.fromkeys(syntax.opener for syntax in self.calls if syntax.opener))

    @cached_property
    def marks(self) -> tuple[str, ...]:
        """All literal texts of the format."""
        spans = (*self.reasoning, *self.sections)
        samples = [sample for way in self.calls for sample in (way.sample, way.parameter)]
        steps = [step.text for sample in samples for step in steps_of(sample)]
        around = [text for span in spans for text in (span.open, *span.closes)]
        return (*around, *steps, *self.ignored, *self.trailing, *_texts(self.channels))

    @cached_property
    def bare(self) -> tuple[Syntax, ...]:
        """The calls that nothing announces: they are the whole answer."""
        return tuple(syntax for syntax in self.calls if not syntax.opener)


def _texts(channels: Channels | None) -> tuple[str, ...]:
    """The literal texts of channels."""
    if channels is None:
        return ()
    return (channels.start, channels.channel, channels.message, channels.end, *channels.call_ends)


@cache
def steps_of(sample: str) -> tuple[Step, ...]:
    """The parts of a sample, one after the other."""
    steps: list[Step] = []
    at = 0
    for found in _HOLE.finditer(sample):
        if found.start() > at:
            steps.append(Step(text=sample[at : found.start()]))
        steps.append(Step(hole=found[1] or "", space="\n" if found[0] == "\n" else ""))
        at = found.end()
    return (*steps, Step(text=sample[at:])) if at < len(sample) else tuple(steps)
