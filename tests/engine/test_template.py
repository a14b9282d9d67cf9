"""Chat templates are untrusted code: they render, or they fail with a reason, and never for long."""

from __future__ import annotations

import resource
import time

import pytest

from gateway.chat.template import ChatTemplate, TemplateError, TemplateTimeoutError

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]


def test_renders_like_a_chatml_template() -> None:
    """Messages, the generation prompt and special tokens are available, blocks are trimmed."""
    source = (
        "{{ bos_token }}{% for message in messages %}\n<|{{ message['role'] }}|>{{ message.content | trim"
        " }}\n{% endfor %}\n{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    assert (
        ChatTemplate(source, bos="<s>").render(MESSAGES)
        == "<s><|system|>Be brief.\n<|user|>Hi\n<|assistant|>"
    )


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
        "{{ 10 ** 10 ** 10 ** 10 ** 10 }}",
        "{% set n = namespace(x=9) %}{% for i in range(99) %}{% set n.x = n.x * n.x %}{% endfor %}",
        "{{ '%0999999999d' % 1 }}",
        "{{ '%*d' % (1000000000, 1) }}",
        "{{ '%1000000000d' | format(1) }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{{ '{:{w}}'.format(1, w=1000000000) }}",
        "{{ 'x'.center(1000000000) }}",
        "{{ 'x' | center(1000000000) }}",
        "{{ ['x'] | map('center', 1000000000) | join }}",
        "{{ 'x'.ljust(1000000000) }}{{ 'x'.rjust(1000000000) }}",
        "{{ 'x'.zfill(1000000000) }}",
        "{{ 'x\ny' | indent(1000000000) }}",
        "{{ ['x'] | batch(1000000000, 'x') | list }}",
        "{{ (1).to_bytes(1000000000, 'big') }}",
        "{{ dict.fromkeys(range(99999)) }}",
        "{{ messages | tojson(indent=1000000000) }}",
        "{{ 0x" + "f" * 900_000 + " * 2 }}",
        "{{ " + "9" * 5000 + " }}",
        "{{ undefined.attribute }}",
        "{% for a in range(1000000) %}{% endfor %}",
    ],
)
def test_hostile_or_broken_templates_fail_cleanly(source: str) -> None:
    """Escapes from the sandbox, huge values and plain mistakes are template errors, nothing else."""
    with pytest.raises(TemplateError):
        ChatTemplate(source).render(MESSAGES)


GROWING = {
    "plus": "{% set n.x = n.x + n.x %}",
    "tilde": "{% set n.x = n.x ~ n.x %}",
    "repeat": "{% set n.x = n.x * 100 %}",
    "list plus": "{% set n.l = n.l + n.l %}",
    "list display": "{% set n.l = [n.l, n.l] %}{% if loop.last %}{{ n.l }}{% endif %}",
    "namespace": "{% set n.l = [n.l, n.l] %}{% if loop.last %}{{ n }}{% endif %}",
    "views": "{% set n.l = [n.l, n.l] %}{% if loop.last %}{{ {'l': n.l}.items() }}{% endif %}",
    "json": "{% set n.l = [n.l, n.l] %}{% if loop.last %}{{ n.l | tojson }}{% endif %}",
    "indented json": "{% set n.l = [n.l, n.l] %}{% if loop.last %}{{ n.l | tojson(indent=4) }}{% endif %}",
    "raise": "{% set n.l = [n.l, n.l] %}{% if loop.last %}{{ raise_exception(n.l) }}{% endif %}",
    "join": "{% set n.x = [n.x] * 100 | int %}{% set n.x = n.x | join(n.x | string) %}",
    "join method": "{% set n.x = n.x.join(['', '', '']) ~ n.x.join(['', '', '']) %}",
    "replace": "{% set n.x = n.x.replace('x', 'xx') %}",
    "replace filter": "{% set n.x = n.x | replace('x', 'xx') %}",
    "format": "{% set n.x = '%s%s' | format(n.x, n.x) %}",
    "percent": "{% set n.x = '%s%s' % (n.x, n.x) %}",
    "format method": "{% set n.x = '{0}{0}'.format(n.x) %}",
    "block": "{% set y %}{{ n.x }}{{ n.x }}{% endset %}{% set n.x = y %}",
    "macro": "{% macro m(a) %}{{ a }}{{ a }}{% endmacro %}{% set n.x = m(n.x) %}",
    "indent": "{% set n.x = (n.x ~ '\n') | indent(n.x) | indent(n.x, first=true) %}",
    "kept slices": (
        "{% if loop.index < 23 %}{% set n.x = n.x ~ n.x %}{% else %}{% set n.l = [n.l, n.x[1:]] %}{% endif %}"
    ),
    "kept case": (
        "{% if loop.index < 23 %}{% set n.x = n.x ~ n.x %}{% else %}{% set n.l = [n.l, n.x.upper()] %}{%"
        " endif %}"
    ),
    "constants": "{% set y %}{% for i in range(99999) %}" + "x" * 100_000 + "{% endfor %}{% endset %}",
    "output": "{% for i in range(99999) %}" + "x" * 100_000 + "{% endfor %}",
    "escape": "{% set n.x = (n.x ~ '<') | e | string | escape ~ n.x %}",
}


@pytest.mark.parametrize("body", GROWING.values(), ids=GROWING)
def test_growth_ends_before_memory_does(body: str) -> None:
    """Whatever a template doubles, the process grows by less than a gigabyte before the template is
    refused.
    """
    source = "{% set n = namespace(x='x', l=['x']) %}{% for i in range(200) %}" + body + "{% endfor %}"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TemplateError, match=r"too large|more than is allowed|without end"):
        ChatTemplate(source, timeout_s=20).render(MESSAGES)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000


def test_endless_template_is_stopped_and_the_thread_lives_on() -> None:
    """A template that would run for hours ends at its limit, and the next one renders."""
    loops = "{% for a in range(9999) %}" * 3 + "x" + "{% endfor %}" * 3
    began = time.monotonic()
    with pytest.raises(TemplateTimeoutError):
        ChatTemplate("{% set x = 1 %}" + loops.replace("x", "{% set x = 2 %}"), timeout_s=0.3).render(
            MESSAGES
        )
    assert time.monotonic() - began < 30
    assert ChatTemplate("ok").render(MESSAGES) == "ok"


def test_source_that_does_not_compile() -> None:
    """A syntax error in the model file is told as such."""
    with pytest.raises(TemplateError, match="does not compile"):
        ChatTemplate("{% for %}")
