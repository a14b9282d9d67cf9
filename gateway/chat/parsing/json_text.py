"""JSON in the text: where a value ends, found while it arrives. Strict (RFC 8259), without recursion, bounded
in depth.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from gateway.chat.parsing.events import CutOff, Malformed
from gateway.chat.parsing.tape import Reading, Tape

MAX_DEPTH = 200
MAX_NUMBER = 400

SPACE = re.compile(r"[ \t\n\r]*")
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_CHARS = re.compile(r'[^"\\\x00-\x1f]*')
_WORD = re.compile(r"[-+.0-9A-Za-z]*")
_HEX = re.compile(r"[0-9A-Fa-f]{4}")
_CLOSERS = {"{": "}", "[": "]"}


def value(tape: Tape, waiting: Callable[[], None] | None = None) -> Reading[None]:
    """Move behind one JSON value. `waiting` is called when the reader waits, and before it raises.

    Raises:
        Malformed: it is no JSON.
        CutOff: the text ends within it.
    """
    waiting = waiting or _nothing
    try:
        for _ in _value(tape):
            waiting()
            yield
    except (Malformed, CutOff):
        waiting()
        raise


def _nothing() -> None:
    """Nobody wants to know."""


def _value(tape: Tape) -> Reading[None]:
    closers: list[str] = []
    state = "value"
    while state != "after" or closers:
        yield from tape.skip(SPACE)
        char = yield from tape.peek()
        if state in ("value", "first"):
            state = yield from _begin(tape, char, closers, state)
        elif state in ("key", "first key"):
            state = yield from _key(tape, char, closers, state)
        elif char == ":" and state == "colon":
            tape.at, state = tape.at + 1, "value"
        elif state == "after" and char in (",", closers[-1]):
            tape.at += 1
            if char == ",":
                state = "key" if closers[-1] == "}" else "value"
            else:
                closers.pop()
        else:
            raise Malformed("json")


def _begin(tape: Tape, char: str, closers: list[str], state: str) -> Reading[str]:
    """A value begins, or an array that has just begun ends."""
    if char in _CLOSERS:
        tape.at += 1
        closers.append(_CLOSERS[char])
        if len(closers) > MAX_DEPTH:
            raise Malformed("depth")
        return "first key" if char == "{" else "first"
    if char == "]" and state == "first":
        tape.at += 1
        closers.pop()
    elif char == '"':
        yield from string(tape)
    else:
        yield from _scalar(tape)
    return "after"


def _key(tape: Tape, char: str, closers: list[str], state: str) -> Reading[str]:
    """A key, or an object that has just begun ends."""
    if char == "}" and state == "first key":
        tape.at += 1
        closers.pop()
        return "after"
    yield from string(tape)
    return "colon"


def _scalar(tape: Tape) -> Reading[None]:
    """A number, true, false or null."""
    start = tape.at
    yield from tape.skip(_WORD)
    word = tape.text[start : tape.at]
    if word not in ("true", "false", "null") and not (len(word) < MAX_NUMBER and NUMBER.fullmatch(word)):
        raise Malformed("json")


def string(tape: Tape) -> Reading[str]:
    """Move behind a string; returns its text, quotes and all."""
    start = tape.at
    if (yield from tape.peek()) != '"':
        raise Malformed("json")
    tape.at += 1
    while True:
        yield from tape.skip(_CHARS)
        char = yield from tape.peek()
        tape.at += 1
        if char == '"':
            return tape.text[start : tape.at]
        if char != "\\":
            raise Malformed("json")
        yield from _escape(tape)


def _escape(tape: Tape) -> Reading[None]:
    char = yield from tape.peek()
    tape.at += 1
    if char == "u":
        yield from tape.need(4)
        if not _HEX.match(tape.text, tape.at):
            raise Malformed("json")
        tape.at += 4
    elif char not in '"\\/bfnrt':
        raise Malformed("json")


def dumps(thing: Any) -> str:
    """JSON as models write it: letters as they are."""
    return json.dumps(thing, ensure_ascii=False)


def loads(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        Malformed: it is none, or holds what is no JSON (NaN).
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise Malformed("json") from None


def _refuse(name: str) -> Any:
    raise ValueError(name)
