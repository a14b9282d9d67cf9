"""Templates as models really have them render exactly as Jinja's plain sandbox renders them, and about as
fast.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import gguf
import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gateway.chat.template import ChatTemplate
from gateway.models.storage import DEMO_MODEL, resolve

LLAMA_3 = """{{- bos_token }}
{%- if not date_string is defined %}{%- set date_string = "26 Jul 2024" %}{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Cutting Knowledge Date: December 2023\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
        {{- '{"name": "' + tool_call.name + '", ' }}
        {{- '"parameters": ' }}
        {{- tool_call.arguments | tojson }}
        {{- "}<|eot_id|>" }}
    {%- else %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable and message.content is not string %}
            {{- message.content | tojson(indent=4) }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}
"""  # noqa: E501

QWEN = """{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and not(message.content.startswith('<tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}{%- set content = message.content %}{%- else %}{%- set content = '' %}{%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if '</think>' in content %}
            {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index and reasoning_content %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls or [] %}
            {{- '\\n<tool_call>\\n{"name": "' ~ tool_call.function.name ~ '", "arguments": ' }}
            {{- tool_call.function.arguments | tojson }}{{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\\n<tool_response>\\n' }}{{- content if content else message.content | tojson }}{{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}{{- '<|im_end|>\\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""  # noqa: E501

MISTRAL = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set known = ["user", "assistant", "tool"] %}
{%- for role in loop_messages | map(attribute="role") | unique | sort if role not in known %}
    {{- raise_exception("only " ~ (known | join(", ") | upper) ~ " roles are supported, not " ~ role) }}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined or message == user_messages[-1] %}
            {{- "[INST] " + (system_message | default("", true)) + "\\n\\n" + message["content"].replace("\\r\\n", "\\n") + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {{- "[TOOL_CALLS] [" }}
        {%- for tool_call in message.tool_calls %}
            {%- set out = tool_call.function | tojson %}
            {{- out[:-1] }}{{- ', "id": "' + tool_call.id + '"}' }}{{- ", " if not loop.last else "]" + eos_token }}
        {%- endfor %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"] | trim + eos_token }}
    {%- else %}
        {{- '[TOOL_RESULTS] {"content": ' + message.content | string + "}[/TOOL_RESULTS]" }}
    {%- endif %}
{%- endfor %}
"""  # noqa: E501


def _demo() -> str:
    field = gguf.GGUFReader(str(resolve(DEMO_MODEL).path)).fields["tokenizer.chat_template"]
    return bytes(field.parts[field.data[0]]).decode()


SOURCES: dict[str, Callable[[], str]] = {
    "demo": _demo,
    "llama 3": lambda: LLAMA_3,
    "qwen": lambda: QWEN,
    "mistral": lambda: MISTRAL,
}

CALL = {
    "id": "call00001",
    "type": "function",
    "function": {"name": "weather", "arguments": {"city": "Köln <&>", "days": 3}},
}
CHAT: list[dict[str, Any]] = [
    {"role": "system", "content": "  Be brief. "},
    {"role": "user", "content": "Wie wird das Wetter?\r\nHeute."},
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "content": {"sky": ["clear", "dry"], "degrees": 21.5}},
    {"role": "assistant", "content": "<think>\nwarm\n</think>\n\n21 degrees 🌞 "},
    {"role": "user", "content": "Thanks {{ bos_token }} %s {0}"},
]
PLAIN = [
    {"role": message["role"], "content": message["content"]}
    for message in CHAT
    if isinstance(message["content"], str) and message["content"]
]


def _reference(source: str, messages: list[dict[str, Any]]) -> Callable[[], str]:
    """The same dialect on Jinja's plain sandbox."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(
        value, ensure_ascii=False, indent=indent
    )
    template = environment.from_string(source)
    return lambda: template.render(
        messages=messages, bos_token="<s>", eos_token="</s>", add_generation_prompt=True
    )


@pytest.mark.parametrize("style", SOURCES)
def test_renders_as_the_plain_sandbox_does(style: str) -> None:
    """Character by character, with tool calls where the style knows them."""
    source = SOURCES[style]()
    messages = PLAIN if style == "demo" else CHAT
    expected = _reference(source, messages)()
    assert ChatTemplate(source, bos="<s>", eos="</s>").render(messages) == expected
    assert "21 degrees" in expected


@pytest.mark.parametrize("style", SOURCES)
def test_a_long_history_renders_about_as_fast(style: str) -> None:
    """400 messages of 2,000 characters, a quarter megatoken: no refusal, and the checks are no multiple of
    the rendering.
    """
    source = SOURCES[style]()
    messages = [{"role": ("user", "assistant")[n % 2], "content": "word " * 400} for n in range(401)]
    ours, plain = ChatTemplate(source, bos="<s>", eos="</s>"), _reference(source, messages)
    assert ours.render(messages) == plain()
    assert _fastest_s(lambda: ours.render(messages)) < 10 * _fastest_s(plain) + 0.01


def _fastest_s(work: Callable[[], str]) -> float:
    spent = []
    for _ in range(7):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return min(spent)
