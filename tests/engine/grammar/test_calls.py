"""Tool calls as grammars, for every format: what the grammar allows is what the parser reads."""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import islice
from typing import Any

import jsonschema
import pytest
from llguidance import LLTokenizer, TokenizerWrapper

from gateway.chat.formats.choose import named
from gateway.chat.formats.constraint import constraint
from gateway.chat.formats.families import FORMATS
from gateway.chat.formats.format import Format
from gateway.chat.parsing.events import message_of
from gateway.chat.parsing.parser import parse
from gateway.engine.grammar.calls import calls_grammar
from gateway.engine.grammar.compiler import GrammarCompiler
from gateway.engine.grammar.control import ControlTokens
from gateway.engine.grammar.matcher import Matcher
from tests.engine.grammar.walks import walk

NAMES = [chosen.name for chosen in FORMATS]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 20},
        "days": {"type": "integer", "minimum": 1, "maximum": 9},
        "unit": {"type": "string", "enum": ["C", "in words"]},
    },
    "required": ["city", "days"],
    "additionalProperties": False,
}
TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}},
    {"type": "function", "function": {"name": "now"}},
]
RAW = {
    "gemma": '<|tool_call>call:weather{city:<|"|>Rome<|"|>,days:3}<tool_call|>',
    "llama4": '<|python_start|>[weather(city="Rome", days=3)]<|python_end|>',
}
"""Formats whose arguments no schema holds, and no walk ends, with a call of each."""

_MARK = re.compile(r"<\|?[^<>{}\n ]+\|?>|\[[A-Z_/]+\]")


class _Vocabulary:
    """Bytes, the marks of all formats as control tokens, and an end."""

    eos_token_id, bos_token_id = 256, None

    def __init__(self, marks: list[str]) -> None:
        self.tokens = [*(bytes((byte,)) for byte in range(256)), b"<|end of text|>", *map(str.encode, marks)]
        self.special_token_ids = list(range(256, len(self.tokens)))

    def __call__(self, text: bytes | str) -> list[int]:
        return list(text.encode() if isinstance(text, str) else text)


@cache
def compiler(with_control: bool) -> GrammarCompiler:
    """With and without marks that are tokens."""
    texts = {mark for chosen in FORMATS for text in chosen.marks for mark in _MARK.findall(text)}
    vocabulary = _Vocabulary(sorted({*texts, '<|"|>', "<|constrain|>"}) if with_control else [])
    return GrammarCompiler(LLTokenizer(TokenizerWrapper(vocabulary)))


def matcher(chosen: Format, choice: Any, *, with_control: bool, prompt: str = "", **more: Any) -> Matcher:
    template = more.pop("template", "")
    made = compiler(with_control)
    wanted = constraint(chosen, more.pop("tools", TOOLS), choice, template=template, **more)
    return made.compile(calls_grammar(wanted, made.control, template=template, prompt_end=prompt))


def tokens(control: ControlTokens, text: str) -> list[int]:
    parts = control.parts(text)
    return [token for part in parts for token in ([part] if isinstance(part, int) else part.encode())]


def taken(found: Matcher, text: str, *, with_control: bool) -> tuple[str, bool]:
    """What of a text is refused, and whether the answer may end."""
    given = tokens(compiler(with_control).control, text)
    count = found.validate(given)
    for token in given[:count]:
        found.consume(token)
    return compiler(with_control)._tokenizer.decode_str(given[count:]), found.accepting


def written(name: str, *, with_control: bool, count: int = 1, **more: Any) -> list[str]:
    """Answers of a forced call that nobody but the grammar steered."""
    if name in RAW:
        return [RAW[name]]
    made, tokenizer = named(name), compiler(with_control)._tokenizer
    walks = (
        walk(matcher(made, "required", with_control=with_control, **more), tokenizer, seed, forced=True)
        for seed in range(60)
    )
    return list(islice((text.decode(errors="replace") for text in walks if text is not None), count))


