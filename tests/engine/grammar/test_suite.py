"""The public JSON-Schema-Test-Suite: a schema that is compiled lets no wrong document pass; one that is
not says why.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from llguidance import LLTokenizer

from gateway.engine.grammar.compiler import GrammarCompiler
from gateway.engine.grammar.constraint import JsonSchema
from gateway.engine.grammar.errors import GrammarRefusedError
from gateway.engine.grammar.matcher import Matcher
from tests.engine.grammar import suite
from tests.engine.grammar.suite import Group
from tests.engine.grammar.walks import invalid, walk

DRAFTS = {"draft2020-12": jsonschema.Draft202012Validator, "draft7": jsonschema.Draft7Validator}
WALKS = 3

ELSEWHERE = '"$ref": "http'

UNSATISFIABLE = ("Unsatisfiable schema", "maximum", "minimum")
"""How refusals begin of schemas that no document conforms to: there is no keyword that is not supported."""


@pytest.fixture(scope="session")
def groups(request: pytest.FixtureRequest) -> dict[str, list[Group]]:
    cache = request.config.cache
    assert cache is not None, "pytest's cache is switched off, and the suite is kept there"
    tests = suite.fetch(cache.mkdir("json-schema-test-suite"))
    return {draft: list(suite.groups(tests, draft)) for draft in DRAFTS}


def compiled(compiler: GrammarCompiler, group: Group, draft: str) -> Matcher:
    """With the draft named, where the schema names none: the default is the newest."""
    schema = group.schema
    if draft != "draft2020-12" and isinstance(schema, dict):
        schema = {"$schema": DRAFTS[draft].META_SCHEMA["$schema"]} | schema
    return compiler.compile(JsonSchema(json.dumps(schema)))


def each(
    compiler: GrammarCompiler,
    groups: list[Group],
    draft: str,
    judge: Callable[[Group, Matcher], str],
) -> list[str]:
    """What is wrong with schemas that are compiled."""
    found = []
    for group in groups:
        try:
            matcher = compiled(compiler, group, draft)
        except GrammarRefusedError:
            continue
        found.append(f"{group.name}: {wrong}" if (wrong := judge(group, matcher)) else "")
    assert len(found) > len(groups) / 3
    return [wrong for wrong in found if wrong]


@pytest.mark.parametrize("draft", DRAFTS)
def test_compiled_schemas_take_no_invalid_document(
    groups: dict[str, list[Group]],
    demo_compiler: GrammarCompiler,
    demo_tokenizer: LLTokenizer,
    draft: str,
) -> None:
    """Of those that the suite has, and the reference validator refuses: formats and encodings are
    annotations to it, and patterns are Python's.
    """
    validator = DRAFTS[draft]

    def judge(group: Group, start: Matcher) -> str:
        wrong = [data for data, valid in group.documents if not valid]
        taken = [data for data in wrong if takes(start, demo_tokenizer, data)]
        taken = [data for data in taken if not validator(group.schema).is_valid(data)]
        return f"takes {taken}" if taken else ""

    assert each(demo_compiler, groups[draft], draft, judge) == []


@pytest.mark.parametrize("draft", DRAFTS)
def test_compiled_schemas_make_no_invalid_document(
    groups: dict[str, list[Group]],
    demo_compiler: GrammarCompiler,
    demo_tokenizer: LLTokenizer,
    draft: str,
) -> None:
    """Random walks; one that finds no end has made nothing."""

    def judge(group: Group, start: Matcher) -> str:
        ways = [(seed, seed % 2 == 0) for seed in range(WALKS)]
        texts = [walk(start.deep_copy(), demo_tokenizer, seed, forced=forced) for seed, forced in ways]
        try:
            wrong = [text for text in texts if text and invalid(group.schema, text, DRAFTS[draft])]
        except re.error:  # a pattern that Python cannot read: nobody to ask
            return ""
        return f"makes {wrong}" if wrong else ""

    assert each(demo_compiler, groups[draft], draft, judge) == []


@pytest.mark.parametrize("draft", DRAFTS)
def test_refused_schemas_name_the_keyword(
    groups: dict[str, list[Group]],
    demo_compiler: GrammarCompiler,
    draft: str,
) -> None:
    """One that the schema has, or the one that it refers to from elsewhere; or no document can conform."""
    unnamed = []
    for group in groups[draft]:
        try:
            compiled(demo_compiler, group, draft)
        except GrammarRefusedError as error:
            text = json.dumps(group.schema)
            there = f'"{error.keyword}"' in text or (error.keyword and ELSEWHERE in text)
            if not (there and error.keyword in str(error)) and not error.words.startswith(UNSATISFIABLE):
                unnamed.append(f"{group.name}: {error}")
    assert unnamed == []


def takes(start: Matcher, tokenizer: LLTokenizer, document: Any) -> bool:
    """Whether a grammar takes a document as we write it, without white space."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    tokens, matcher = tokenizer.tokenize_str(text), start.deep_copy()
    if matcher.validate(tokens) < len(tokens):
        return False
    for token in tokens:
        matcher.consume(token)
    return matcher.accepting
