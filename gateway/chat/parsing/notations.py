"""Arguments in notations that are not JSON: Gemma's objects and Python's calls. Read whole, then given out as
JSON.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gateway.chat.parsing.attempt import Attempt
from gateway.chat.parsing.events import Malformed
from gateway.chat.parsing.json_text import MAX_DEPTH, dumps, loads
from gateway.chat.parsing.tape import Reading, Tape, marks

QUOTE = '<|"|>'
_GEMMA = re.compile(r'<\|"\|>(.*?)<\|"\|>|([{}\[\],:])|((?:(?!<\|"\|>)[^{}\[\],:])+)', re.DOTALL)
_IDENTIFIER = re.compile(r"[\w.]*")
_BRACKETS = "([{", ")]}"


def gemma(tape: Tape, attempt: Attempt) -> Reading[None]:
    """An object with bare keys, and strings between `<|"|>`."""
    start = tape.at
    yield from _bracketed(tape, "{", (QUOTE,))
    text = "".join(_as_json(tape.text[start : tape.at]))
    loads(text)
    attempt.arguments(text)
    attempt.is_written = True


def _as_json(text: str) -> Iterator[str]:
    """The parts of an object in Gemma's notation, as parts of JSON."""
    for found in _GEMMA.finditer(text):
        quoted, mark, word = found.groups()
        if quoted is not None:
            yield dumps(quoted)
        elif mark:
            yield mark
        elif word.strip():
            yield _word(word.strip(), is_key=text.startswith(":", found.end()))


def _word(word: str, *, is_key: bool) -> str:
    """A bare key, or a bare value: JSON's own, or a text."""
    try:
        found = loads(word)
    except Malformed:
        return dumps(word)
    return dumps(word) if is_key and not isinstance(found, str) else word


def pythonic(tape: Tape, attempt: Attempt) -> Reading[None]:
    """`[f(a=1), g()]`: each call is complete when the list is."""
    start = tape.at
    yield from tape.expect("[")
    yield from _check_first_name(tape, attempt)
    tape.at = start
    yield from _bracketed(tape, "[", ('"', "'"), escapes=True)
    calls = _python_calls(tape.text[start : tape.at])
    if attempt.is_guess and any(name not in attempt.tools for name, _ in calls):
        raise Malformed("unknown_tool")
    for name, arguments in calls:
        attempt.begin(name)
        attempt.arguments(arguments)
        attempt.end()
    attempt.is_written = True


def _check_first_name(tape: Tape, attempt: Attempt) -> Reading[None]:
    """A list that does not begin with a call is found out early: it may be a long text in brackets."""
    yield from tape.skip()
    begin = tape.at
    yield from tape.skip(_IDENTIFIER)
    name = tape.text[begin : tape.at]
    if (yield from tape.peek()) != "(" or (attempt.is_guess and name not in attempt.tools):
        raise Malformed("format")


def _python_calls(text: str) -> list[tuple[str, str]]:
    """The names and the arguments' JSON of a list of calls.

    Raises:
        Malformed: it is no list of calls with literal keyword arguments.
    """
    try:
        tree = ast.parse(text, mode="eval").body
        if not isinstance(tree, ast.List) or not tree.elts:
            raise Malformed("format")
        return [_python_call(node) for node in tree.elts]
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise Malformed("format") from None


def _python_call(node: ast.expr) -> tuple[str, str]:
    if not isinstance(node, ast.Call) or node.args or any(keyword.arg is None for keyword in node.keywords):
        raise Malformed("format")
    arguments = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in node.keywords}
    text = dumps(arguments)
    loads(text)
    name = ast.unparse(node.func)
    if not _IDENTIFIER.fullmatch(name):
        raise Malformed("name")
    return name, text


def _bracketed(tape: Tape, opener: str, quotes: tuple[str, ...], *, escapes: bool = False) -> Reading[None]:
    """Move behind what the opening bracket that comes next encloses."""
    if (yield from tape.peek()) != opener:
        raise Malformed("format")
    opening, closing = _BRACKETS
    watched = marks((*opening, *closing, *quotes))
    depth = 0
    while True:
        mark = yield from tape.find(watched)
        tape.at += len(mark)
        if mark in quotes:
            yield from _quoted(tape, mark, escapes=escapes)
        else:
            depth += 1 if mark in opening else -1
        if depth == 0:
            return
        if depth > MAX_DEPTH:
            raise Malformed("depth")


def _quoted(tape: Tape, quote: str, *, escapes: bool) -> Reading[None]:
    """Move behind a string that has just begun."""
    watched = marks((quote, "\\") if escapes else (quote,))
    while (mark := (yield from tape.find(watched))) != quote:
        tape.at += len(mark)
        yield from tape.need()
        tape.at += 1
    tape.at += len(quote)
