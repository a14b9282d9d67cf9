"""Structural tags as a Lark grammar: text until a trigger is said, then the tag's form.

The grammar is that of llguidance's own `StructTag.to_grammar`, and more: tags that are required, one tag
only, and triggers of which some are one token and others plain text.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from llguidance import regex_to_lark

from gateway.engine.grammar.constraint import JsonSchema, Lark, Regex, StructuralTag, StructuralTags
from gateway.engine.grammar.errors import GrammarRefusedError
from gateway.engine.grammar.schema import compilable, read_schema

TEXT = r"TEXT: /(.|\n)*/"

IsSpecial = Callable[[str], bool]
"""Whether a text is one token of the vocabulary that no other text can make."""


def tags_grammar(constraint: StructuralTags, is_special: IsSpecial) -> str:
    """The grammar's text: Lark, or llguidance's JSON where a tag's content is a grammar of its own.

    Raises:
        GrammarRefusedError: there are no tags, or one does not begin with its trigger.
    """
    if not constraint.tags:
        raise GrammarRefusedError("there must be at least one tag")
    rules, inner = [_start(constraint), TEXT], {}
    for number, tag in enumerate(constraint.tags):
        if not tag.trigger or not tag.begin.startswith(tag.trigger):
            raise GrammarRefusedError("begin must start with trigger, and trigger must not be empty")
        content = _content(tag, number)
        if isinstance(tag.content, Lark):
            inner[f"content_{number}"] = tag.content.grammar
        rules += _rules(tag, number, content, free=not constraint.required, special=is_special(tag.trigger))
    lark = "%llguidance {}\n" + "\n".join(rules) + "\n"
    if not inner:
        return lark
    grammars = [{"name": name, "lark_grammar": text} for name, text in {"tags": lark, **inner}.items()]
    return json.dumps({"grammars": grammars})


def _start(constraint: StructuralTags) -> str:
    tag = "(" + " | ".join(f"tag_{number}" for number in range(len(constraint.tags))) + ")"
    if not constraint.required:
        return f"start: {tag}* text\ntext: TEXT" if constraint.several else f"start: {tag} | text\ntext: TEXT"
    return f"start: {tag} ({_quoted(constraint.separator)} {tag})*" if constraint.several else f"start: {tag}"


def _rules(tag: StructuralTag, number: int, content: str, *, free: bool, special: bool) -> list[str]:
    """The rules of a tag; `free`: text may come before it."""
    body = f"{_quoted(tag.begin.removeprefix(tag.trigger))} {content} {_quoted(tag.end)}"
    if special:
        return [f"tag_{number}: {'TEXT ' if free else ''}{tag.trigger} {body}"]
    if free:
        return [f"open_{number}[lazy]: TEXT {_quoted(tag.trigger)}", f"tag_{number}: open_{number} {body}"]
    return [f"tag_{number}: {_quoted(tag.trigger)} {body}"]


def _content(tag: StructuralTag, number: int) -> str:
    if isinstance(tag.content, JsonSchema):
        return f"%json {compilable(read_schema(tag.content.schema), compact=tag.content.compact)}"
    if isinstance(tag.content, Regex):
        return f"/{regex_to_lark(tag.content.pattern, '')}/"
    return f"@content_{number}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False) if text else ""
