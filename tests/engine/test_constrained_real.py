"""Grammars on the real engine: what the demo model says conforms, and nobody else notices."""

from __future__ import annotations

import json

import pytest

from gateway.engine.backend import StepResult
from gateway.engine.cache.prefix_cache import PrefixCache
from gateway.engine.cache.tiers.ram import RamTier
from gateway.engine.embedding.engine import EmbeddingEngine
from gateway.engine.engine import Engine
from gateway.engine.grammar.constraint import Constraint, JsonSchema, Regex
from gateway.engine.llama.load import load_llama
from gateway.engine.options import EngineOptions
from gateway.engine.schedule.pace import Pace
from gateway.engine.schedule.placement import Placement
from gateway.engine.schedule.scheduler import Scheduler
from gateway.engine.sequence.request import GenerationRequest
from gateway.engine.sequence.sequence import Sequence
from gateway.engine.speculative.prompt_lookup import PromptLookup
from gateway.models.storage import DEMO_MODEL, resolve
from gateway.sampling import Sampling
from tests.engine.grammar.schemas import SCHEMAS
from tests.engine.grammar.walks import invalid

SLOTS = 4
N_CTX = 512
STEP_NS = 10**7
PROMPT = "Write a JSON document about a customer: "


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    options = EngineOptions(
        model="demo",
        path=str(resolve(DEMO_MODEL).path),
        digest_cache=str(tmp_path_factory.mktemp("constrained") / "digests.json"),
        slots=SLOTS,
        n_ctx=N_CTX,
        threads=1,
    )
    loaded = load_llama(options, lambda _message: None)
    assert not isinstance(loaded, EmbeddingEngine)
    return loaded


def asked(
    engine: Engine,
    name: str,
    constraint: Constraint | None,
    sampling: Sampling,
    *,
    max_tokens: int = 300,
    drafting: bool = False,
) -> Sequence:
    """A sequence that is ready to run."""
    prompt = engine.tokens.tokenize(PROMPT)
    made = Sequence(GenerationRequest(id=name, prompt=prompt, sampling=sampling, max_tokens=max_tokens), 0)
    assert engine.grammars is not None
    made.matcher = None if constraint is None else engine.grammars.compile(constraint)
    made.drafter = PromptLookup(made.progress.tokens) if drafting else None
    return made


def answers(engine: Engine, *sequences: Sequence) -> dict[str, tuple[str, str]]:
    """Text and reason of each, run at once. The clock stands still but for the steps."""
    pace = Pace(3e6, int(10e9), N_CTX, kernel_min_rows=engine.backend.kernel_min_rows)
    placement = Placement(SLOTS, engine.backend, PrefixCache(RamTier(0)), pace, lambda: 0)
    scheduler = Scheduler(
        placement=placement,
        n_ctx=N_CTX,
        max_batch=N_CTX,
        pace=pace,
        vocabulary=engine.tokens,
    )
    for sequence in sequences:
        scheduler.add(sequence)
    step_ns, reasons = 0, dict[str, str]()
    while not scheduler.idle:
        batch = scheduler.plan(step_ns)
        result = StepResult(step_ns, step_ns + STEP_NS, engine.backend.compute(batch))
        reasons |= {finished.id: finished.reason for finished in scheduler.apply(batch, result).finished}
        scheduler.check_integrity()
        step_ns += STEP_NS
    for slot in range(SLOTS):
        engine.backend.trim(slot, 0)
    return {one.id: ("".join(one.progress.answer), reasons[one.id]) for one in sequences}


def test_every_answer_conforms(engine: Engine) -> None:
    """All twenty schemas at temperature 1, four at a time; one that met its limit is a beginning only."""
    names, whole = list(SCHEMAS), 0
    for start in range(0, len(names), SLOTS):
        some = [
            asked(engine, name, JsonSchema(json.dumps(SCHEMAS[name])), Sampling(temperature=1.0, seed=7))
            for name in names[start : start + SLOTS]
        ]
        for name, (text, reason) in answers(engine, *some).items():
            assert reason in ("stop", "length")
            if reason == "stop":
                whole += 1
                assert not invalid(SCHEMAS[name], text.encode()), text
    assert whole >= len(SCHEMAS) - 4


def test_others_are_answered_as_without_it(engine: Engine) -> None:
    """A free answer beside constrained ones is the one that it is beside free ones."""
    schema, sampling = JsonSchema(json.dumps(SCHEMAS["flat"])), Sampling(temperature=1.0, seed=3)

    def free() -> Sequence:
        return asked(engine, "free", None, sampling, max_tokens=30)

    samplings = [Sampling(temperature=1.0, seed=seed) for seed in range(2)]
    beside = [asked(engine, str(one.seed), schema, one) for one in samplings]
    assert answers(engine, free(), *beside)["free"] == answers(engine, free())["free"]


def test_drafts_change_no_answer(engine: Engine) -> None:
    """Greedy, with a grammar that repeats itself: guesses are taken where they are right."""
    constraint = Regex('(\\{"name": "[A-Z][a-z]{2,8}", "age": [1-9][0-9]\\}\n){4}')
    greedy = Sampling(temperature=0)
    plain = asked(engine, "a", constraint, greedy)
    drafted = asked(engine, "a", constraint, greedy, drafting=True)
    assert answers(engine, plain) == answers(engine, drafted)
    assert plain.matcher is not None
    assert plain.matcher.counts.forced_tokens > 10
