"""Tools for templates that do not speak of them: a system message, and histories of plain texts."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.chat.formats.choose import named
from gateway.chat.formats.families import FORMATS
from gateway.chat.parsing.events import message_of
from gateway.chat.parsing.parser import parse
from gateway.chat.untaught import plain_messages, speaks_of_tools

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "weather", "description": "of a city", "parameters": SCHEMA},
}
CALL = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
HISTORY: list[dict[str, Any]] = [
    {"role": "user", "content": "Rome?"},
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "1", "content": "sunny"},
]


@pytest.mark.parametrize(
    ("template", "speaks"),
    [
        ("{% for m in messages %}{{ m.content }}{% endfor %}", False),
        ("{% for m in messages %}{{ m.tools }}{% endfor %}", False),
        ("{% if tools %}{{ tools | tojson }}{% endif %}", True),
        ("{% broken", True),
    ],
)
def test_which_templates_speak_of_tools(template: str, speaks: bool) -> None:
    """Those that read the variable; of one that does not parse nobody knows."""
    assert speaks_of_tools(template) is speaks


def test_tools_are_told_behind_the_system_message() -> None:
    """Name, description and schema of each, and how to call one."""
    system = {"role": "system", "content": "Be kind."}
    told = plain_messages([system, HISTORY[0]], [TOOL], named("generic"))
    assert [message["role"] for message in told] == ["system", "user"]
    assert told[0]["content"].startswith("Be kind.\n\n")
    for text in ('"name": "weather"', "of a city", '"required": ["city"]', '<tool_call>\n[{"name": "NAME"'):
        assert text in told[0]["content"]
    alone = plain_messages(HISTORY[:1], [TOOL], named("generic"))
    assert [message["role"] for message in alone] == ["system", "user"]
    assert told[0]["content"].endswith(alone[0]["content"])


def test_without_tools_nothing_is_told() -> None:
    """The history alone is changed."""
    assert plain_messages(HISTORY[:1], (), named("generic")) == HISTORY[:1]


@pytest.mark.parametrize("name", [chosen.name for chosen in FORMATS])
def test_a_history_is_written_as_the_model_is_to_write(name: str) -> None:
    """With roles that every template has."""
    user, assistant, result = plain_messages(HISTORY, (), named(name))
    assert [message.keys() for message in (user, assistant, result)] == [{"role", "content"}] * 3
    assert "Rome" in assistant["content"]
    assert "weather" in assistant["content"]
    assert (result["role"], result["content"]) == ("user", "<tool_response>\nsunny\n</tool_response>")
    if name in ("generic", "hermes", "llama3", "mistral", "granite", "command", "deepseek"):
        (call,) = message_of(parse(assistant["content"], named(name), tools=[TOOL])).calls
        assert (call.name, call.arguments) == ("weather", '{"city": "Rome"}')
