"""Messages with calls and reasoning, as templates want them: rendered by templates that are written as
models' are.
"""

from __future__ import annotations

from typing import Any

import pytest

from gateway.chat.history import for_template, short_id, wants_of
from gateway.chat.template import ChatTemplate

CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"x": "é"}'}}
MESSAGES: list[dict[str, Any]] = [
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "3"},
]
CALLS_AS_OBJECTS = "{% for c in m.tool_calls %}{{ c.function.arguments | tojson }}{% endfor %}"
AS_OBJECT = f"{{% for m in messages %}}{{{{ m.content }}}}{CALLS_AS_OBJECTS}{{% endfor %}}"
EITHER = (
    "{% for m in messages %}{% for c in m.tool_calls %}{% set c = c.function %}"
    "{% if c.arguments is string %}{{ c.arguments }}{% else %}"
    "{{ c.arguments | tojson }}{% endif %}{% endfor %}{% endfor %}"
)
BY_ITEMS = (
    "{% for m in messages %}{% for c in m.tool_calls %}{% for k, v in c.function.arguments|items %}"
    "<parameter={{ k }}>{{ v }}{% endfor %}{% endfor %}{% endfor %}"
)
AS_TEXT = (
    "{% for m in messages %}{% if m['content'] is none %}{% for c in m['tool_calls'] %}"
    "{{ '```json' + c['function']['arguments'] + '```' }}{% endfor %}{% endif %}{% endfor %}"
)
THINKING = "{% for m in messages %}{% if m.thinking %}({{ m.thinking }}){% endif %}{{ m.name }}{% endfor %}"


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        (AS_OBJECT, 'hi{"x": "é"}3'),
        (EITHER, '{"x": "é"}'),
        (BY_ITEMS, "<parameter=x>é"),
        (AS_TEXT, '```json{"x": "é"}```'),
        (THINKING, "(hm)f"),
    ],
    ids=["object", "either", "items", "text", "thinking"],
)
def test_a_template_gets_what_it_wants(template: str, prompt: str) -> None:
    """Arguments as an object or as text, null content where it asks for that, reasoning under its name, the
    tool's name.
    """
    assert ChatTemplate(template).render(for_template(MESSAGES, template)) == prompt


def test_messages_are_not_changed_in_place() -> None:
    """And what needs no change is the same."""
    before = [dict(message) for message in MESSAGES]
    made = for_template(MESSAGES, AS_OBJECT)
    assert before == MESSAGES
    assert made[0] == MESSAGES[0]


@pytest.mark.parametrize("arguments", ["no json", "[1]", ""])
def test_arguments_that_are_no_object(arguments: str) -> None:
    """Stay as they are: a model that wrote them sees them again; none are none."""
    call = {"id": "1", "function": {"name": "f", "arguments": arguments}}
    (made,) = for_template([{"role": "assistant", "content": "", "tool_calls": [call]}], AS_OBJECT)
    assert made["tool_calls"][0]["function"]["arguments"] == (arguments or {})


def test_mistrals_ids_have_nine_characters() -> None:
    """The call and its result have the same; one that fits stays."""
    template = "{% if m.id|length != 9 %}{{ raise_exception('nine characters') }}{% endif %}"
    _, assistant, result = for_template(MESSAGES, template)
    assert assistant["tool_calls"][0]["id"] == result["tool_call_id"] == short_id("call_1")
    assert len(short_id("call_1")) == 9
    assert short_id("abcdefgh9") == "abcdefgh9"


def test_a_template_that_does_not_parse_wants_the_usual() -> None:
    """Whoever renders it says what is wrong with it."""
    assert wants_of("{% if %}") == wants_of("")
