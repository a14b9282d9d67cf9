"""What form an answer must have, by any of the names that clients have for it: OpenAI's `response_format`,
vLLM's `guided_*` and `structured_outputs`, llama-server's `grammar` and `json_schema`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from gateway.api.openai.chat_schema import Controls
from gateway.engine.grammar.constraint import Choice, Constraint, Gbnf, JsonObject, JsonSchema, Lark, Regex
from gateway.errors import InvalidRequestError

ABSENT: tuple[Any, ...] = (None, "", {}, [])
"""Values at which a field asks for nothing."""

_raw = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Form(NamedTuple):
    """What is asked for, and the field that asks."""

    constraint: Constraint
    param: str


def form_of(body: bytes, raw: Controls) -> Form | None:
    """The form that a request asks for; None where it asks for none. Schemas are taken from the body as they
    were written, since the order of properties is part of them.

    Raises:
        InvalidRequestError: a field is not understood, or two of them ask for a form.
    """
    forms = [
        form
        for name, read in FIELDS.items()
        if (value := getattr(raw, name)) not in ABSENT
        if (form := read(name, value, body))
    ]
    if len(forms) > 1:
        names = " and ".join(f"`{form.param}`" for form in forms)
        raise InvalidRequestError(f"{names} exclude each other; send one of them.", param=forms[1].param)
    return forms[0] if forms else None


def _response_format(name: str, value: Any, body: bytes) -> Form | None:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "text":
        return None
    if kind == "json_object":
        schema = value.get("schema")  # llama-server's: the same as json_schema
        return Form(JsonObject() if schema in ABSENT else JsonSchema(_written(body, name, "schema")), name)
    if kind == "json_schema":
        return Form(JsonSchema(_named_schema(name, value, body)), f"{name}.json_schema.schema")
    text = f"`{name}.type` must be `text`, `json_object` or `json_schema`."
    raise InvalidRequestError(text, param=f"{name}.type")


def _named_schema(name: str, value: Mapping[str, Any], body: bytes) -> str:
    """`json_schema: {name, schema, strict}`, or the schema itself, as some clients send it."""
    inner = value.get("json_schema", value.get("schema"))
    if not isinstance(inner, dict):
        text = f"`{name}.json_schema` must be an object with a `schema`."
        raise InvalidRequestError(text, param=f"{name}.json_schema")
    if "json_schema" not in value:
        return _written(body, name, "schema")
    return _written(body, name, "json_schema", *(("schema",) if "schema" in inner else ()))


def _schema(name: str, value: Any, body: bytes) -> Form:
    if not isinstance(value, dict | bool):
        raise InvalidRequestError(f"`{name}` must be a JSON Schema, an object.", param=name)
    return Form(JsonSchema(_written(body, name)), name)


def _text(kind: Callable[[str], Constraint]) -> Callable[[str, Any, bytes], Form]:
    def read(name: str, value: Any, _body: bytes) -> Form:
        if not isinstance(value, str):
            raise InvalidRequestError(f"`{name}` must be a text.", param=name)
        return Form(kind(value), name)

    return read


def _choice(name: str, value: Any, _body: bytes) -> Form:
    if not (isinstance(value, list) and all(isinstance(option, str) for option in value)):
        raise InvalidRequestError(f"`{name}` must be a list of texts.", param=name)
    return Form(Choice(tuple(value)), name)


def _any_grammar(text: str) -> Constraint:
    """A grammar in the one notation or the other: rules of GBNF have `::=`."""
    return Gbnf(text) if "::=" in text else Lark(text)


def _structured_outputs(name: str, value: Any, body: bytes) -> Form | None:
    """The newer field of vLLM: `{"json" | "regex" | "choice" | "grammar" | "json_object": …}`."""
    if not isinstance(value, dict):
        raise InvalidRequestError(f"`{name}` must be an object.", param=name)
    asked = {key: inner for key, inner in value.items() if inner not in ABSENT and inner is not False}
    known = {
        key: inner
        for key, inner in asked.items()
        if key in ("json", "regex", "choice", "grammar", "json_object")
    }
    if len(known) != 1:
        text = f"`{name}` must have one of json, regex, choice, grammar, json_object."
        raise InvalidRequestError(text, param=name)
    ((key, inner),) = known.items()
    path = f"{name}.{key}"
    if key == "json":
        return Form(JsonSchema(_written(body, name, "json")), path)
    if key == "json_object":
        return Form(JsonObject(), path)
    readers = {"regex": _text(Regex), "choice": _choice, "grammar": _text(_any_grammar)}
    return readers[key](path, inner, body)


def _json_object(name: str, value: Any, _body: bytes) -> Form | None:
    return Form(JsonObject(), name) if value is True else None


FIELDS: dict[str, Callable[[str, Any, bytes], Form | None]] = {
    "response_format": _response_format,
    "json_schema": _schema,
    "grammar": _text(_any_grammar),
    "guided_json": _schema,
    "guided_json_object": _json_object,
    "guided_regex": _text(Regex),
    "guided_choice": _choice,
    "guided_grammar": _text(_any_grammar),
    "structured_outputs": _structured_outputs,
}
"""Fields that ask for a form, and how each is read."""


def _written(body: bytes, *path: str) -> str:
    """A value of the body as it was written."""
    value: bytes | msgspec.Raw = body
    for name in path:
        value = _raw.decode(value)[name]
    return bytes(value).decode()
