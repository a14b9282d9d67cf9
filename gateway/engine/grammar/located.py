"""Where in a schema an error of the library comes from, and which keyword it is about: the library tells
neither.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from gateway.engine.grammar.errors import GrammarRefusedError
from gateway.engine.grammar.schema import NAMED, Schema, places

MOST_S = 0.5
"""Time for compiling parts of a schema by themselves, to find the one that fails."""

UNIMPLEMENTED = re.compile(r'^Unimplemented keys: \["([^"]+)"')

ABOUT = (
    ("oneOf constraints", ("oneOf",)),
    ("Unknown format", ("format",)),
    ("regex for", ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")),
    ("regex", ("pattern", "patternProperties")),
    ("patternProperty", ("patternProperties",)),
    ("min/maxProperties", ("minProperties", "maxProperties")),
    ("Resource ", ("$ref", "$id", "$schema")),
    ("Pointer ", ("$ref",)),
    ("Anchor ", ("$ref",)),
    ("circular references", ("$ref",)),
    ("Unknown specification", ("$schema",)),
    ("Invalid type", ("type",)),
)
"""What the library's words begin with or have in them, and the keywords that they are about."""

Failure = Callable[[Schema], str]
"""The library's words for a schema that it cannot compile; "" for one that it can."""


def located(schema: Schema, words: str, failure: Failure) -> GrammarRefusedError:
    """The refusal of a schema that failed with these words, with the innermost place that fails alike by
    itself.
    """
    unimplemented = UNIMPLEMENTED.match(words)
    if unimplemented is not None:
        keyword = unimplemented[1]
        return GrammarRefusedError(words, path=_first_with(schema, keyword), keyword=keyword)
    path, place = _innermost(schema, words, failure)
    return GrammarRefusedError(words, path=path, keyword=_keyword(place, words))


def _first_with(schema: Schema, keyword: str) -> str:
    found = (path for path, place in places(schema) if isinstance(place, dict) and keyword in place)
    return next(found, "")


def _innermost(schema: Schema, words: str, failure: Failure) -> tuple[str, Any]:
    """The first place, from outside inwards, none of whose inner places fails with these words."""
    named = {key: schema[key] for key in NAMED if key in schema}
    path, place, until_s = "", schema, time.monotonic() + MOST_S
    for below, inner in places(schema):
        if not below.startswith(path + "/") or not isinstance(inner, dict):
            continue
        if time.monotonic() > until_s:
            break
        if failure(named | inner) == words:
            path, place = below, inner
    return path, place


def _keyword(place: Any, words: str) -> str:
    there = place if isinstance(place, dict) else {}
    for text, keywords in ABOUT:
        if text in words:
            return next((keyword for keyword in keywords if keyword in there), keywords[0])
    named = re.findall(r"'(\w+)'", words)
    return next((name for name in named if name in there), "")
