"""Messages of a conversation with tool calls and reasoning, as a chat template wants them.

OpenAI's messages carry a call's arguments as JSON text, and a null content beside calls. Most templates want
the arguments as an object, which they write as JSON themselves; some put them together as text. The template
is read for that, not tried. (As vLLM and llama.cpp do: `_postprocess_messages`, `requires_object_arguments`,
`requires_non_null_content`.)
"""

from __future__ import annotations

import hashlib
import json
import re
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jinja2
from jinja2 import nodes

MISTRAL_ID_LENGTH = 9
_ID_CHARS = string.ascii_letters + string.digits
_LENGTH_NINE = re.compile(r"length 9|length\s*!=\s*9")
_AS_OBJECT = frozenset(("tojson", "items", "dictsort", "length"))
_PARSER = jinja2.Environment(extensions=["jinja2.ext.loopcontrols"], autoescape=True)


@dataclass(frozen=True, slots=True)
class Wants:
    """What a template wants: arguments as text, content None where there is none, ids as Mistral's, and the
    name that it has for reasoning.
    """

    text_arguments: bool = False
    null_content: bool = False
    short_ids: bool = False
    reasoning_keys: tuple[str, ...] = ("reasoning_content",)


def for_template(messages: Sequence[Mapping[str, Any]], template_text: str) -> list[dict[str, Any]]:
    """The messages, changed to what this template wants; others keep all that they have."""
    wants = wants_of(template_text)
    names = {call["id"]: call.get("function", {}).get("name") for call in _calls(messages) if "id" in call}
    return [_message(message, wants, names) for message in messages]


def _calls(messages: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for message in messages:
        yield from message.get("tool_calls") or ()


def _message(message: Mapping[str, Any], wants: Wants, names: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(message)
    if message.get("content") is None and not wants.null_content:
        made["content"] = ""
    if message.get("tool_calls"):
        made["tool_calls"] = [_call(call, wants) for call in message["tool_calls"]]
    if message.get("role") == "tool":
        made.setdefault("name", names.get(str(message.get("tool_call_id"))))
        if wants.short_ids and "tool_call_id" in made:
            made["tool_call_id"] = short_id(str(made["tool_call_id"]))
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    if reasoning:
        made |= dict.fromkeys(wants.reasoning_keys, reasoning)
    return {key: value for key, value in made.items() if key != "name" or value is not None}


def _call(call: Mapping[str, Any], wants: Wants) -> dict[str, Any]:
    """A call with its arguments in the form that the template wants."""
    function = dict(call.get("function") or {})
    function["arguments"] = _arguments(function.get("arguments"), as_text=wants.text_arguments)
    made = {"type": "function", **call, "function": function}
    if wants.short_ids and "id" in made:
        made["id"] = short_id(str(made["id"]))
    return made


def _arguments(arguments: Any, *, as_text: bool) -> Any:
    """Arguments as an object, or as JSON text; a text that is no object stays what it is."""
    if as_text:
        return arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
    if not isinstance(arguments, str):
        return arguments or {}
    try:
        found = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return arguments
    return found if isinstance(found, dict) else arguments


def short_id(identifier: str) -> str:
    """Nine letters and digits that stand for an id, as Mistral's templates want; an id of that form stays."""
    if len(identifier) == MISTRAL_ID_LENGTH and identifier.isascii() and identifier.isalnum():
        return identifier
    digest = hashlib.blake2b(identifier.encode(), digest_size=MISTRAL_ID_LENGTH).digest()
    return "".join(_ID_CHARS[byte % len(_ID_CHARS)] for byte in digest)


@lru_cache(maxsize=64)
def wants_of(template_text: str) -> Wants:
    """What a template wants; the usual for one that does not parse."""
    try:
        tree = _PARSER.parse(template_text)
    except (jinja2.TemplateError, RecursionError):
        return Wants()
    keys = [key for key in ("reasoning_content", "thinking", "reasoning") if _reads(tree, key)]
    return Wants(
        text_arguments=_takes_text(tree),
        null_content=_asks_for_none(tree),
        short_ids=bool(_LENGTH_NINE.search(template_text)),
        reasoning_keys=tuple(dict.fromkeys(("reasoning_content", *keys))),
    )


def _is_named(node: nodes.Node | None, key: str) -> bool:
    """Whether an expression reads that key: `x.key`, `x['key']`, or a variable of that name."""
    match node:
        case nodes.Getattr():
            return node.attr == key
        case nodes.Getitem():
            return isinstance(node.arg, nodes.Const) and node.arg.value == key
        case nodes.Name():
            return node.name == key
    return False


def _reads(tree: nodes.Template, key: str) -> bool:
    """Whether the template reads an attribute or an item of that name."""
    return any(_is_named(node, key) for node in tree.find_all((nodes.Getattr, nodes.Getitem)))


def _takes_text(tree: nodes.Template) -> bool:
    """Whether arguments are put together as text, and nowhere treated as an object."""
    filters = (node for node in tree.find_all(nodes.Filter) if node.name in _AS_OBJECT)
    loops = (node.iter for node in tree.find_all(nodes.For))
    attributes = (node.node for node in tree.find_all(nodes.Getattr) if node.attr in ("items", "keys"))
    tests = (node.node for node in tree.find_all(nodes.Test) if node.name in ("mapping", "string"))
    objects = (*(node.node for node in filters), *loops, *attributes, *tests)
    if any(_is_named(node, "arguments") for node in objects):
        return False
    return any(_is_named(node, "arguments") for node in _printed(tree))


def _printed(tree: nodes.Template) -> Iterator[nodes.Node]:
    """The expressions that are printed as they are, or joined to texts."""
    for output in tree.find_all(nodes.Output):
        yield from output.nodes
    for add in tree.find_all(nodes.Add):
        yield from (add.left, add.right)
    for concat in tree.find_all(nodes.Concat):
        yield from concat.nodes


def _asks_for_none(tree: nodes.Template) -> bool:
    """Whether the template asks if a content is none, in any way."""
    tests = (node.node for node in tree.find_all(nodes.Test) if node.name == "none")
    compared = (
        node.expr
        for node in tree.find_all(nodes.Compare)
        if any(isinstance(operand.expr, nodes.Const) and operand.expr.value is None for operand in node.ops)
    )
    return any(_is_named(node, "content") for node in (*tests, *compared))
