"""What the parser gives out, case by case: pieces, ids, notes, white space, calls that break."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from gateway.chat.formats.choose import named
from gateway.chat.parsing.events import (
    CallArguments,
    CallBegin,
    CallEnd,
    Content,
    Event,
    Message,
    Note,
    message_of,
)
from gateway.chat.parsing.parser import Parser, parse

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "f",
            "parameters": {
                "type": "object",
                "properties": {
                    "x": {"type": "integer"},
                    "s": {"type": "string"},
                    "o": {"$ref": "#/$defs/thing"},
                    "u": {"type": ["string", "null"]},
                    "e": {"enum": ["1", "2"]},
                    "a": {"anyOf": [{"type": "array"}, {"type": "boolean"}]},
                },
                "$defs": {"thing": {"type": "object"}},
            },
        },
    }
]
CALL = '<tool_call>\n{"name": "f", "arguments": {"x": 1}}\n</tool_call>'


def events(name: str, pieces: Iterable[str], **options: Any) -> list[Event]:
    parser = Parser(named(name), **{"tools": TOOLS, **options})
    return [event for piece in pieces for event in parser.feed(piece)] + parser.finish()


def said(name: str, text: str, **options: Any) -> Message:
    return message_of(events(name, [text], **options))


def test_eager_arguments_come_while_they_are_written() -> None:
    """The name first, then the JSON as it arrives."""
    parser = Parser(named("hermes"), tools=TOOLS, eager=True)
    begun = parser.feed('<tool_call>\n{"name": "f", "arguments": {"s": "long')
    more = parser.feed(" text")
    assert [type(event) for event in begun] == [CallBegin, CallArguments]
    assert message_of(begun).calls[0].arguments == '{"s": "long'
    assert [event.text for event in more if isinstance(event, CallArguments)] == [" text"]


def test_a_held_call_comes_when_it_is_complete() -> None:
    """Nothing before."""
    parser = Parser(named("hermes"), tools=TOOLS)
    assert parser.feed(CALL[:-1]) == []
    assert [type(event) for event in parser.feed(CALL[-1])] == [CallBegin, CallArguments, CallEnd]


def test_ids_are_given_by_a_function_of_the_index() -> None:
    """Parallel calls are counted from 0."""
    message = said("hermes", f"{CALL}\n{CALL}", ids=lambda index: f"id-{index}")
    assert [(call.id, call.name, call.arguments) for call in message.calls] == [
        ("id-0", "f", '{"x": 1}'),
        ("id-1", "f", '{"x": 1}'),
    ]


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("hermes", '<tool_call>{"name": "f", "arguments": {"x": 1,}}</tool_call>', "json"),
        ("hermes", '<tool_call>{"name": "f", "arguments": [1]}</tool_call>', "arguments"),
        ("hermes", '<tool_call>{"arguments": {}}</tool_call>', "name"),
        ("hermes", '<tool_call>{"name": "f", "arguments": {}} and</tool_call>', "format"),
        ("hermes", '<tool_call>{"name": "f", "arguments": ' + '{"x":' * 300 + "</tool_call>", "depth"),
        ("gemma", "<|tool_call>call:f no brace<tool_call|>", "arguments"),
        ("mistral", "[TOOL_CALLS] no call at all", "name"),
        (
            "qwen-xml",
            "<function=f><parameter=x>1</parameter><parameter=x>1</parameter></function>",
            "repeated",
        ),
    ],
)
def test_a_malformed_call_is_content(name: str, text: str, reason: str) -> None:
    """All of it, as it stands, and a word about it."""
    message = said(name, f"see {text}")
    assert (message.content, message.calls) == (f"see {text}", [])
    assert message.notes[0] == reason


def test_a_call_within_a_call_is_a_call() -> None:
    """The one around it was never closed: its beginning is content."""
    begin = "<tool_call>f<arg_key>x</arg_key><arg_value>1</arg_value>"
    message = said("glm", f"{begin}{begin}</tool_call>")
    assert (message.content, [call.arguments for call in message.calls]) == (begin, ['{"x": 1}'])


def test_a_call_that_is_cut_off_is_nobodys() -> None:
    """A part of a call is neither a call nor content; a complete one before it stays."""
    message = said("hermes", f'ok\n{CALL}\n<tool_call>\n{{"name": "f", "arguments": {{"s": "rm -rf /')
    assert (message.content, len(message.calls), message.notes) == ("ok", 1, ["truncated"])


def test_an_eager_call_that_breaks_ends_with_the_reason() -> None:
    """What was given out cannot be taken back."""
    message = said("hermes", '<tool_call>{"name": "f", "arguments": {"x": 1', eager=True)
    assert [(call.arguments, call.reason) for call in message.calls] == [('{"x": 1', "truncated")]
    text = '<tool_call>{"name": "f", "arguments": {"x": nope}}</tool_call> and more'
    broken = said("hermes", text, eager=True)
    assert (broken.calls[0].reason, broken.notes) == ("json", ["json"])
    assert broken.content.endswith("and more")


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (f"a\n\n{CALL}", "a"),
        (f"a {CALL}", "a "),
        (f"{CALL}\n\nb", "b"),
        (f"a {CALL} b", "a  b"),
        ("<think>\nhm\n</think>\n\nb\n", "b\n"),
        ("\n b \n", "\n b \n"),
        (f"  {CALL}\n", ""),
    ],
)
def test_white_space_with_a_line_break_beside_marks_belongs_to_them(text: str, content: str) -> None:
    """Other white space is content."""
    assert said("hermes", text).content == content


def test_a_mark_in_the_making_is_held_back() -> None:
    """Until it is one, or none."""
    parser = Parser(named("hermes"), tools=TOOLS)
    assert parser.feed("a<tool") == [Content("a")]
    assert parser.feed("box") == [Content("<toolbox")]


def test_thinking_that_the_prompt_began() -> None:
    """The answer begins in it; a prompt that ended it begins content."""
    assert said("hermes", "hm</think>yes", prompt="<think>\n") == Message("yes", "hm")
    assert said("hermes", "yes", prompt="<think>\n\n</think>\n\n") == Message("yes")


def test_thinking_begins_an_answer_only() -> None:
    """The mark within an answer is text."""
    text = "Write <think> and </think> around it."
    assert said("hermes", text) == Message(text)


def test_without_tools_no_calls_are_read() -> None:
    """What looks like one is content; thinking is still thinking."""
    assert said("hermes", f"<think>hm</think>{CALL}", tools=()) == Message(CALL, "hm")


@pytest.mark.parametrize("name", ["llama3", "generic"])
def test_json_that_names_no_tool_is_an_answer(name: str) -> None:
    """Where nothing but the JSON says that it is a call."""
    text = '{"name": "Bob", "arguments": {"x": 1}} is Bob.'
    assert said(name, text) == Message(text)


def test_json_within_a_json_string_is_taken_out() -> None:
    """As some models write arguments."""
    message = said("hermes", '<tool_call>{"name": "f", "arguments": "{\\"x\\": 1}"}</tool_call>')
    assert message.calls[0].arguments == '{"x": 1}'


@pytest.mark.parametrize(
    ("key", "raw", "value"),
    [
        ("x", "3", 3),
        ("x", "three", "three"),
        ("s", "3", "3"),
        ("s", '{"a": 1}', '{"a": 1}'),
        ("o", "{'a': True}", {"a": True}),
        ("u", "null", None),
        ("u", "nul", "nul"),
        ("e", "1", "1"),
        ("a", "True", True),
        ("a", "[1]", [1]),
        ("unknown", "1.5", 1.5),
        ("unknown", "NaN", "NaN"),
        ("unknown", "007", "007"),
    ],
)
def test_raw_values_have_the_types_of_the_schema(key: str, raw: str, value: Any) -> None:
    """And, where it has none, JSON's."""
    text = f"<tool_call>f<arg_key>{key}</arg_key><arg_value>{raw}</arg_value></tool_call>"
    assert json.loads(said("glm", text).calls[0].arguments) == {key: value}


def test_a_message_to_nobody_of_the_request_is_dropped() -> None:
    """Harmony's built-in tools are none of the client's."""
    text = "<|channel|>commentary to=python <|constrain|>code<|message|>print(1)<|end|>"
    assert said("harmony", text) == Message(notes=["recipient"])


def test_text_between_calls_is_noted() -> None:
    """In a section only calls count."""
    text = "<|tool_calls_section_begin|>hm<|tool_calls_section_end|>"
    found = parse(text, named("kimi-k2"), tools=TOOLS)
    assert [event for event in found if isinstance(event, Note)] == [Note("stray", "hm")]
