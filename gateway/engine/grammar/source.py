"""A constraint's text for llguidance, whatever its kind."""

from __future__ import annotations

import json

from llguidance import LLMatcher

from gateway.engine.grammar.constraint import (
    Choice,
    Constraint,
    Gbnf,
    JsonObject,
    JsonSchema,
    Lark,
    Regex,
    StructuralTags,
    ToolCalls,
)
from gateway.engine.grammar.errors import GrammarRefusedError
from gateway.engine.grammar.gbnf import gbnf_lark
from gateway.engine.grammar.limits import GrammarLimits
from gateway.engine.grammar.schema import compilable, read_schema
from gateway.engine.grammar.tags import IsSpecial, tags_grammar

ANY_OBJECT = '{"type": "object"}'
MOST_GROWTH = 2
"""Times that a text may be longer in llguidance's terms: quotes and names."""


def source(constraint: Constraint, limits: GrammarLimits, is_special: IsSpecial) -> str:
    """What llguidance compiles; it may still find it wrong.

    Raises:
        GrammarRefusedError: the constraint is too large, or cannot be put into llguidance's terms.
    """
    match constraint:
        case JsonSchema(schema, compact):
            text = _json(schema, limits, compact=compact)
        case JsonObject(compact):
            text = _json(ANY_OBJECT, limits, compact=compact)
        case Regex(pattern):
            limits.check_size(pattern)
            text = LLMatcher.grammar_from_regex(pattern)
        case Choice(options):
            text = _choice(options)
        case Lark(grammar) | ToolCalls(grammar):
            text = _lark(grammar, limits)
        case Gbnf(grammar):
            limits.check_size(grammar, most=limits.gbnf_bytes)
            text = gbnf_lark(grammar)
        case StructuralTags():
            text = tags_grammar(constraint, is_special)
    limits.check_size(text, most=MOST_GROWTH * limits.source_bytes)
    return text


def _json(schema: str, limits: GrammarLimits, *, compact: bool) -> str:
    limits.check_size(schema)
    return LLMatcher.grammar_from_json_schema(compilable(read_schema(schema), compact=compact))


def _choice(options: tuple[str, ...]) -> str:
    if not options:
        raise GrammarRefusedError("there must be at least one choice")
    return "start: " + " | ".join(json.dumps(option, ensure_ascii=False) for option in options)


def _lark(grammar: str, limits: GrammarLimits) -> str:
    limits.check_size(grammar)
    if grammar.lstrip().startswith("{"):
        raise GrammarRefusedError("a Lark grammar was expected, and this is JSON")
    return grammar
