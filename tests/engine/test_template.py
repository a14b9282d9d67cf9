"""Chat templates are untrusted code: they render, or they fail with a reason, and never for long."""

from __future__ import annotations

import time

import pytest

from gateway.chat.template import ChatTemplate, TemplateError, TemplateTimeoutError

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]


def test_renders_like_a_chatml_template() -> None:
    """Messages, the generation prompt and special tokens are available, blocks are trimmed."""
    source = (
        "{{ bos_token }}{% for message in messages %}\n<|{{ message['role'] }}|>{{ message.content | trim }}\n{% endfor %}\n"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    assert ChatTemplate(source, bos="<s>").render(MESSAGES) == "<s><|system|>Be brief.\n<|user|>Hi\n<|assistant|>"


def test_raise_exception_reaches_the_caller() -> None:
    """A template that refuses the messages says why, in its own words."""
    with pytest.raises(TemplateError, match="roles must alternate"):
        ChatTemplate("{{ raise_exception('roles must alternate') }}").render(MESSAGES)


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{{ 'a' * 100000000000 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ '%0999999999d' % 1 }}",
        "{{ undefined.attribute }}",
        "{% for a in range(1000000) %}{% endfor %}",
    ],
)
def test_hostile_or_broken_templates_fail_cleanly(source: str) -> None:
    """Escapes from the sandbox, huge values and plain mistakes are template errors, nothing else."""
    with pytest.raises(TemplateError):
        ChatTemplate(source).render(MESSAGES)


def test_endless_template_is_stopped_and_the_thread_lives_on() -> None:
    """A template that would run for hours ends at its limit, and the next one renders."""
    loops = "{% for a in range(9999) %}" * 3 + "x" + "{% endfor %}" * 3
    began = time.monotonic()
    with pytest.raises(TemplateTimeoutError):
        ChatTemplate("{% set x = 1 %}" + loops.replace("x", "{% set x = 2 %}"), timeout_s=0.3).render(MESSAGES)
    assert time.monotonic() - began < 30
    assert ChatTemplate("ok").render(MESSAGES) == "ok"


def test_source_that_does_not_compile() -> None:
    """A syntax error in the model file is told as such."""
    with pytest.raises(TemplateError, match="does not compile"):
        ChatTemplate("{% for %}")
