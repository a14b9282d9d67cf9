"""Seeds: every integer that the API accepts repeats its answer, on the real model, alone and in company."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.engine.backend import StepResult
from gateway.engine.cache.prefix_cache import PrefixCache
from gateway.engine.cache.tiers.ram import RamTier
from gateway.engine.embedding.engine import EmbeddingEngine
from gateway.engine.engine import Engine
from gateway.engine.llama.load import load_llama
from gateway.engine.llama.sampler_chain import RANDOM, seed_of
from gateway.engine.options import EngineOptions
from gateway.engine.schedule.pace import Pace
from gateway.engine.schedule.placement import Placement
from gateway.engine.schedule.scheduler import Scheduler
from gateway.engine.sequence.request import GenerationRequest
from gateway.engine.sequence.sequence import Sequence
from gateway.models.storage import DEMO_MODEL, resolve
from gateway.sampling import Sampling

SLOTS = 3
ODD_SEEDS = [-1, 0, 1, 2**31, RANDOM - 1, RANDOM, 2**32, 2**32 + 1, 2**63 - 1, -(2**63), 2**64 - 1]
PROMPT = "Once upon a time"


@given(st.integers(-(2**63), 2**63 - 1))
@example(RANDOM)
@example(-1)
def test_a_seed_is_always_the_same_and_never_the_one_that_means_random(seed: int) -> None:
    """And it fits 32 bits; small ones are what they are."""
    mapped = seed_of(seed)
    assert mapped == seed_of(seed)
    assert 0 <= mapped < RANDOM
    assert mapped == seed or not 0 <= seed < RANDOM


def test_different_seeds_are_different() -> None:
    """Also those whose last 32 bits are the same."""
    seeds = [*range(-50, 50), *(number << 32 for number in range(1, 50)), *ODD_SEEDS]
    assert len({seed_of(seed) for seed in seeds}) == len(set(seeds))


def test_no_seed_is_another_one_each_time() -> None:
    """And never the one that llama.cpp draws itself for."""
    drawn = {seed_of(None) for _ in range(50)}
    assert len(drawn) > 40
    assert max(drawn) < RANDOM


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    options = EngineOptions(
        model="demo",
        path=str(resolve(DEMO_MODEL).path),
        digest_cache=str(tmp_path_factory.mktemp("seeds") / "digests.json"),
        slots=SLOTS,
        n_ctx=256,
        threads=1,
    )
    loaded = load_llama(options, lambda _message: None)
    assert not isinstance(loaded, EmbeddingEngine)
    return loaded


def answers(engine: Engine, *requests: tuple[str, int | None, float]) -> list[list[int]]:
    """The tokens that each request (prompt, seed, temperature) is answered with, all of them at once. The
    clock stands still, so that the same company is the same batches.
    """
    pace = Pace(3e6, int(10e9), 512, kernel_min_rows=engine.backend.kernel_min_rows)
    placement = Placement(SLOTS, engine.backend, PrefixCache(RamTier(0)), pace, time.monotonic_ns)
    scheduler = Scheduler(placement=placement, n_ctx=256, max_batch=512, pace=pace, vocabulary=engine.tokens)
    sequences = [
        Sequence(
            GenerationRequest(
                id=str(number),
                prompt=engine.tokens.tokenize(prompt),
                sampling=Sampling(temperature=temperature, seed=seed),
                max_tokens=12,
            ),
            queued_ns=number,
        )
        for number, (prompt, seed, temperature) in enumerate(requests)
    ]
    for sequence in sequences:
        scheduler.add(sequence)
    step_ns = 0
    while not scheduler.idle:
        batch = scheduler.plan(step_ns)
        scheduler.apply(batch, StepResult(step_ns, step_ns + 10**7, engine.backend.compute(batch)))
        step_ns += 10**7
    for slot in range(SLOTS):
        engine.backend.trim(slot, 0)
    return [sequence.progress.tokens[sequence.progress.prompt_tokens :] for sequence in sequences]


@pytest.mark.parametrize("seed", ODD_SEEDS)
def test_a_seed_repeats_its_answer(engine: Engine, seed: int) -> None:
    """Hot enough that another seed says something else."""
    first, second = (answers(engine, (PROMPT, seed, 2.0)) for _ in range(2))
    assert first == second
    assert first != answers(engine, (PROMPT, seed - 12345, 2.0))


def test_seeds_repeat_their_answers_in_company(engine: Engine) -> None:
    """The same company again: what others sample, and with which seed or none, draws nothing from a
    request's own numbers.
    """
    company = [("The sea is", 7, 2.0), ("My name is", -5, 2.0)]
    first = answers(engine, (PROMPT, RANDOM, 2.0), *company)
    assert answers(engine, (PROMPT, RANDOM, 2.0), *company) == first
    other = answers(engine, (PROMPT, RANDOM, 2.0), ("The sea is", None, 2.0), ("My name is", None, 2.0))
    assert other[0] == first[0]
    assert other[1:] != first[1:]


def test_greedy_needs_no_seed(engine: Engine) -> None:
    """Whatever it is."""
    assert len({str(answers(engine, (PROMPT, seed, 0.0))) for seed in (None, 3, -1)}) == 1
