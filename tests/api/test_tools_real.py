"""Tools with an unmodified openai client and the real model, whose template knows nothing of tools."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import openai
import pytest

from tests.e2e.serving import MODEL, Served, until

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 30},
        "days": {"type": "integer", "minimum": 1, "maximum": 14},
        "unit": {"enum": ["celsius", "fahrenheit"]},
    },
    "required": ["city", "days", "unit"],
    "additionalProperties": False,
}


def tool(name: str, schema: dict[str, Any] = SCHEMA) -> Any:
    return {
        "type": "function",
        "function": {"name": name, "description": f"the {name} of a city", "parameters": schema},
    }


TOOLS = [tool("weather"), tool("forecast")]
FORECAST = {"type": "function", "function": {"name": "forecast"}}
ASK: list[Any] = [{"role": "user", "content": "What is the weather in Rome?"}]


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.base_url}/v1", api_key="unused", max_retries=0) as client:
        yield client


def ask(client: openai.OpenAI, **controls: Any) -> Any:
    asked: dict[str, Any] = {
        "model": MODEL,
        "messages": ASK,
        "tools": TOOLS,
        "max_tokens": 120,
        "temperature": 0,
    }
    return client.chat.completions.create(**(asked | controls))


def streamed(chunks: Any) -> tuple[list[dict[str, str]], str, int]:
    """The calls and the finish reason of a stream, and how many deltas had arguments."""
    calls: list[dict[str, str]] = []
    reason, pieces = "", 0
    for chunk in chunks:
        for choice in chunk.choices:
            reason = choice.finish_reason or reason
            for delta in choice.delta.tool_calls or ():
                if delta.index == len(calls):
                    assert delta.id
                    calls.append({"name": delta.function.name, "arguments": ""})
                calls[delta.index]["arguments"] += delta.function.arguments or ""
                pieces += bool(delta.function.arguments)
    return calls, reason, pieces


@pytest.mark.parametrize("choice", ["required", FORECAST])
def test_a_forced_tool_is_called(client: openai.OpenAI, served: Served, choice: Any) -> None:
    """Streamed, in pieces, it is what a plain call gives; the row knows how it ended."""
    controls = {"tool_choice": choice, "parallel_tool_calls": False}
    whole = ask(client, **controls)
    message = whole.choices[0].message
    (call,) = message.tool_calls
    assert whole.choices[0].finish_reason == "tool_calls"
    assert message.content is None
    assert call.function.name in (("forecast",) if choice == FORECAST else ("weather", "forecast"))
    jsonschema.validate(json.loads(call.function.arguments), SCHEMA)
    calls, reason, pieces = streamed(ask(client, **controls, stream=True))
    assert calls == [{"name": call.function.name, "arguments": call.function.arguments}]
    assert reason == "tool_calls"
    assert pieces > 1
    sql = "SELECT finish_reason FROM requests ORDER BY seq DESC LIMIT 1"
    until(lambda: served.rows(sql)[0]["finish_reason"] == "tool_calls")


@pytest.mark.parametrize("seed", range(5))
def test_arguments_are_what_the_schema_allows(client: openai.OpenAI, seed: int) -> None:
    """Whatever is drawn."""
    answer = ask(client, tool_choice="required", temperature=1, seed=seed, parallel_tool_calls=False)
    (call,) = answer.choices[0].message.tool_calls
    jsonschema.validate(json.loads(call.function.arguments), SCHEMA)


def test_an_answer_without_a_call_is_text(client: openai.OpenAI) -> None:
    """It is content, and ends as any other."""
    answer = ask(client, messages=[{"role": "user", "content": "Hello! How are you?"}], max_tokens=30)
    assert answer.choices[0].message.content
    assert answer.choices[0].message.tool_calls is None
    assert answer.choices[0].finish_reason in ("stop", "length")


def test_a_call_and_its_result_are_history(client: openai.OpenAI) -> None:
    """The model is told both, and answers in words where it may not call."""
    function = {"name": "weather", "arguments": '{"city": "Rome"}'}
    called = {"id": "call_1", "type": "function", "function": function}
    history = [
        *ASK,
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "call_1", "content": "It is sunny, 31 degrees."},
    ]
    answer = ask(client, messages=history, tool_choice="none", max_tokens=40)
    assert answer.choices[0].message.tool_calls is None
    without = ask(client, messages=history[:1], tool_choice="none", max_tokens=1)
    assert answer.usage.prompt_tokens > without.usage.prompt_tokens + 20
    assert any(word in answer.choices[0].message.content.lower() for word in ("sunny", "31"))


def test_a_schema_that_cannot_be_held_is_blamed(client: openai.OpenAI) -> None:
    """By tool, place and keyword."""
    schema = {"type": "object", "properties": {"x": {"type": "string", "not": {"const": "a"}}}}
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, tools=[tool("weather"), tool("other", schema)])
    assert caught.value.param == "tools[1].function.parameters/properties/x"
    assert "not" in caught.value.message
