"""Arguments that are written as tags, one for each parameter, with raw text in them; given out as JSON.

Raw text may hold the very marks that end it. A closing mark ends a value only where another parameter, the
end of the call or what may follow one comes behind it; where it was forgotten, the next parameter on a line
of its own, or the whole end of the call, ends the value.
"""

from __future__ import annotations

import html
import re
from functools import cache

from gateway.chat.formats.format import Step, Syntax, steps_of
from gateway.chat.parsing.attempt import Attempt
from gateway.chat.parsing.events import Malformed
from gateway.chat.parsing.json_text import dumps
from gateway.chat.parsing.tape import Marks, Reading, Tape, marks
from gateway.chat.parsing.values import as_json

MAX_KEY = 1024


class Tags:
    """The marks of a parameter, taken from its sample, and what ends the call behind it."""

    def __init__(self, syntax: Syntax, after: Marks) -> None:
        steps = steps_of(syntax.parameter)
        value = steps.index(Step(hole="value"))
        self.trims = steps[value - 1] == Step(space="\n")
        """A line break beside the value is not the value's."""

        self.head = steps[: value - self.trims]
        self.opener = steps[0].text
        self.closer = next(step.text for step in reversed(steps) if step.text)
        self.tail = syntax.tail
        self.after = after
        self.ends = marks((self.closer, self.opener, self.tail[0]))
        self.escaped = syntax.escaped


@cache
def _tags(syntax: Syntax, after: Marks) -> Tags:
    return Tags(syntax, after)


def parameters(tape: Tape, syntax: Syntax, attempt: Attempt, after: Marks) -> Reading[None]:
    """All parameters up to the end of the call.

    Raises:
        Malformed: something else stands between them, or one is there twice.
        CutOff: the text ends within them.
    """
    tags = _tags(syntax, after)
    seen: set[str] = set()
    attempt.arguments("{")
    while True:
        yield from tape.skip()
        if (yield from tape.first_of((tags.opener, tags.tail[0]))) != tags.opener:
            break
        key, kind = yield from _head(tape, tags)
        if key in seen:
            raise Malformed("repeated")
        raw = yield from _raw(tape, tags)
        text = as_json(raw, _types(attempt, key, kind))
        attempt.arguments(f"{', ' if seen else ''}{dumps(key)}: {text}")
        seen.add(key)
    yield from tape.expect(tags.tail[0])
    tape.at -= len(tags.tail[0])
    attempt.arguments("}")
    attempt.is_written = True


def _types(attempt: Attempt, key: str, kind: str) -> frozenset[str]:
    """The types of a parameter: what the model says with it counts for more than the schema."""
    if kind:
        return frozenset(("string",)) if kind in ("string", "true") else frozenset()
    return attempt.tools.types(attempt.name, key)


def _head(tape: Tape, tags: Tags) -> Reading[tuple[str, str]]:
    """The key, and what the model says of the type, up to the value."""
    found = {"key": "", "type": ""}
    for step, following in zip(tags.head, (*tags.head[1:], Step(text=tags.closer)), strict=True):
        if step.hole:
            found[step.hole] = yield from _attribute(tape, following.text)
        elif step.text:
            yield from tape.expect(step.text)
        else:
            yield from tape.skip()
    return html.unescape(found["key"]) if tags.escaped else found["key"], found["type"]


def _attribute(tape: Tape, then: str) -> Reading[str]:
    """Text on one line, up to the first character of what comes then."""
    start = tape.at
    yield from tape.skip(re.compile(rf"[^\n{re.escape(then[0])}]*"))
    found = tape.text[start : tape.at]
    if not found:
        yield from tape.need()
    if not found or len(found) > MAX_KEY:
        raise Malformed("key")
    return found.strip()


def _raw(tape: Tape, tags: Tags) -> Reading[str]:
    """A value, up to what ends it; reading is then at the next parameter or the end of the call."""
    start = tape.at
    while True:
        mark = yield from tape.find(tags.ends)
        here = tape.at
        if (yield from _is_end(tape, tags, mark, start)):
            raw = tape.text[start:here]
            return raw.removeprefix("\n").removesuffix("\n") if tags.trims else raw
        tape.at = here + 1


def _is_end(tape: Tape, tags: Tags, mark: str, start: int) -> Reading[bool]:
    """Whether a mark within a value ends it."""
    here = tape.at
    if mark == tags.closer:
        tape.at += len(mark)
        yield from tape.skip()
        if tape.is_over:
            yield from tape.need()
        return bool((yield from tape.first_of((tags.opener, tags.tail[0], *tags.after.texts))))
    if mark == tags.opener:
        return here > start and tape.text[here - 1] == "\n"
    is_end = yield from _is_whole_tail(tape, tags)
    tape.at = here
    return is_end


def _is_whole_tail(tape: Tape, tags: Tags) -> Reading[bool]:
    """Whether all marks of a call's end come next, and behind them nothing, or what may follow a call."""
    for text in tags.tail:
        yield from tape.skip()
        if not (yield from tape.starts(text)):
            return False
        tape.at += len(text)
    yield from tape.skip()
    return tape.is_over or bool((yield from tape.first_of(tags.after.texts)))
