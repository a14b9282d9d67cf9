"""An answer that goes on where its message ends, with the real model."""

from __future__ import annotations

from typing import Any

from tests.e2e.serving import Served

ASKED = {
    "role": "user",
    "content": "Write the numbers from one to thirty as English words, separated by commas.",
}


def answer(served: Served, *messages: dict[str, Any], **controls: Any) -> dict[str, Any]:
    response = served.chat(messages=list(messages), **controls)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def text(found: dict[str, Any]) -> str:
    return str(found["choices"][0]["message"]["content"])


def test_a_cut_answer_goes_on(served: Served) -> None:
    """The second half follows the first as if it had not been cut, whether its prefix comes from the cache
    or is computed.
    """
    whole = text(answer(served, ASKED, max_tokens=40, cache_prompt=False))
    first = answer(served, ASKED, max_tokens=20)
    spoken = {"role": "assistant", "content": text(first)}
    assert whole.startswith(spoken["content"])
    for cached in (False, True):
        rest = answer(served, ASKED, spoken, max_tokens=12, continue_final_message=True, cache_prompt=cached)
        assert text(rest)
        assert whole.startswith(spoken["content"] + text(rest))
        prompt = rest["usage"]["prompt_tokens"]
        assert prompt == first["usage"]["prompt_tokens"] + first["usage"]["completion_tokens"]
        assert (rest["usage"]["prompt_tokens_details"]["cached_tokens"] >= prompt - 2) == cached


def test_without_its_beginning_an_answer_is_another_prompt(served: Served) -> None:
    """`add_generation_prompt: false` leaves out the tokens that begin the assistant's turn; the usual
    prompt has them.
    """
    usual = answer(served, ASKED, max_tokens=1)["usage"]["prompt_tokens"]
    assert answer(served, ASKED, max_tokens=1, add_generation_prompt=True)["usage"]["prompt_tokens"] == usual
    assert answer(served, ASKED, max_tokens=1, add_generation_prompt=False)["usage"]["prompt_tokens"] < usual


def test_both_at_once_are_refused(served: Served) -> None:
    """They contradict each other, and a field of ours is to blame."""
    refused = served.chat(continue_final_message=True, add_generation_prompt=True)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "continue_final_message")
