"""How prompts end: with the assistant's beginning, closed, or in the middle of the last message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from gateway.chat.ending import cut, tagged
from gateway.chat.template import ChatTemplate, TemplateError
from gateway.engine.cache.blocks import Blocks
from gateway.engine.cache.spans import MessageSpan

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if"
    " add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TRIMMING = CHATML.replace("m.content", "m.content | trim")
ASKED = {"role": "user", "content": "Count."}


def opened(source: str, *messages: Mapping[str, Any]) -> str:
    return cut(ChatTemplate(source).render(tagged(messages), generation_prompt=False))


@pytest.mark.parametrize("source", [CHATML, TRIMMING])
@pytest.mark.parametrize(
    "content", ["one, two,", "one, two, ", "", "Count.", "<|im_end|>", "one\n\n", "é 🦊"]
)
def test_an_open_message_ends_where_its_text_ends(source: str, content: str) -> None:
    """To the last space, also with a template that trims, with the text of an earlier message, and with
    none.
    """
    text = opened(source, ASKED, {"role": "assistant", "content": content})
    assert text == f"<|im_start|>user\nCount.<|im_end|>\n<|im_start|>assistant\n{content}"


def test_the_same_prefix_as_the_answer_had() -> None:
    """What is cached of the prompt and of its answer so far is of use."""
    template = ChatTemplate(CHATML)
    assert opened(CHATML, ASKED, {"role": "assistant", "content": "one"}) == template.render([ASKED]) + "one"


def test_a_closed_prompt_has_no_beginning_of_an_answer() -> None:
    """`add_generation_prompt` is handed to the template."""
    assert (
        ChatTemplate(CHATML).render([ASKED], generation_prompt=False)
        == "<|im_start|>user\nCount.<|im_end|>\n"
    )


def test_a_template_that_hides_the_message_is_told() -> None:
    """There is nothing that could go on."""
    with pytest.raises(TemplateError, match="does not show the last message"):
        opened("{{ messages[0].content }}", ASKED, {"role": "assistant", "content": "one"})


def test_what_there_is_of_an_open_answer_counts_as_sampled() -> None:
    """Its tokens are computed by the kernel that sampled them, so that a cached answer can go on, and a
    cold one is the same.
    """
    spans = [MessageSpan("user", 0, 4, 100, 1), MessageSpan("assistant", 100, 104, 300, 2)]
    open_answer, closed = Blocks(spans, 300, 64, open_answer=True), Blocks(spans, 300, 64)
    assert open_answer.chunk(104, 300) == 63
    assert closed.chunk(104, 300) > 64
