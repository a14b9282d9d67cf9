"""JSON schemas before they are compiled: read, bounded, and refused where the library would let wrong
documents pass.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, NoReturn

from gateway.engine.grammar.errors import GrammarRefusedError

MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
SINGLE = ("additionalProperties", "additionalItems", "not", "if", "then", "else", "contains", "propertyNames")
NAMED = ("$defs", "definitions")
"""Keywords under which schemas stand by name: they count only where something refers to them."""

NUMBERS = ("const", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
DEPTH = 100
"""Levels of JSON in a schema: the library's own reader stops at 128."""

OPTIONS = "x-guidance"
"""The key by which a schema could change how llguidance compiles it: ours alone to set."""

LINE_BREAKS = r"(\x20|\x0A\x20{0,20})"
"""White space that is not compact: one blank, or a new line and its indentation; never without end."""

Schema = dict[str, Any]
Place = tuple[str, Any]
"""A JSON Pointer and what is there."""


def read_schema(text: str) -> Schema:
    """A schema from its text; `true` and `false` become objects that mean the same.

    Raises:
        GrammarRefusedError: it is no JSON, or no schema.
    """
    try:
        schema = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise GrammarRefusedError(f"the schema is not JSON: {error}") from None
    if _depth(schema) > DEPTH:
        raise GrammarRefusedError(f"the schema nests more than {DEPTH} deep")
    if isinstance(schema, bool):
        return {} if schema else {"allOf": [False]}
    if not isinstance(schema, dict):
        raise GrammarRefusedError("schema must be an object or boolean")
    return schema


def compilable(schema: Schema, *, compact: bool) -> str:
    """The schema's text for llguidance, with our options; its keys are in the client's order.

    Raises:
        GrammarRefusedError: a document that the library would make of it may be invalid.
    """
    for path, place in places(schema):
        _check(path, place)
    options: dict[str, Any] = {"lenient": False, "coerce_one_of": False, "whitespace_flexible": False}
    if not compact:
        options["whitespace_pattern"] = LINE_BREAKS
    return json.dumps(schema | {OPTIONS: options}, ensure_ascii=False)


def places(schema: Any, path: str = "") -> Iterator[Place]:
    """Every schema inside of one, itself first, in its order; those that only stand by name come last."""
    yield path, schema
    if not isinstance(schema, dict):
        return
    for key in sorted(schema, key=lambda name: name in NAMED):
        for below, child in _children(key, schema[key]):
            yield from places(child, f"{path}/{pointer(key)}{below}")


def pointer(key: object) -> str:
    """A key as a part of a JSON Pointer."""
    return str(key).replace("~", "~0").replace("/", "~1")


def _children(key: str, value: Any) -> Iterator[Place]:
    if key in MAPS and isinstance(value, dict):
        yield from ((f"/{pointer(name)}", child) for name, child in value.items())
    elif (key in LISTS or key == "items") and isinstance(value, list):
        yield from ((f"/{number}", child) for number, child in enumerate(value))
    elif key in SINGLE or key == "items":
        yield "", value


def _check(path: str, schema: Any) -> None:
    """Two things that the library does not see: keys that come twice, and numbers that a double cannot
    hold.
    """
    if not isinstance(schema, dict):
        return
    least, required = schema.get("minProperties"), len(_names(schema.get("required")))
    if isinstance(least, int) and least > max(1, required):
        words = f"minProperties above 1 is only supported up to the number of required ones: {required}"
        raise GrammarRefusedError(words, path=path, keyword="minProperties")
    for keyword in NUMBERS:
        if not all(_is_exact(number) for number in _numbers(schema.get(keyword))):
            words = f"{keyword} has an integer that is not exact as a double (above 2^53)"
            raise GrammarRefusedError(words, path=path, keyword=keyword)


def _depth(value: Any) -> int:
    """Levels of arrays and objects, counted without recursion."""
    level, depth = [value], 0
    while level := [one for one in level if isinstance(one, (list, dict))]:
        depth += 1
        level = [child for one in level for child in _inside(one)]
    return depth


def _inside(value: list[Any] | dict[str, Any]) -> Iterator[Any]:
    return iter(value.values() if isinstance(value, dict) else value)


def _names(value: Any) -> set[str]:
    return {name for name in value if isinstance(name, str)} if isinstance(value, list) else set()


def _numbers(value: Any) -> Iterator[int]:
    """Every integer in a JSON value."""
    if isinstance(value, bool):
        return
    if isinstance(value, int):
        yield value
    elif isinstance(value, (list, dict)):
        for child in _inside(value):
            yield from _numbers(child)


def _is_exact(number: int) -> bool:
    try:
        return int(float(number)) == number
    except OverflowError:
        return False


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text} is more than a double can hold")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
