"""What form an answer must have, whatever the client calls it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.api.openai.chat_parse import parse_chat
from gateway.engine.grammar.constraint import Choice, Constraint, Gbnf, JsonObject, JsonSchema, Lark, Regex
from gateway.errors import InvalidRequestError

MESSAGES = '"messages": [{"role": "user", "content": "x"}]'
SCHEMA = '{"type": "object", "properties": {"b": {"const": 10000000000000000000001}, "a": {}}}'
"""Its order of properties, and its number, are not what a JSON decoder of Python's would keep."""


def asked(fields: str) -> tuple[Constraint | None, str]:
    work = parse_chat(f'{{"model": "m", {MESSAGES}, {fields}}}'.encode()).work
    return work.constraint, work.constraint_param


@pytest.mark.parametrize(
    ("fields", "constraint", "param"),
    [
        ('"response_format": {"type": "text"}', None, ""),
        ('"response_format": {"type": "json_object"}', JsonObject(), "response_format"),
        (
            (
                '"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema":'
                f" {SCHEMA}}}}}"
            ),
            JsonSchema(SCHEMA),
            "response_format.json_schema.schema",
        ),
        (
            f'"response_format": {{"type": "json_object", "schema": {SCHEMA}}}',
            JsonSchema(SCHEMA),
            "response_format",
        ),
        (f'"json_schema": {SCHEMA}', JsonSchema(SCHEMA), "json_schema"),
        (f'"guided_json": {SCHEMA}', JsonSchema(SCHEMA), "guided_json"),
        ('"guided_regex": "[0-9]+"', Regex("[0-9]+"), "guided_regex"),
        ('"guided_choice": ["a", "b"]', Choice(("a", "b")), "guided_choice"),
        ('"grammar": "root ::= [a-z]"', Gbnf("root ::= [a-z]"), "grammar"),
        ('"guided_grammar": "start: /[a-z]/"', Lark("start: /[a-z]/"), "guided_grammar"),
        (f'"structured_outputs": {{"json": {SCHEMA}}}', JsonSchema(SCHEMA), "structured_outputs.json"),
        ('"structured_outputs": {"choice": ["a"]}', Choice(("a",)), "structured_outputs.choice"),
        ('"structured_outputs": {"json_object": true}', JsonObject(), "structured_outputs.json_object"),
        ('"grammar": "", "guided_json": null, "guided_choice": []', None, ""),
    ],
)
def test_every_name_is_understood(fields: str, constraint: Constraint | None, param: str) -> None:
    """Schemas are kept as they were written; what asks for nothing is none."""
    assert asked(fields) == (constraint, param)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": "json"}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"guided_regex": 3}, "guided_regex"),
        ({"guided_choice": [1]}, "guided_choice"),
        ({"structured_outputs": {"json": {"a": 1}, "regex": "x"}}, "structured_outputs"),
        ({"structured_outputs": {"xml": "x"}}, "structured_outputs"),
        ({"grammar": "root ::= x", "guided_regex": "x"}, "guided_regex"),
    ],
)
def test_what_is_not_understood_is_blamed(fields: dict[str, Any], param: str) -> None:
    """By field; two forms at once as well."""
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], **fields}
    with pytest.raises(InvalidRequestError) as error:
        parse_chat(json.dumps(body).encode())
    assert error.value.param == param
