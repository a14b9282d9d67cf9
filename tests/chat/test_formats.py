"""The choice of a format, and what the table of formats promises."""

from __future__ import annotations

import re

import pytest

from gateway.chat.formats.choose import HINTS, choose, named
from gateway.chat.formats.families import FORMATS
from gateway.chat.formats.format import Format, Step, steps_of
from tests.contracts.sources import ROOT

TEMPLATES = {
    "{% if m.tool_calls %}<tool_call>\n{{ m | tojson }}\n</tool_call>{% endif %}<think>": "hermes",
    "<tool_call>\n<function={{ f.name }}>\n<parameter={{ k }}>": "qwen-xml",
    "<tool_call>{{ f.name }}<arg_key>{{ k }}</arg_key>": "glm",
    "[AVAILABLE_TOOLS]{{ tools }}[/AVAILABLE_TOOLS][TOOL_CALLS]": "mistral",
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function": "deepseek",
    "<｜User｜>{{ m }}<｜Assistant｜><think>\n": "deepseek",
    '<｜DSML｜invoke name="{{ f.name }}">': "deepseek-dsml",
    "<|start|>assistant<|channel|>analysis<|message|>": "harmony",
    "<|turn>model\n<|tool_call>call:": "gemma",
    "<|tool_calls_section_begin|>": "kimi-k2",
    "<|open|>message<|sep|>": "kimi-k3",
    "<|start_of_role|>assistant<|end_of_role|><|tool_call|>": "granite",
    "<|start_header_id|>ipython<|end_header_id|>": "llama3",
    "<|header_start|>assistant<|header_end|>": "llama4",
    "<|START_ACTION|>": "command",
    "<|user|>{{ m }}<|end|>": "generic",
}


@pytest.mark.parametrize(("template", "name"), TEMPLATES.items())
def test_the_template_says_which_format(template: str, name: str) -> None:
    """Whatever the model is called."""
    assert choose(template, "qwen3-coder").name == (name if name != "generic" else "qwen-xml")
    assert choose(template).name == name


def test_the_model_name_helps_where_the_template_says_nothing() -> None:
    """In any case of letters."""
    assert choose("", "Qwen3-0.6B-Q8_0").name == "hermes"
    assert choose("", "SmolLM2-135M").name == "generic"


def test_a_models_own_description_counts_most() -> None:
    """If it can be taken over; else the template's marks say it."""
    own = {"fields": {"tool_calls": {"open": "<c>", "close": "</c>", "content": "json"}}}
    assert choose("[TOOL_CALLS]", response_template=own).name == "response_template"
    assert choose("[TOOL_CALLS]", response_template={"fields": {"tool_calls": {}}}).name == "mistral"


def test_each_hint_names_a_format() -> None:
    """And each format has a name of its own."""
    assert all(named(name) for _, name in HINTS)
    assert len({chosen.name for chosen in FORMATS}) == len(FORMATS)


@pytest.mark.parametrize("chosen", FORMATS, ids=lambda chosen: chosen.name)
def test_samples_have_holes_that_are_known(chosen: Format) -> None:
    """A call has its arguments, and a name, or both in one; a parameter has a key and a value; one way can be
    asked for.
    """
    known = {"name", "id", "arguments", "call", "calls", "parameters", "object", "pythonic"}
    for way in chosen.calls:
        holes = {step.hole for step in way.steps if step.hole}
        assert holes <= known
        assert holes & {"call", "calls", "pythonic"} or "name" in holes
        assert ("parameters" in holes) == bool(way.parameter)
        assert {"key", "value"} <= {step.hole for step in steps_of(way.parameter)} or not way.parameter
    assert chosen.channels or any(not way.lenient for way in chosen.calls)


def test_a_sample_in_its_parts() -> None:
    """A line break is white space that is written, an empty hole is white space that is not."""
    assert steps_of("<a>\n{name}{}</a>") == (
        Step(text="<a>"),
        Step(space="\n"),
        Step(hole="name"),
        Step(),
        Step(text="</a>"),
    )


def test_the_page_of_the_docs_lists_each_format() -> None:
    """In the order of the choice, with the models that the table names."""
    page = (ROOT / "docs/tools.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([\w-]+)` \| ([^|]+) \|", page, re.MULTILINE)
    assert listed == [(chosen.name, chosen.models.partition(":")[0]) for chosen in FORMATS]
