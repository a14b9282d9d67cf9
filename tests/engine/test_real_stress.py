"""Scheduler, placement and cache on the real model under a random load: nothing leaks, nothing mixes."""

from __future__ import annotations

import random
import time
from unittest import mock

import pytest

from gateway.engine.cache.entry import Origin
from gateway.engine.cache.prefix_cache import PrefixCache
from gateway.engine.cache.reasons import Comparison
from gateway.engine.cache.tiers.ram import RamTier
from gateway.engine.llama.backend import ContextOptions, LlamaBackend
from gateway.engine.llama.model import LlamaModel
from gateway.engine.schedule.pace import Pace
from gateway.engine.schedule.placement import Placement
from gateway.engine.schedule.scheduler import Scheduler
from gateway.engine.sequence.lookup import Lookup
from gateway.engine.sequence.request import GenerationRequest
from gateway.engine.sequence.sequence import Sequence
from gateway.engine.speculative.prompt_lookup import PromptLookup
from gateway.models.storage import DEMO_MODEL, resolve
from gateway.sampling import Sampling
from telemetry.events import CacheReason, CacheSource

REQUESTS = 500
SLOTS = 4
GREEDY = Sampling(temperature=0.0)
CANARIES = ("zebra", "violin", "harbor", "pepper", "lantern", "glacier", "tunnel", "ribbon")


@pytest.fixture(scope="module")
def model() -> LlamaModel:
    return LlamaModel(resolve(DEMO_MODEL).path, gpu_layers=0, progress=lambda _fraction: None)


class Rig:
    """The engine without its process; a turn is what the decode loop does, and checks everything after it."""

    def __init__(self, model: LlamaModel, ram_bytes: int) -> None:
        self.backend = LlamaBackend(
            model, ContextOptions(n_ctx=256, slots=SLOTS, n_batch=512, n_ubatch=512, threads=1)
        )
        self.cache = PrefixCache(RamTier(ram_bytes))
        pace = Pace(3e6, int(250e6), 512, kernel_min_rows=self.backend.kernel_min_rows)
        placement = Placement(SLOTS, self.backend, self.cache, pace, time.monotonic_ns)
        self.scheduler = Scheduler(placement=placement, n_ctx=256, max_batch=512, pace=pace, vocabulary=model)
        self.answers: dict[str, str] = {}
        self.reasons: dict[str, str] = {}

    def turn(self) -> None:
        from gateway.engine.backend import StepResult

        batch = self.scheduler.plan(time.monotonic_ns())
        if not batch.parts:
            return
        start_ns = time.monotonic_ns()
        outcome = self.scheduler.apply(
            batch, StepResult(start_ns, time.monotonic_ns(), self.backend.compute(batch))
        )
        for delta in outcome.deltas:
            self.answers[delta.id] = self.answers.get(delta.id, "") + delta.text
        for finished in outcome.finished:
            self.answers[finished.id] = self.answers.get(finished.id, "") + finished.text
            self.reasons[finished.id] = finished.reason
        self.scheduler.check_integrity()
        for slot, entry in enumerate(self.scheduler.placement.states.entries):
            held = 0 if entry is None else entry.n_computed
            assert self.backend.holds(slot) == held, (
                f"slot {slot} holds {self.backend.holds(slot)} cells for {held} tokens"
            )


def sequence(
    model: LlamaModel, name: str, text: str, count: int, sampling: Sampling = GREEDY, **more: bool
) -> Sequence:
    background = more.get("background", False)
    request = GenerationRequest(
        id=name,
        prompt=model.tokenize(text),
        sampling=sampling,
        max_tokens=count,
        background=background,
        pinned=more.get("pinned", False),
    )
    lookup = Lookup(
        origin=Origin(background=background),
        cacheable=more.get("cacheable", True),
        comparison=Comparison(CacheReason.NEW_CONVERSATION),
    )
    one = Sequence(request, time.monotonic_ns(), lookup=lookup)
    one.drafter = PromptLookup(one.progress.tokens)
    return one


def prompt(canary: str, filler: int) -> str:
    """A word that the model says again, behind a beginning that prompts share up to different places."""
    shared = "Here is a list of words, one after the other, and nothing else at all. " * (1 + filler % 2)
    return f"{shared}{'and so on ' * filler}{canary} {canary} {canary} {canary} {canary}"


def test_random_load_on_the_real_model(model: LlamaModel) -> None:
    """500 requests of mixed sizes with cancels, forks, evictions and a RAM budget of a few entries: each
    answer says its own word and no other's, and slots, cells and bytes are as they should be after every
    step.
    """
    draw = random.Random(7)
    rig = Rig(model, ram_bytes=6_000_000)
    said: dict[str, str] = {}
    for number in range(REQUESTS):
        name, canary = f"r{number}", draw.choice(CANARIES)
        said[name] = canary
        flags = {
            "cacheable": draw.random() > 0.1,
            "pinned": draw.random() < 0.02,
            "background": draw.random() < 0.1,
        }
        rig.scheduler.add(
            sequence(model, name, prompt(canary, draw.randrange(0, 5)), draw.randint(1, 4), GREEDY, **flags)
        )
        for _ in range(draw.randint(0, 3)):
            rig.turn()
        if draw.random() < 0.05:
            rig.scheduler.cancel(f"r{draw.randrange(number + 1)}", time.monotonic_ns())
        if draw.random() < 0.1:
            rig.scheduler.placement.save_one_idle()
    while not rig.scheduler.idle:
        rig.turn()
    ended = [name for name, reason in rig.reasons.items() if reason in ("length", "stop")]
    assert len(ended) > 0.9 * REQUESTS
    for name in ended:
        others = [canary for canary in CANARIES if canary != said[name] and canary in rig.answers[name]]
        assert not others, f"{name} said {others} instead of {said[name]}"
    repeated = sum(said[name][:3] in rig.answers[name] for name in ended)
    assert repeated > 0.8 * len(ended), "the model says its word again, or this test could not fail"
    ram = {tier.tier: tier for tier in rig.cache.tiers()}[CacheSource.RAM]
    assert rig.cache.evicted[CacheSource.RAM] > 0, "the budget was too large to evict anything"
    assert ram.size_bytes is not None
    assert ram.size_bytes <= 6_000_000
    assert rig.scheduler.placement.states.restore_failures == 0


def test_a_suspended_answer_goes_on_with_its_own_random_numbers(model: LlamaModel) -> None:
    """A sampled answer that let others pass is the one that its seed gives alone."""
    sampling = Sampling(temperature=1.0, seed=11, repeat_penalty=1.2)

    def answer(others: int) -> str:
        rig = Rig(model, ram_bytes=50_000_000)
        rig.scheduler.add(
            sequence(model, "title", "Once upon a time there was a", 24, sampling, background=True)
        )
        for _ in range(8):
            rig.turn()
        with mock.patch.object(
            rig.scheduler.placement, "suspend", wraps=rig.scheduler.placement.suspend
        ) as suspended:
            for number in range(others):
                rig.scheduler.add(sequence(model, f"chat {number}", f"Number {number} is", 6))
            while "title" not in rig.reasons:
                rig.turn()
        assert suspended.called == bool(others)
        return rig.answers["title"]

    assert answer(SLOTS) == answer(0) != ""
