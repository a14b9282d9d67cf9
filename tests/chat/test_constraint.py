"""What a constraint is built from: the pieces of a call, for each tool and each choice."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.chat.formats.choose import named
from gateway.chat.formats.constraint import Constraint, Json, Maybe, Pattern, Text, Until, constraint
from gateway.errors import InvalidRequestError

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "s": {"type": "string"},
        "n": {"type": "integer"},
        "e": {"type": "string", "enum": ["a", "b.c"]},
    },
    "required": ["s", "n"],
}
TOOLS: list[dict[str, Any]] = [{"function": {"name": "f", "parameters": SCHEMA}}, {"function": {"name": "g"}}]
NAMED = {"type": "function", "function": {"name": "f"}}


def test_a_call_in_json() -> None:
    """The begin has the name in it: only the arguments are the schema's."""
    found = constraint(named("hermes"), TOOLS, "required")
    assert (found.mode, found.between, found.parallel) == ("forced", "\n", True)
    first = found.calls[0]
    assert (first.tool, first.trigger) == ("f", "<tool_call>")
    assert first.pieces == (
        Text('<tool_call>\n{"name": "f", "arguments": '),
        Json(SCHEMA),
        Text("}\n</tool_call>"),
    )


def test_a_call_in_tags() -> None:
    """Raw texts up to what ends them, other values as JSON, choices as they are; what is optional may be
    there.
    """
    (call,) = constraint(named("qwen-xml"), TOOLS, NAMED).calls
    assert call.pieces == (
        Text("<tool_call>\n<function=f>\n<parameter=s>\n"),
        Until("\n</parameter>"),
        Text("\n</parameter>\n<parameter=n>\n"),
        Json({"type": "integer"}),
        Text("\n</parameter>\n"),
        Maybe((Text("<parameter=e>\n"), Pattern("a|b\\.c"), Text("\n</parameter>\n"))),
        Text("</function>\n</tool_call>"),
    )


def test_auto_waits_for_a_trigger() -> None:
    """Every call begins with its own."""
    found = constraint(named("llama3"), TOOLS, "auto")
    assert found.mode == "auto"
    assert [call.trigger for call in found.calls] == [
        '{"name": "f", "parameters": ',
        '{"name": "g", "parameters": ',
    ]


def test_a_section_stands_around_all_calls() -> None:
    """The id is a number that nobody can foresee."""
    found = constraint(named("kimi-k2"), TOOLS, NAMED)
    assert (found.begin, found.end, found.parallel) == (
        "<|tool_calls_section_begin|>",
        "<|tool_calls_section_end|>",
        False,
    )
    assert found.calls[0].pieces == (
        Text("<|tool_call_begin|>functions.f:"),
        Pattern("[0-9]+"),
        Text("<|tool_call_argument_begin|>"),
        Json(SCHEMA),
        Text("<|tool_call_end|>"),
    )


@pytest.mark.parametrize(
    ("template", "begin"),
    [
        ("[TOOL_CALLS][ARGS][CALL_ID]", "[TOOL_CALLS]f[ARGS]"),
        ("[TOOL_CALLS] [{", '[TOOL_CALLS][{"name": "f", "arguments": '),
    ],
)
def test_of_several_ways_the_templates_is_written(template: str, begin: str) -> None:
    """A mark that the template has decides."""
    (call,) = constraint(named("mistral"), TOOLS, NAMED, template=template).calls
    assert call.pieces[0] == Text(begin)


def test_no_choice_no_constraint() -> None:
    """`none`, or no tools."""
    assert constraint(named("hermes"), TOOLS, "none") == Constraint("free")
    assert constraint(named("hermes"), [], "auto") == Constraint("free")


@pytest.mark.parametrize("choice", ["any", {"type": "function", "function": {"name": "h"}}, {}])
def test_a_choice_of_nothing_is_refused(choice: Any) -> None:
    """By the name of the field."""
    with pytest.raises(InvalidRequestError) as refused:
        constraint(named("hermes"), TOOLS, choice)
    assert refused.value.param == "tool_choice"
