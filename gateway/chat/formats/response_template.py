"""A model's own `response_template` (transformers' form, version 1) as a format.

Some models bring one in their tokenizer's configuration: regions with what opens and closes each, and how its
text is read. What a sample with holes can say is taken over; for what it cannot, the family's format is used.
(transformers, `utils/chat_parsing/response_templates.py`.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.chat.formats.format import Format, Span, Syntax

REASONING = ("thinking", "reasoning_content", "reasoning")
_HOLE = re.compile(r"\{[a-z]*\}")
_PATTERN = re.compile(
    r"\(\?P<(?P<group>name|id|key|value)>(?:[^()\\]|\\.)*\)"  # a named group, whatever it lets in
    r"|(?P<space>(?:\\s|\\n|\n)[*?+]?)"
    r"|\\(?P<escaped>[^A-Za-z0-9])"
    r"|(?P<literal>[^.^$*+?{}\[\]\\|()\n])"
)


class UnsupportedTemplateError(ValueError):
    """The template says something that no format here can say; the text says what."""


def format_of(template: Mapping[str, Any]) -> Format:
    """The format that a `response_template` describes.

    Raises:
        UnsupportedTemplateError: it says more than a format can, or is none.
    """
    fields = template.get("fields")
    if template.get("version", 1) != 1 or not isinstance(fields, Mapping):
        raise UnsupportedTemplateError("no response_template of version 1")
    content = fields.get("content") or {}
    return Format(
        "response_template",
        "the model's own",
        reasoning=tuple(_spans([fields[name] for name in REASONING if name in fields])),
        calls=tuple(_calls(fields["tool_calls"])) if "tool_calls" in fields else (),
        ignored=(*_literals(content, "open"), *_literals(content, "close")),
    )


def _literals(field: Mapping[str, Any], side: str) -> tuple[str, ...]:
    """The texts that open or close a region."""
    if f"{side}_pattern" in field:
        raise UnsupportedTemplateError(f"{side}_pattern: {field[f'{side}_pattern']}")
    found = field.get(side, ())
    return (found,) if isinstance(found, str) else tuple(found)


def _spans(fields: list[Mapping[str, Any]]) -> Iterator[Span]:
    for field in fields:
        closes = tuple(text.strip() for text in _literals(field, "close"))
        yield from (Span(text.strip(), closes) for text in _literals(field, "open"))


def _calls(field: Mapping[str, Any]) -> Iterator[Syntax]:
    """The ways to write a call: one for each text that opens it."""
    if "open_pattern" in field:
        opens: tuple[str, ...] = (_sample(field["open_pattern"]),)
    else:
        opens = tuple(_plain(text) for text in _literals(field, "open"))
    if not opens:
        raise UnsupportedTemplateError("tool_calls that nothing opens")
    close = next((_plain(text) for text in _literals(field, "close")), "")
    for text in opens:
        yield _syntax(field, text, close)


def _syntax(field: Mapping[str, Any], begin: str, close: str) -> Syntax:
    kind, options = field.get("content", "text"), field.get("content_args") or {}
    if kind == "xml-inline" and "{name}" in begin and close:
        parameter = _sample(options.get("tag_pattern", ""))
        if "{key}" in parameter and "{value}" in parameter:
            return Syntax(f"{begin}{{}}{{parameters}}{{}}{close}", parameter)
    if kind == "json" and "{name}" in begin:
        hole = "object" if options.get("unquoted_keys") else "arguments"
        return Syntax(f"{begin}{{}}{{{hole}}}{{}}{close}")
    if kind == "json":
        name, arguments = _keys(field.get("transform"))
        return Syntax(f"{begin}{{}}{{calls}}{{}}{close}", name_key=name, arguments_key=arguments)
    raise UnsupportedTemplateError(f"tool_calls of content {kind!r}")


def _keys(transform: Any) -> tuple[str, str]:
    """Under which keys of a call's JSON its name and its arguments stand."""
    function = transform.get("function") if isinstance(transform, Mapping) else None
    if not isinstance(function, Mapping):
        return "name", "arguments"
    found = [str(function.get(key, "")).strip("{}") for key in ("name", "arguments")]
    found = [key.removeprefix("content.") for key in found]
    if not all(re.fullmatch(r"\w+", key) for key in found):
        raise UnsupportedTemplateError(f"transform: {transform}")
    return found[0], found[1]


def _plain(text: str) -> str:
    """Literal text, in a sample."""
    if _HOLE.search(text):
        raise UnsupportedTemplateError(f"braces in {text!r}")
    return text


def _sample(pattern: str) -> str:
    """A regular expression of literal text, white space and named groups, as a sample."""
    sample, at = "", 0
    while at < len(pattern):
        found = _PATTERN.match(pattern, at)
        if not found:
            raise UnsupportedTemplateError(f"pattern: {pattern}")
        group, space, escaped, literal = found.group("group", "space", "escaped", "literal")
        sample += f"{{{group}}}" if group else ("\n" if space else escaped or literal)
        at = found.end()
    return sample
