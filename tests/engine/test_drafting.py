"""A draft model with a fake backend: fewer steps where it is right, next to nothing lost where it is not,
same tokens always.
"""

from __future__ import annotations

from typing import Unpack

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.engine.schedule.pace import KNOWN_AFTER, MIN_CHUNK
from gateway.engine.speculative.drafting import MAX_CREDIT_NS, PROBE_SHARE
from telemetry.drafts import Drafted, DraftSource, drafted_by
from tests.engine.fake_draft import DraftRig, FakeDraft, Sizes
from tests.engine.fakes import TOKEN_NS, expected, sequence
from tests.engine.rig import Rig

STEP_TOKENS = 20
"""What a step takes on the fake clock besides its tokens: a model for which guesses pay."""


def text(prompt: list[int], count: int, period: int = 0) -> str:
    return "".join(f"<{token}>" for token in expected(prompt, count, period))


LARGE: Sizes = {"step_tokens": STEP_TOKENS, "max_stall_tokens": 200, "max_batch": 256}


def rig(draft: FakeDraft, **more: Unpack[Sizes]) -> DraftRig:
    sizes: Sizes = {**LARGE, **more}
    return DraftRig(draft, **sizes)


def drafted_by_the_model(rig: Rig) -> int:
    return sum(
        part.drafted
        for batch in rig.batches
        for part in batch.parts
        if part.source is DraftSource.DRAFT_MODEL
    )


def took_ns(draft: FakeDraft | None, answers: int, tokens: int = 200) -> int:
    """How long some answers take, one after the other."""
    used = Rig(**LARGE) if draft is None else rig(draft)
    for number in range(answers):
        used.answer(f"r{number}", [number + 1] * 30, tokens)
        assert used.texts[f"r{number}"] == text([number + 1] * 30, tokens)
    return used.now_ns


def test_a_draft_that_is_right_saves_time() -> None:
    """Most tokens are guessed, and answers take much less time."""
    used = rig(FakeDraft(4))
    one = used.answer("a", [3] * 30, 200)
    assert used.texts["a"] == text([3] * 30, 200)
    assert one.drafts is not None
    assert one.drafts.tally.accepted > 120
    assert one.drafts.tally.saved_ns > 0
    assert took_ns(FakeDraft(4), 3) < 0.6 * took_ns(None, 3)


def test_a_draft_that_is_wrong_costs_next_to_nothing() -> None:
    """It is noticed soon and for all requests; what is lost then is the share for probes."""
    first, later = (took_ns(FakeDraft(4, wrong=10), count) / took_ns(None, count) for count in (1, 40))
    assert first < 1.15
    assert later < 1 + 2 * PROBE_SHARE


def test_it_comes_back_when_a_draft_gets_right() -> None:
    """Probes find out; without them a draft model that was wrong for a while would be lost."""
    draft = FakeDraft(4, wrong=10)
    used = rig(draft)
    used.answer("a", [3] * 30, 400)
    before = drafted_by_the_model(used)
    draft.wrong = 0
    for number in range(8):
        used.answer(f"r{number}", [number + 4] * 30, 400)
    assert drafted_by_the_model(used) > before + 1000


def test_prompt_lookup_is_asked_first() -> None:
    """Text that repeats is drafted from itself once that is sure; the draft model does the rest."""
    used = rig(FakeDraft(4, wrong=5), period=10)
    one = used.answer("a", [3] * 5, 300, drafting=True)
    assert used.texts["a"] == text([3] * 5, 300, 10)
    assert one.drafter is not None
    assert one.drafts is not None
    assert one.drafter.tally.accepted > 100
    assert one.drafts.tally.drafted > 0
    decode = used.finished["a"].timings[-1].attributes
    assert decode["draft"] == one.drafter.tally.drafted + one.drafts.tally.drafted
    assert drafted_by(decode)[DraftSource.DRAFT_MODEL] == Drafted(
        one.drafts.tally.drafted, one.drafts.tally.accepted
    )
    assert drafted_by(decode)[DraftSource.LOOKUP] == Drafted(
        one.drafter.tally.drafted, one.drafter.tally.accepted
    )


def test_prompts_do_not_wait_for_drafts() -> None:
    """While a prompt is computed nothing is drafted and nothing caught up with."""
    used = rig(FakeDraft(4))
    used.add(sequence("a", [1] * 10, 100))
    for _ in range(2 * KNOWN_AFTER):
        used.step()
    used.add(sequence("long", [2] * 400, 5))
    while "long" not in used.finished:
        batch = used.step()
        if batch.prefill_tokens:
            assert not batch.drafted
    used.run()
    assert drafted_by_the_model(used) > 50


def test_catching_up_keeps_the_time_budget() -> None:
    """A long prompt that the draft model has not seen is caught up with in chunks that fit into a step."""
    used = rig(FakeDraft(2), slots=2, n_ctx=2000, max_stall_tokens=60)
    held = used.draft_model.states.tokens[0]
    used.add(sequence("long", [2] * 1200, 300))
    chunks = []
    while not used.scheduler.idle:
        before_ns, had = used.now_ns, len(held)
        batch = used.step()
        if not batch.prefill_tokens:
            assert used.now_ns - before_ns <= 61 * TOKEN_NS
            chunks.append(len(held) - had)
    assert max(chunks) >= MIN_CHUNK
    assert drafted_by_the_model(used) > 100
    assert used.texts["long"] == text([2] * 1200, 300)


