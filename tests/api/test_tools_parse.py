"""Tools in requests: functions, the choice among them, and messages about calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.api.openai.chat_parse import parse_chat
from gateway.errors import InvalidRequestError
from gateway.serving.work import Generate

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
USER = {"role": "user", "content": "x"}


def chat(*messages: Any, **fields: Any) -> Generate:
    return parse_chat(json.dumps({"model": "m", "messages": messages or [USER], **fields}).encode()).work


def blamed(*messages: Any, **fields: Any) -> str | None:
    with pytest.raises(InvalidRequestError) as error:
        chat(*messages, **fields)
    return error.value.param


def test_tools_and_the_choice_among_them() -> None:
    """As templates know them; `auto` where nothing is said."""
    assert chat(tools=[WEATHER]).tools == (WEATHER,)
    assert chat(tools=[WEATHER]).tool_choice == "auto"
    named = {"type": "function", "function": {"name": "weather"}}
    assert chat(tools=[WEATHER], tool_choice=named).tool_choice == named
    assert chat(tools=[WEATHER], tool_choice="required").tool_choice == "required"
    assert chat(tools=[WEATHER], parallel_tool_calls=False).parallel_tool_calls is False
    assert (chat().tools, chat(tools=None).tools, chat(tools=[]).tools) == ((), (), ())


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "retrieval"}]}, "tools[0].type"),
        ({"tools": ["x"]}, "tools[0].type"),
        ({"tools": [WEATHER, {"type": "function", "function": {}}]}, "tools[1].function"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"tools": [WEATHER, WEATHER]}, "tools[1].function.name"),
        ({"tools": [WEATHER], "tool_choice": "always"}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": {"function": {"name": "no"}}}, "tool_choice.function.name"),
        ({"n": 0}, "n"),
        ({"n": 17}, "n"),
    ],
)
def test_what_is_wrong_with_tools_is_blamed(fields: dict[str, Any], param: str) -> None:
    """By tool and field."""
    assert blamed(**fields) == param


def test_calls_and_their_results_are_messages() -> None:
    """Content may be null beside calls; thinking that comes back is kept."""
    called = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    result = {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}
    assert chat(USER, called, result).messages == [USER, called, result]
    thought = {"role": "assistant", "content": "y", "reasoning_content": "hm"}
    assert chat(USER, thought, USER).messages[1] == thought


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "assistant", "content": None}, "messages[0].content"),
        ({"role": "assistant", "tool_calls": [{"id": "x"}]}, "messages[0].tool_calls[0].function"),
        ({"role": "assistant", "tool_calls": "x"}, "messages[0].tool_calls"),
        ({"role": "user", "content": "x", "tool_calls": [CALL]}, "messages[0].tool_calls"),
        ({"role": "tool", "content": "x"}, "messages[0].tool_call_id"),
        ({"role": "function", "content": "x"}, "messages[0].role"),
    ],
)
def test_what_is_wrong_with_messages_is_blamed(message: dict[str, Any], param: str) -> None:
    """By message and field."""
    assert blamed(message) == param


def test_tools_and_a_form_exclude_each_other() -> None:
    """Unless no tool may be called."""
    form = {"type": "json_object"}
    assert blamed(tools=[WEATHER], response_format=form) == "response_format"
    assert blamed(tools=[WEATHER], tool_choice="required", guided_regex="a") == "guided_regex"
    assert chat(tools=[WEATHER], tool_choice="none", response_format=form).constraint is not None
    assert chat(tools=[WEATHER], response_format={"type": "text"}).constraint is None
