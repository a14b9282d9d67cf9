"""The reader of a call: follows the sample that describes it, hole by hole."""

from __future__ import annotations

import html
import re

from gateway.chat.formats.format import Step, Syntax
from gateway.chat.parsing import notations, tagged
from gateway.chat.parsing.attempt import Attempt
from gateway.chat.parsing.events import CutOff, Malformed
from gateway.chat.parsing.json_text import dumps, loads, string, value
from gateway.chat.parsing.tape import Marks, Reading, Tape

MAX_NAME = 256
_NAME = re.compile(r"""[^\s<>\[\](){}"'`|,;]+""")
_KEYS = frozenset(("name", "arguments", "parameters", "type", "id", "function"))


def read(tape: Tape, syntax: Syntax, attempt: Attempt, after: Marks, name: str = "") -> Reading[None]:
    """Move behind a call, and give its events. `after`: marks that may follow a call. `name`: where it is
    known before.

    Raises:
        Malformed: it is none.
        CutOff: the text ends within it.
    """
    for index, step in enumerate(syntax.steps):
        if step.hole in ("name", "id"):
            found = yield from _word(tape, syntax.steps[index + 1].text)
            name = (html.unescape(found) if syntax.escaped else found) if step.hole == "name" else name
        elif step.hole:
            yield from _body(tape, step.hole, name, syntax, attempt, after)
        elif not (yield from _literal(tape, step, attempt)):
            break
    if attempt.is_begun:
        attempt.end()
    elif not attempt.ended:
        attempt.begin(name)
        attempt.arguments("{}")
        attempt.end()


def _literal(tape: Tape, step: Step, attempt: Attempt) -> Reading[bool]:
    """Literal text. False: the text ended, and only marks are missing."""
    try:
        if step.text:
            yield from tape.expect(step.text)
        else:
            yield from tape.skip()
    except CutOff:
        if not attempt.is_written:
            raise
        tape.at = len(tape.text)
        return False
    return True


def _word(tape: Tape, then: str) -> Reading[str]:
    """A name or an id, up to what comes then."""
    start = tape.at
    yield from tape.skip(_NAME)
    found = tape.text[start : tape.at]
    if then and then[0] in found:
        found = found[: found.index(then[0])]
        tape.at = start + len(found)
    if not found and not tape.is_over:
        raise Malformed("name")
    if len(found) > MAX_NAME:
        raise Malformed("name")
    return found


def _body(tape: Tape, hole: str, name: str, syntax: Syntax, attempt: Attempt, after: Marks) -> Reading[None]:
    if hole == "call":
        yield from _call(tape, attempt, syntax)
    elif hole == "calls":
        yield from _calls(tape, attempt, syntax)
    elif hole == "pythonic":
        yield from notations.pythonic(tape, attempt)
    elif hole == "parameters":
        attempt.begin(name)
        yield from tagged.parameters(tape, syntax, attempt, after)
    elif (yield from tape.peek()) not in '{"n':
        raise Malformed("arguments")
    else:
        attempt.begin(name)
        yield from (notations.gemma if hole == "object" else arguments)(tape, attempt)


def arguments(tape: Tape, attempt: Attempt) -> Reading[None]:
    """The arguments' JSON, given out as it arrives; JSON within a JSON string is taken out of it, null is no
    arguments.
    """
    char = yield from tape.peek()
    if char == "{":
        attempt.arguments("")
        yield from value(tape, attempt.arguments)
        attempt.arguments()
    else:
        attempt.arguments((yield from _held_arguments(tape)))
    attempt.is_written = True


def _held_arguments(tape: Tape) -> Reading[str]:
    """The arguments' JSON, all at once."""
    start = tape.at
    yield from value(tape)
    text = tape.text[start : tape.at]
    if text.startswith("{"):
        return text
    found = loads(text)
    found = loads(found) if isinstance(found, str) and found.strip() else found
    if not isinstance(found or {}, dict):
        raise Malformed("arguments")
    return dumps(found or {})


def _call(tape: Tape, attempt: Attempt, syntax: Syntax) -> Reading[None]:
    """`{"name": …, "arguments": …}`, in either order. Where it stands alone, other keys say that it is no
    call.
    """
    name, late = "", ""
    argument_keys = (syntax.arguments_key, "arguments", "parameters")
    yield from tape.expect("{")
    while True:
        key = yield from _next_key(tape)
        if not key:
            break
        if attempt.is_guess and key not in (syntax.name_key, *_KEYS):
            raise Malformed("json")
        if key == syntax.name_key and not name:
            name = str(loads((yield from string(tape))))
        elif key in argument_keys and attempt.is_begun:
            raise Malformed("arguments")
        elif key in argument_keys and name:
            attempt.begin(name)
            yield from arguments(tape, attempt)
            attempt.is_written = False
        elif key in argument_keys:
            late = yield from _held_arguments(tape)
        else:
            yield from value(tape)
    if not attempt.is_begun:
        if not name or (attempt.is_guess and not late):
            raise Malformed("name")
        attempt.begin(name)
        attempt.arguments(late or "{}")
    attempt.is_written = True


def _next_key(tape: Tape) -> Reading[str]:
    """The next key of an object, behind whose colon reading is then; empty at the object's end."""
    yield from tape.skip()
    char = yield from tape.peek()
    if char == ",":
        tape.at += 1
        yield from tape.skip()
        char = yield from tape.peek()
    if char == "}":
        tape.at += 1
        return ""
    key = str(loads((yield from string(tape))))
    yield from tape.skip()
    yield from tape.expect(":")
    yield from tape.skip()
    if not key:
        raise Malformed("json")
    return key


def _calls(tape: Tape, attempt: Attempt, syntax: Syntax) -> Reading[None]:
    """One call, or an array of them; each is complete with its own last brace."""
    if (yield from tape.peek()) != "[":
        yield from _call(tape, attempt, syntax)
        return
    tape.at += 1
    while True:
        yield from tape.skip()
        yield from _call(tape, attempt, syntax)
        attempt.end()
        yield from tape.skip()
        if (yield from tape.first_of((",", "]"))) != ",":
            break
        tape.at += 1
    yield from tape.expect("]")
    attempt.is_written = True
