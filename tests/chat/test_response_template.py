"""A model's own response_template becomes a format, or is refused with what it says that no format can."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.chat.formats.response_template import UnsupportedTemplateError, format_of
from gateway.chat.parsing.events import message_of
from gateway.chat.parsing.parser import parse

SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}
TOOLS = [{"function": {"name": "f", "parameters": SCHEMA}}]
THINKING = {"open": "<think>", "close": "</think>"}
FUNCTION = {"type": "function", "function": {"name": "{name}", "arguments": "{content}"}}
TEMPLATES: dict[str, tuple[dict[str, Any], str]] = {
    "json in tags": (
        {"open": "<call>", "close": "</call>", "content": "json", "transform": {"function": "{content}"}},
        '<call>\n{"name": "f", "arguments": {"x": 1}}\n</call>',
    ),
    "a list with other keys": (
        {
            "open": "<|DO|>",
            "close": "<|DONE|>",
            "content": "json",
            "transform_each": True,
            "transform": {"function": {"name": "{tool}", "arguments": "{content.args}"}},
        },
        '<|DO|>[{"id": 0, "tool": "f", "args": {"x": 1}}]<|DONE|>',
    ),
    "a name that the opening captures": (
        {
            "open_pattern": r"<\|call\|>(?P<name>\w+):",
            "close": "<|end|>",
            "content": "json",
            "transform": FUNCTION,
        },
        '<|call|>f: {"x": 1}<|end|>',
    ),
    "bare keys": (
        {
            "open_pattern": r"<\|call>call:(?P<name>[\w.]+)",
            "close": "<call|>",
            "content": "json",
            "content_args": {"unquoted_keys": True, "string_delims": [['<|"|>', '<|"|>']]},
            "transform": FUNCTION,
        },
        "<|call>call:f{x:1}<call|>",
    ),
    "tags": (
        {
            "open_pattern": r"<call>\s*<function=(?P<name>\w+)>",
            "close": "</call>",
            "content": "xml-inline",
            "content_args": {"tag_pattern": r"<p=(?P<key>\w+)>\s*(?P<value>.*?)\s*</p>"},
            "transform": FUNCTION,
        },
        "<call>\n<function=f>\n<p=x>\n1\n</p>\n</call>",
    ),
}


@pytest.mark.parametrize(("calls", "text"), TEMPLATES.values(), ids=TEMPLATES)
def test_calls_are_read_as_the_template_says(calls: dict[str, Any], text: str) -> None:
    """With the reasoning before and the content around."""
    fields = {"thinking": THINKING, "content": {}, "tool_calls": calls}
    chosen = format_of({"start_anchor": "x", "fields": fields})
    message = message_of(parse(f"<think>hm</think>a{text}", chosen, tools=TOOLS))
    assert (message.reasoning, message.content) == ("hm", "a")
    assert [(call.name, json.loads(call.arguments)) for call in message.calls] == [("f", {"x": 1})]


@pytest.mark.parametrize(
    "template",
    [
        {},
        {"version": 2, "fields": {}},
        {"fields": {"tool_calls": {"open": "<c>", "content": "kv-lines"}}},
        {"fields": {"tool_calls": {"open_pattern": "<c>.*?(?P<name>x)", "content": "json"}}},
        {"fields": {"thinking": {"open_pattern": "(?:^|<t>)", "close": "</t>"}}},
        {"fields": {"tool_calls": {"open": "<c{x}>", "close": "</c>", "content": "json"}}},
    ],
)
def test_what_no_format_can_say_is_refused(template: dict[str, Any]) -> None:
    """So that the family's format is used instead of half of the model's."""
    with pytest.raises(UnsupportedTemplateError):
        format_of(template)
