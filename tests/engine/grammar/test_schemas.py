"""Twenty schemas on the demo model's vocabulary: whatever the sampler draws, what comes out conforms."""

from __future__ import annotations

import json

import pytest
from llguidance import LLTokenizer

from gateway.engine.grammar.compiler import GrammarCompiler
from gateway.engine.grammar.constraint import JsonSchema
from tests.engine.grammar.schemas import SCHEMAS
from tests.engine.grammar.walks import invalid, walk

WALKS = 8


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("forced", [False, True], ids=["sampled", "forced"])
def test_every_walk_conforms(
    demo_compiler: GrammarCompiler,
    demo_tokenizer: LLTokenizer,
    name: str,
    forced: bool,
) -> None:
    """With and without white space, and whether or not what is forced is sampled."""
    for seed in range(WALKS):
        constraint = JsonSchema(json.dumps(SCHEMAS[name]), compact=seed % 2 == 0)
        document = walk(demo_compiler.compile(constraint), demo_tokenizer, seed, forced=forced)
        assert document is not None
        assert not invalid(SCHEMAS[name], document), document


def test_walks_differ(demo_compiler: GrammarCompiler, demo_tokenizer: LLTokenizer) -> None:
    """Or the test above would show little."""
    constraint = JsonSchema(json.dumps(SCHEMAS["order"]))
    assert len({walk(demo_compiler.compile(constraint), demo_tokenizer, seed) for seed in range(5)}) == 5


def test_properties_come_in_the_schema_s_order(
    demo_compiler: GrammarCompiler,
    demo_tokenizer: LLTokenizer,
) -> None:
    """Not in alphabetical order, and not as `required` names them."""
    properties = {name: {"type": "null"} for name in ("zebra", "ant", "mouse")}
    schema = {
        "properties": properties,
        "required": ["ant", "mouse", "zebra"],
        "additionalProperties": False,
        "type": "object",
    }
    matcher = demo_compiler.compile(JsonSchema(json.dumps(schema)))
    assert demo_tokenizer.decode_str(matcher.forced_tokens()) == '{"zebra":null,"ant":null,"mouse":null}'
    assert matcher.stopped
