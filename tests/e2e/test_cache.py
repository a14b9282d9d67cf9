"""The prefix cache on the real model: what a chat finds, why, from which tier, and that it never changes
an answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx

from tests.e2e.museum import RULES, SYSTEM, ask, follow, user
from tests.e2e.serving import Served, frames, until

LEDGER = """SELECT reason, sum(lookups) AS lookups, sum(cached_tokens) AS cached,
sum(computed_tokens) AS computed, sum(computed_us) / 1000 AS ms
FROM rollup_cache GROUP BY reason ORDER BY reason"""
LEDGER_OF_THE_REQUESTS = """SELECT cache_reason AS reason, count(*) AS lookups, sum(cached_tokens) AS cached,
sum(prompt_tokens - cached_tokens) AS computed, CAST(sum(prefill_ms) AS INTEGER) AS ms
FROM requests GROUP BY cache_reason ORDER BY cache_reason"""


def test_reasons_of_a_chat(launch: Callable[..., Served]) -> None:
    """One chat's life: new, appended, the same again, edited, under another system message, with a clock
    in it, and off.
    """
    served = launch("--engine-n-ctx", "2048").start()
    first = [SYSTEM, user("Which room is the largest?")]
    answer = ask(served, first)
    assert (answer["cache_reason"], answer["cache_source"], answer["cache_n"]) == (
        "new_conversation",
        "none",
        0,
    )
    second = follow(first, answer, "And the smallest?")
    appended = ask(served, second)
    assert (appended["cache_reason"], appended["cache_source"]) == ("appended", "kv")
    assert appended["prompt_n"] < 30, "only the new message is computed"
    again = ask(served, second)
    assert again["cache_reason"] == "full_hit"
    assert again["text"] == appended["text"]
    third = follow(second, appended, "Thank you. Where do I pay?")
    edited = [third[0], user("Which room has birds?"), *third[2:]]
    assert ask(served, edited)["cache_reason"] == "history_edited"
    assert (
        ask(served, [{"role": "system", "content": "Be brief."}, *second[1:]])["cache_reason"]
        == "system_changed"
    )
    clock = [{"role": "system", "content": f"It is 10:0{minute} now. {RULES}"} for minute in range(4)]
    told = [
        ask(served, [message, user(f"What is in room {at}?")])["cache_reason"]
        for at, message in enumerate(clock)
    ]
    assert told[-1] == "volatile_prefix"
    assert ask(served, second, cache_prompt=False)["cache_reason"] == "disabled"
    assert "volatile_prefix" in httpx.get(f"{served.base_url}/dashboard/cache").text
    assert served.stop() == 0
    assert served.rows(LEDGER) == served.rows(LEDGER_OF_THE_REQUESTS)


def test_the_page_shows_the_map(served: Served) -> None:
    """The request page tells how much of the prompt came from the cache, and at which message it parted."""
    first = [SYSTEM, user("How many rooms are there?")]
    answer = ask(served, first)
    response = served.chat(messages=follow(first, answer, "Are you sure?"))
    request_id = response.headers["x-request-id"]
    row = served.row(request_id)
    assert row["cache_reason"] == "appended"
    page = httpx.get(f"{served.base_url}/dashboard/requests/{request_id}").text
    assert "What the cache knew of the prompt" in page
    assert f"{row['cached_tokens']} of {row['prompt_tokens']} tokens came from the cache" in page
    assert "message 4 (user)" in page


def test_a_suspended_answer_goes_on_from_its_state(launch: Callable[..., Served]) -> None:
    """On the real model, with both of the CPU's kernels: beside an interactive request that took its slot, a
    background answer is the text that it is alone, and nothing of it is computed twice.
    """
    served = launch("--engine-n-ctx", "2048", "--engine-slots", "1", "--engine-speculative", "off").start()
    background = [SYSTEM, user("Describe each room in a sentence of its own.")]
    alone = ask(served, background, priority="background", max_tokens=200, cache_prompt=False)
    from tests.e2e.serving import together

    def interrupt() -> dict[str, Any]:
        until(
            lambda: "decode" in httpx.get(f"{served.base_url}/dashboard/live").text,
            20,
            "the answer to be on its way",
        )
        return ask(served, [user("Say hello.")], max_tokens=2)

    again, _ = together(lambda: ask(served, background, priority="background", max_tokens=200), interrupt)
    assert again["text"] == alone["text"]
    computed = 'firsttoken_engine_tokens_total{gen_ai_request_model="smollm2-135m-instruct",phase="prefill"} '

    def prefilled() -> float:
        lines = httpx.get(f"{served.base_url}/metrics").text.splitlines()
        return next(float(line.removeprefix(computed)) for line in lines if line.startswith(computed))

    until(lambda: prefilled() > alone["prompt_n"], 10, "the count")
    assert prefilled() < 2 * alone["prompt_n"] + 60, "two prompts and a short one, no answer"
    assert served.stop() == 0


def test_the_cache_never_changes_an_answer(launch: Callable[..., Served]) -> None:
    """Greedy text with the cache off, and from KV, RAM and disk, at cuts all over a prompt that other
    prompts share.
    """
    flags = ("--engine-n-ctx", "2048", "--engine-slots", "1", "--engine-speculative", "off")
    served = launch(*flags).start()
    text = (
        "Tell me which of these rooms I should visit first, and why; I have one hour, two children and a dog."
    )
    words = text.split()
    whole = [SYSTEM, user(" ".join(words))]
    plain = ask(served, whole, cache_prompt=False)["text"]
    assert ask(served, whole)["text"] == plain
    again = ask(served, whole)
    assert again["text"] == plain
    sources = {again["cache_source"]}
    for cut in range(1, len(words), 2):
        ask(served, [SYSTEM, user(" ".join(words[:cut]))], max_tokens=1)
        if cut % 4 == 1:  # another chat takes the only slot: the prefix comes back from RAM
            ask(served, [user(f"Something else, {cut}.")], max_tokens=1)
        found = ask(served, whole)
        sources.add(found["cache_source"])
        assert found["text"] == plain, (
            f"cut at word {cut}, {found['cache_n']} tokens from {found['cache_source']}"
        )
    assert served.stop() == 0
    restarted = launch(*flags).start()
    found = ask(restarted, whole)
    sources.add(found["cache_source"])
    assert found["text"] == plain
    assert sources >= {"kv", "ram", "disk"}
    assert restarted.stop() == 0


def test_a_long_chat_loses_its_oldest_turns_loudly(launch: Callable[..., Served]) -> None:
    """Overflow is an error by default; `truncate: auto` drops whole turns and says which, streamed or not,
    and in the record.
    """
    served = launch("--engine-n-ctx", "256").start()
    chat = [{"role": "system", "content": "Be brief."}]
    for number in range(12):
        chat += [
            user(f"Question {number}: what is a clock, and who made the first one?"),
            {"role": "assistant", "content": "Nobody knows that."},
        ]
    chat.append(user("And now?"))
    refused = served.chat(messages=chat)
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "context_length_exceeded"
    answered = served.chat(messages=chat, truncate="auto")
    dropped = answered.json()["truncation"]["dropped_messages"]
    assert dropped == list(range(1, len(dropped) + 1))
    assert len(dropped) % 2 == 0
    assert answered.headers["x-firsttoken-dropped-messages"] == ",".join(map(str, dropped))
    with served.stream(messages=chat, truncate="auto", max_tokens=8) as response:
        assert response.headers["x-firsttoken-dropped-messages"]
        *_, last, _done = frames(response)
        assert last["truncation"]["dropped_tokens"] > 0
    row = served.row(answered.headers["x-request-id"])
    assert row["prompt_tokens"] < 256
    page = httpx.get(f"{served.base_url}/dashboard/requests/{row['id']}").text
    assert "messages left out" in page
    alone = served.chat(messages=[user("word " * 400)], truncate="auto")
    assert alone.json()["error"]["code"] == "context_length_exceeded"
    assert served.stop() == 0


def test_a_shared_cold_prefix_is_computed_once(served: Served) -> None:
    """Four users arrive together under one system message that nobody has sent before: one computes it,
    the others fork.
    """
    from tests.e2e.serving import together

    system = {"role": "system", "content": f"{time.time_ns()} {RULES}"}
    jobs = [
        lambda number=number: ask(served, [system, user(f"What is in room {number}?")], max_tokens=4)
        for number in range(4)
    ]
    answers = together(*jobs)
    computed = sorted(answer["prompt_n"] for answer in answers)
    assert computed[-1] > 150
    assert computed[-2] < 60, "only one of them computed the system message"
