"""The conformance suite canitoolcall: recorded and rendered outputs of each family, with what a right parser
makes of them.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from canitoolcall.fixtures import Fixture
from canitoolcall.pytest_plugin import assert_conforms, assert_equivalent, family_for
from canitoolcall.results import ParsedToolCall, ParseResult

from gateway.chat.formats.choose import named
from gateway.chat.parsing.events import message_of
from gateway.chat.parsing.parser import Parser

FORMATS = {
    "deepseek-v3": "deepseek",
    "deepseek-v31": "deepseek",
    "deepseek-v32": "deepseek-dsml",
    "deepseek-v4": "deepseek-dsml",
    "deepseek-v41": "deepseek-dsml",
    "gemma4": "gemma",
    "glm": "glm",
    "gpt-oss": "harmony",
    "kimi-k2-instruct": "kimi-k2",
    "kimi-k2-thinking": "kimi-k2",
    "kimi-k3-xtml": "kimi-k3",
    "llama3-json": "llama3",
    "llama4-pythonic": "llama4",
    "mistral": "mistral",
    "qwen3-hermes": "hermes",
    "qwen3-xml": "qwen-xml",
}
"""The format of each variant of a model, or of all of a family."""


def test_whole(canitoolcall_fixture: Fixture) -> None:
    """Content, reasoning and calls are those that the suite expects, but for white space at the ends of
    texts.
    """
    text = canitoolcall_fixture.raw_output
    assert_conforms(canitoolcall_fixture, parsed(canitoolcall_fixture, [text]), soft=True)


def test_at_random_splits(canitoolcall_fixture: Fixture) -> None:
    """However the text is cut, down to single characters, the result is exactly that of the whole."""
    text = canitoolcall_fixture.raw_output
    whole = parsed(canitoolcall_fixture, [text])
    for pieces in (list(text), cut(text, seed=1, longest=8), cut(text, seed=2, longest=40)):
        assert_equivalent(parsed(canitoolcall_fixture, pieces), whole)


def parsed(fixture: Fixture, pieces: Iterable[str]) -> ParseResult:
    """What our parser makes of the pieces, in the suite's form; each character is accounted for."""
    parser = Parser(named(format_of(fixture)), tools=fixture.tools, prompt=prompt_of(fixture))
    events = [event for piece in pieces for event in parser.feed(piece)] + parser.finish()
    assert "".join(event.source for event in events) == fixture.raw_output
    message = message_of(events)
    calls = tuple(ParsedToolCall(call.name, call.arguments) for call in message.calls)
    return ParseResult(message.content or None, message.reasoning or None, calls)


def format_of(fixture: Fixture) -> str:
    """The name of the format that a fixture's model writes."""
    family = family_for(fixture)
    assert family
    variants = {model.repo: model.variant or "" for model in family.reference_models}
    return FORMATS.get(variants[fixture.reference_model]) or FORMATS[fixture.family]


def prompt_of(fixture: Fixture) -> str:
    """How the prompt ended."""
    family = family_for(fixture)
    assert family
    usual = {model.repo: model.default_generation_prompt for model in family.reference_models}
    given = fixture.generation_prompt
    return (usual[fixture.reference_model] if given is None else given) or ""


def cut(text: str, *, seed: int, longest: int) -> list[str]:
    """The text in pieces of at most that many characters, the same ones for a seed."""
    rng = random.Random(seed)
    pieces = []
    while text:
        length = rng.randint(1, longest)
        pieces.append(text[:length])
        text = text[length:]
    return pieces