def test_a_turn_goes_on_where_the_draft_model_was() -> None:
    """The next turn of a chat in the same slot: what the draft model holds of it is not computed again."""
    draft = FakeDraft(1)
    used = rig(draft, slots=1)
    prompt = [3] * 100
    used.answer("a", prompt, 60)
    held = expected(prompt, 60)
    computed = draft.computed
    used.answer("b", [*prompt, *held, *[5] * 8], 60)
    assert draft.computed - computed < 100, "the whole prompt has 168 tokens"


def test_a_draft_model_that_fails_is_not_asked_again() -> None:
    """The request goes on as if there had never been one."""
    draft = FakeDraft(4)
    used = rig(draft)
    used.add(sequence("a", [1] * 5, 100))
    for _ in range(2 * KNOWN_AFTER):
        used.step()
    draft.fail_next = True
    used.run()
    assert (used.failures, used.finished["a"].reason) == (1, "length")
    assert used.texts["a"] == text([1] * 5, 100)
    computed = draft.computed
    used.answer("b", [2] * 5, 100)
    assert draft.computed == computed


def test_adapters_are_not_drafted_for() -> None:
    """The draft model is for the bare model."""
    used = rig(FakeDraft(4))
    used.answer("a", [1] * 5, 100, adapter="sql", namespace="sql")
    assert drafted_by_the_model(used) == 0


loads = st.lists(
    st.tuples(st.integers(1, 90), st.integers(1, 80), st.integers(0, 8), st.booleans()),
    min_size=1,
    max_size=12,
)


@given(
    loads, st.integers(1, 4), st.sampled_from([0, 5, 30]), st.integers(0, 10), st.integers(1, 12), st.data()
)
def test_a_draft_model_never_changes_an_answer(
    load: list[tuple[int, int, int, bool]],
    slots: int,
    period: int,
    wrong: int,
    draft_tokens: int,
    data: st.DataObject,
) -> None:
    """However right it is, with cancels, failing steps, suspended requests, adapters and slots used again:
    each answer is what it would be without, the fakes see only positions that follow, and batches keep their
    size.
    """
    draft = FakeDraft(slots, wrong=wrong, period=period)
    used = DraftRig(
        draft,
        slots=slots,
        n_ctx=200,
        period=period,
        max_batch=64,
        step_tokens=STEP_TOKENS,
        draft_tokens=draft_tokens,
    )
    cancelled = data.draw(st.sets(st.integers(0, len(load) - 1), max_size=3))
    failing = data.draw(st.sets(st.integers(0, 80), max_size=3))
    draft_fails = data.draw(st.none() | st.integers(0, 80))
    turn = 0
    for index, (size, count, steps, adapted) in enumerate(load):
        adapter = "sql" if adapted else ""
        prompt = [index % 3 + 1] * size
        used.add(
            sequence(f"r{index}", prompt, count, drafting=index % 2 == 0, adapter=adapter, namespace=adapter)
        )
        for _ in range(steps):
            used.backend.fail_next, draft.fail_next = turn in failing, turn == draft_fails
            assert sum(len(part.tokens) for part in used.step().parts) <= 64
            turn += 1
        if index in cancelled:
            used.cancel(f"r{index}")
    used.backend.fail_next = False
    used.run()
    for index, (size, count, _, _) in enumerate(load):
        whole = text([index % 3 + 1] * size, count, period)
        finished = used.finished[f"r{index}"]
        assert (
            used.texts[f"r{index}"] == whole
            if finished.reason == "length"
            else whole.startswith(used.texts[f"r{index}"])
        )
        assert finished.reason == "length" or index in cancelled or failing
    assert used.failures <= 1


@settings(max_examples=20)
@given(st.integers(0, 10), st.floats(0.1, 3), st.floats(0.1, 3), st.integers(1, 4), st.integers(0, 40))
def test_it_never_costs_much(
    wrong: int, round_tokens: float, row_tokens: float, streams: int, step_tokens: int
) -> None:
    """Whatever a draft model takes and however right it is: a long run with it takes hardly longer than
    one without.
    """

    def run_ns(draft: FakeDraft | None) -> int:
        common: Sizes = {
            "slots": streams,
            "n_ctx": 1000,
            "step_tokens": step_tokens,
            "max_stall_tokens": 300,
            "max_batch": 256,
        }
        used = Rig(**common) if draft is None else DraftRig(draft, **common)
        for number in range(3 * streams):
            used.add(sequence(f"r{number}", [number + 1] * 20, 300))
        used.run()
        return used.now_ns

    draft = FakeDraft(streams, wrong=wrong)
    draft.round_tokens, draft.row_tokens = round_tokens, row_tokens
    assert run_ns(draft) <= 1.05 * run_ns(None)


def test_credit_is_bounded() -> None:
    """An engine that never drafted has no more than a moment's worth of probes to spend."""
    used = rig(FakeDraft(4, wrong=10))
    for number in range(30):
        used.answer(f"r{number}", [number + 1] * 30, 400)
    assert 0 < used.drafting.credit_ns <= MAX_CREDIT_NS
