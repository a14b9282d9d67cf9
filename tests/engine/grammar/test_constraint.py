"""Constraints as data: the same on both ends of the pipe."""

from __future__ import annotations

import msgspec
import pytest

from gateway.engine.grammar.constraint import (
    Choice,
    Constraint,
    Gbnf,
    JsonObject,
    JsonSchema,
    Lark,
    Regex,
    StructuralTag,
    StructuralTags,
    digest,
    kind,
)

TAG = StructuralTag(trigger="<f>", begin="<f>x", content=JsonSchema("{}"), end="</f>")
ALL: dict[str, Constraint] = {
    "json_schema": JsonSchema('{"b": 1, "a": 123456789012345678901234567890}', compact=False),
    "json_object": JsonObject(),
    "regex": Regex("[a-z]+"),
    "choice": Choice(("yes", "no")),
    "lark": Lark('start: "a"'),
    "gbnf": Gbnf('root ::= "a"'),
    "structural_tags": StructuralTags((TAG, msgspec.structs.replace(TAG, content=Regex("a"))), required=True),
}


@pytest.mark.parametrize("name", ALL)
def test_a_constraint_survives_the_pipe(name: str) -> None:
    """With its kind's name, and the digest that it is kept by."""
    sent = msgspec.msgpack.encode(ALL[name])
    received: Constraint = msgspec.msgpack.decode(sent, type=Constraint)
    assert received == ALL[name]
    assert kind(received) == name
    assert digest(received) == digest(ALL[name])


def test_digests_differ() -> None:
    """Also where only the kind, an option or the order of properties does."""
    others: list[Constraint] = [
        Regex("a"),
        Lark("a"),
        Gbnf("a"),
        JsonSchema("{}"),
        JsonSchema("{}", compact=False),
        JsonObject(compact=False),
    ]
    orders: list[Constraint] = [
        JsonSchema('{"properties": {"a": {}, "b": {}}}'),
        JsonSchema('{"properties": {"b": {}, "a": {}}}'),
    ]
    constraints: list[Constraint] = [*ALL.values(), *others, *orders]
    assert len({digest(constraint) for constraint in constraints}) == len(constraints)
