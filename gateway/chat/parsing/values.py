"""Raw texts as JSON values: the types come from the tool's schema, where it says any."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.chat.parsing.events import Malformed
from gateway.chat.parsing.json_text import MAX_NUMBER, NUMBER, dumps, loads

MAX_LITERAL = 100_000
"""Characters of a Python literal that is read where JSON was expected."""

_ORDER = ("null", "boolean", "integer", "number", "object", "array")
_CONTAINERS = {"object": dict, "array": list}


class Tools:
    """The tools of a request, as OpenAI's `tools` names them: `{"type": "function", "function": {name,
    parameters}}`.
    """

    def __init__(self, tools: Sequence[Mapping[str, Any]]) -> None:
        functions = [tool.get("function", tool) for tool in tools]
        self._schemas = {function["name"]: function.get("parameters") or {} for function in functions}

    def __contains__(self, name: object) -> bool:
        return name in self._schemas

    def __bool__(self) -> bool:
        return bool(self._schemas)

    def types(self, tool: str, parameter: str) -> frozenset[str]:
        """The JSON types that a parameter may have; empty where the schema does not say."""
        schema = self._schemas.get(tool, {})
        properties = schema.get("properties")
        found = properties.get(parameter) if isinstance(properties, Mapping) else None
        return frozenset(_types(found, schema, 8))


def _types(schema: Any, root: Mapping[str, Any], depth: int) -> Iterator[str]:
    if not isinstance(schema, Mapping) or not depth:
        return
    declared = schema.get("type")
    if isinstance(declared, str):
        yield declared
    elif isinstance(declared, list):
        yield from (name for name in declared if isinstance(name, str))
    elif isinstance(schema.get("enum"), list):
        yield from ("string" if isinstance(choice, str) else "any" for choice in schema["enum"])
    for union in ("anyOf", "oneOf", "allOf"):
        for choice in schema.get(union) or ():
            yield from _types(choice, root, depth - 1)
    if schema.get("nullable") is True:
        yield "null"
    if isinstance(schema.get("$ref"), str):
        yield from _types(_referred(schema["$ref"], root), root, depth - 1)


def _referred(reference: str, root: Mapping[str, Any]) -> Any:
    """What `#/$defs/name` refers to within the schema; None where it refers to nothing."""
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def as_json(raw: str, types: frozenset[str]) -> str:
    """The JSON of a raw text. A text that is nothing that the schema allows stays a text: whoever checks says
    so.
    """
    if types and "any" not in types:
        found = (_typed(raw, name) for name in _ORDER if name in types)
        return next((text for text in found if text is not None), dumps(raw))
    try:
        loads(raw)
    except Malformed:
        return dumps(raw)
    return raw.strip()


def _typed(raw: str, name: str) -> str | None:
    """The JSON of a raw text as a value of that type; None if it is none."""
    text = raw.strip()
    if name == "null":
        return "null" if text in ("null", "None") else None
    if name == "boolean":
        return text.lower() if text.lower() in ("true", "false") else None
    if name in ("integer", "number"):
        return text if NUMBER.fullmatch(text) and len(text) < MAX_NUMBER else None
    return _container(text, _CONTAINERS[name])


def _container(text: str, kind: type) -> str | None:
    """The JSON of an object or an array, written in JSON or, as some models do, in Python."""
    try:
        return text if isinstance(loads(text), kind) else None
    except Malformed:
        pass
    try:
        made = ast.literal_eval(text) if len(text) < MAX_LITERAL else None
        return dumps(made) if isinstance(made, kind) and loads(dumps(made)) is not None else None
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, Malformed):
        return None