@pytest.mark.parametrize("with_control", [True, False])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("parallel", [True, False])
def test_a_forced_answer_is_calls_that_the_schema_allows(
    name: str, with_control: bool, parallel: bool
) -> None:
    """Whatever is drawn at random; read eagerly it is the same."""
    said = written(name, with_control=with_control, count=2, parallel=parallel)
    assert said
    for text in said:
        found = matcher(named(name), "required", with_control=with_control, parallel=parallel)
        assert taken(found, text, with_control=with_control) == ("", True)
        messages = [message_of(parse(text, named(name), tools=TOOLS, eager=eager)) for eager in (True, False)]
        assert messages[0] == messages[1]
        assert messages[0].content.strip() == ""
        assert len(messages[0].calls) == 1 or (parallel and messages[0].calls)
        for call in messages[0].calls:
            assert not call.reason
            jsonschema.validate(json.loads(call.arguments), SCHEMA if call.name == "weather" else {})


@pytest.mark.parametrize("with_control", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_auto_leaves_text_alone_and_holds_calls(name: str, with_control: bool) -> None:
    """A walk's forced call may come after text, or alone; its beginning cannot be followed by anything."""
    chosen = named(name)
    for text in ("", "Hello {you} <b> [", "a\n\nb"):
        found = matcher(chosen, "auto", with_control=with_control)
        assert taken(found, text, with_control=with_control) == ("", True)
    (call,) = written(name, with_control=with_control)
    assert taken(matcher(chosen, "auto", with_control=with_control), call, with_control=with_control) == (
        "",
        True,
    )
    wanted = constraint(chosen, TOOLS, "auto")
    before = "" if wanted.bare else "Well: "
    wrong = before + (wanted.begin or "") + wanted.calls[0].trigger + "!!"
    refused, _ = taken(matcher(chosen, "auto", with_control=with_control), wrong, with_control=with_control)
    assert refused


def test_one_call_only_where_several_are_not_wanted() -> None:
    """And the separator where they are."""
    call = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
    for parallel, more in ((True, ""), (False, call)):
        found = matcher(named("hermes"), "required", with_control=True, parallel=parallel)
        refused, accepting = taken(found, f"{call}\n{call}", with_control=True)
        assert refused.strip() == more
        assert accepting


@pytest.mark.parametrize("with_control", [True, False])
@pytest.mark.parametrize("choice", ["required", "auto"])
def test_thinking_is_free_up_to_its_end(choice: str, with_control: bool) -> None:
    """Where the prompt has opened it, and where the model may; a mark of a call in it is none."""
    chosen, call = named("hermes"), '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
    thought = "hm, [x] {"
    opened = matcher(chosen, choice, with_control=with_control, prompt="<assistant><think>\n")
    assert taken(opened, f"{thought}</think>\n\n{call}", with_control=with_control) == ("", True)
    may = matcher(chosen, choice, with_control=with_control, template="<think>")
    assert taken(may, f"<think>{thought}</think>\n\n{call}", with_control=with_control) == ("", True)
    no_call = matcher(chosen, choice, with_control=with_control, prompt="<think>")
    refused, accepting = taken(no_call, thought, with_control=with_control)
    assert (refused, accepting) == ("", choice == "auto")


def test_channels_think_and_call() -> None:
    """A message of analysis, then one to a tool."""
    said = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant"
    call = "<|channel|>commentary to=functions.now <|constrain|>json<|message|>{}"
    for choice in ("required", "auto"):
        template = "<|channel|>analysis<|message|>"
        found = matcher(named("harmony"), choice, with_control=True, template=template)
        assert taken(found, said + call, with_control=True) == ("", True)
    found = matcher(named("harmony"), "auto", with_control=True)
    assert taken(found, "<|channel|>final<|message|>Hello", with_control=True) == ("", True)
    found = matcher(named("harmony"), "required", with_control=True)
    assert taken(found, "<|channel|>final", with_control=True)[0]


def test_definitions_of_a_schema_are_known_in_each_parameter() -> None:
    """Also where each is written by itself."""
    schema = {
        "type": "object",
        "$defs": {"n": {"type": "integer"}},
        "properties": {"a b": {"$ref": "#/$defs/n"}},
        "required": ["a b"],
    }
    tools = [{"type": "function", "function": {"name": "f", "parameters": schema}}]
    found = matcher(named("glm"), "required", with_control=True, tools=tools)
    text = "<tool_call>f<arg_key>a b</arg_key><arg_value>12</arg_value></tool_call>"
    assert taken(found, text, with_control=True) == ("", True)
