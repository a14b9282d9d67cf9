"""Tools for models whose chat template does not speak of them: told in a system message of ours, and calls
and their results in the history as texts that such a template can render.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import jinja2
from jinja2 import nodes

from gateway.chat.formats.constraint import Json, Piece, Text, constraint
from gateway.chat.formats.format import Format

_PARSER = jinja2.Environment(extensions=["jinja2.ext.loopcontrols"], autoescape=True)

INTRODUCTION = (
    "You can call these functions. "
    "Each is described by its name, what it does and a JSON schema of its arguments:"
)
HOW = "To call a function, answer with its name and its arguments as a JSON object, in exactly this form:"
ELSE = "If none of the functions helps, answer as usual."
EXAMPLE = {"name": "NAME", "parameters": {"type": "object", "properties": {"KEY": {}}, "required": ["KEY"]}}


@lru_cache(maxsize=64)
def speaks_of_tools(template_text: str) -> bool:
    """Whether a template reads `tools`; one that does not parse may do so."""
    try:
        tree = _PARSER.parse(template_text)
    except (jinja2.TemplateError, RecursionError):
        return True
    return any(node.name == "tools" for node in tree.find_all(nodes.Name))


def plain_messages(
    messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], chosen: Format
) -> list[dict[str, Any]]:
    """The messages with texts alone, behind a system message that tells the tools, if there are any; calls
    are written as the model is to write them.
    """
    plain = [_plain(message, chosen) for message in messages]
    if not tools:
        return plain
    told = "\n\n".join((INTRODUCTION, "\n".join(map(_described, tools)), f"{HOW}\n{_example(chosen)}", ELSE))
    if plain and plain[0]["role"] == "system":
        return [{**plain[0], "content": f"{plain[0]['content']}\n\n{told}"}, *plain[1:]]
    return [{"role": "system", "content": told}, *plain]


def _plain(message: Mapping[str, Any], chosen: Format) -> dict[str, Any]:
    content = message.get("content") or ""
    if message["role"] == "tool":
        return {"role": "user", "content": f"<tool_response>\n{content}\n</tool_response>"}
    texts = [content] if content else []
    texts += (_written(call["function"], chosen) for call in message.get("tool_calls") or ())
    return {"role": message["role"], "content": "\n".join(texts)}


def _described(tool: Mapping[str, Any]) -> str:
    """A tool in a line of JSON."""
    function = tool["function"]
    known = {key: function[key] for key in ("name", "description", "parameters") if function.get(key)}
    return json.dumps(known, ensure_ascii=False)


def _example(chosen: Format) -> str:
    """A call with words in place of what is to be filled in."""
    return "".join(_shown(constraint(chosen, [EXAMPLE], "required").calls[0].pieces, '{"KEY": "VALUE"}'))


def _written(function: Mapping[str, Any], chosen: Format) -> str:
    """A call of the history, whose arguments are JSON text or an object."""
    arguments = function.get("arguments") or "{}"
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    shape = constraint(chosen, [{"name": function["name"]}], "required").calls[0]
    if not any(isinstance(piece, Json) for piece in shape.pieces):
        return json.dumps({"name": function["name"], "arguments": text}, ensure_ascii=False)
    return "".join(_shown(shape.pieces, text))


def _shown(pieces: Sequence[Piece], arguments: str) -> Iterator[str]:
    """Pieces as text, with these arguments for JSON."""
    for piece in pieces:
        if isinstance(piece, Text):
            yield piece.text
        else:
            yield arguments if isinstance(piece, Json) else "VALUE"
