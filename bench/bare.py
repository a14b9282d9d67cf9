"""The engine's parts without a gateway: `python -m bench.bare depths EARLY LATE` and `python -m bench.bare
scheduler`.

Each prints one JSON object; `speeds` and `scheduler_shares` start it as a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import msgspec

from bench.comparison import THREADS
from gateway.models.storage import DEMO_MODEL, resolve

SEQUENCES = 8
STEPS = 300
DECODED = 48
REPEATS = 5
TIMEOUT_S = 120.0
PROMPT_TOKEN = 260
PROMPT_TOKENS = 40


class Speeds(msgspec.Struct, frozen=True):
    """Tokens per second of `llama_decode` alone at two depths."""

    early_tps: float
    late_tps: float


class Shares(msgspec.Struct, frozen=True):
    """Of a step, in percent: planning and applying, and sampling."""

    planning: float
    sampling: float


def speeds(early: int, late: int) -> Speeds:
    """Measure at two depths, in a process of its own."""
    return msgspec.json.decode(_run("depths", str(early), str(late)), type=Speeds)


def scheduler_shares() -> Shares:
    """Measure the scheduler, in a process of its own."""
    return msgspec.json.decode(_run("scheduler"), type=Shares)


def _run(*arguments: str) -> bytes:
    command = [sys.executable, "-m", "bench.bare", *arguments]
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=TIMEOUT_S, check=True
    ).stdout


def _engine(slots: int) -> tuple[Any, Any]:
    """The model and a backend."""
    from gateway.engine.llama.backend import ContextOptions, LlamaBackend  # noqa: PLC0415 - native code only in its own process
    from gateway.engine.llama.model import LlamaModel  # noqa: PLC0415

    model = LlamaModel(resolve(DEMO_MODEL).path, gpu_layers=0, progress=lambda _fraction: None)
    options = ContextOptions(n_ctx=2048, slots=slots, n_batch=2048, n_ubatch=512, threads=THREADS)
    return model, LlamaBackend(model, options)


def _depths(early: int, late: int) -> Speeds:
    """Alternating, medians; the sampled token goes in again."""
    import statistics  # noqa: PLC0415

    _, backend = _engine(1)
    found: dict[int, list[float]] = {early: [], late: []}
    for _ in range(REPEATS):
        for depth in (early, late):
            found[depth].append(_decode_tps(backend, depth))
    return Speeds(statistics.median(found[early]), statistics.median(found[late]))


def _decode_tps(backend: Any, depth: int) -> float:
    from gateway.engine.backend import Batch, Part  # noqa: PLC0415
    from gateway.sampling import Sampling  # noqa: PLC0415

    backend.open(0, Sampling(temperature=0))
    prompt = Part(0, [PROMPT_TOKEN] * depth, 0, sample=True, prefill=True)
    token = backend.compute(Batch((prompt,)))[0][-1]
    begun_s = time.perf_counter()
    for step in range(DECODED):
        token = backend.compute(Batch((Part(0, (token,), depth + step, sample=True, prefill=False),)))[0][-1]
    took_s = time.perf_counter() - begun_s
    backend.close(0)
    backend.trim(0, 0)
    return DECODED / took_s


def _scheduler() -> Shares:
    """Drive the real scheduler and backend as the decode loop does, with a clock around each part."""
    from gateway.engine.backend import StepResult  # noqa: PLC0415
    from gateway.engine.cache.prefix_cache import PrefixCache  # noqa: PLC0415
    from gateway.engine.cache.tiers.ram import RamTier  # noqa: PLC0415
    from gateway.engine.llama import backend as llama_batch  # noqa: PLC0415
    from gateway.engine.schedule.pace import Pace  # noqa: PLC0415
    from gateway.engine.schedule.placement import Placement  # noqa: PLC0415
    from gateway.engine.schedule.scheduler import Scheduler  # noqa: PLC0415

    sampling_ns = _clock_sampling(llama_batch)
    model, backend = _engine(SEQUENCES)
    pace = Pace(1e6, int(100e6), 512)
    placement = Placement(SEQUENCES, backend, PrefixCache(RamTier(0)), pace, time.monotonic_ns)
    scheduler = Scheduler(
        placement=placement, n_ctx=backend.n_ctx, max_batch=2048, pace=pace, vocabulary=_Endless(model)
    )
    for number in range(SEQUENCES):
        scheduler.add(_sequence(number))
    planning_ns = computing_ns = steps = 0
    while steps < STEPS:
        begun_ns = time.monotonic_ns()
        batch = scheduler.plan(begun_ns)
        start_ns = time.monotonic_ns()
        if batch.prefill_tokens:
            sampling_ns[0] = 0
        sampled = backend.compute(batch)
        end_ns = time.monotonic_ns()
        scheduler.apply(batch, StepResult(start_ns, end_ns, sampled))
        if not batch.prefill_tokens:  # only decode steps of all sequences count
            planning_ns += time.monotonic_ns() - end_ns + start_ns - begun_ns
            computing_ns += end_ns - start_ns
            steps += 1
    whole_ns = planning_ns + computing_ns
    return Shares(100 * planning_ns / whole_ns, 100 * sampling_ns[0] / whole_ns)


def _clock_sampling(module: Any) -> list[int]:
    """Count the time in the samplers that `module` makes from now on; returns the counter (ns)."""
    spent_ns = [0]

    class Clocked(module.Sampler):  # type: ignore[misc]
        def sample(self, context: object, index: int) -> int:
            begun_ns = time.monotonic_ns()
            token = super().sample(context, index)
            spent_ns[0] += time.monotonic_ns() - begun_ns
            return int(token)

    module.Sampler = Clocked
    return spent_ns


class _Endless:
    """The model's vocabulary, in which no token ends a sequence: all run to the last step."""

    def __init__(self, model: Any) -> None:
        self.piece = model.piece

    def is_end(self, _token: int) -> bool:
        return False


def _sequence(number: int) -> Any:
    from gateway.engine.sequence.request import GenerationRequest  # noqa: PLC0415
    from gateway.engine.sequence.sequence import Sequence  # noqa: PLC0415
    from gateway.engine.speculative.prompt_lookup import PromptLookup  # noqa: PLC0415
    from gateway.sampling import Sampling  # noqa: PLC0415

    request = GenerationRequest(
        id=str(number),
        prompt=[PROMPT_TOKEN + number] * PROMPT_TOKENS,
        sampling=Sampling(temperature=0),
        max_tokens=10 * STEPS,
    )
    sequence = Sequence(request, time.monotonic_ns())
    # as in the product; random text gives it nothing to propose
    sequence.drafter = PromptLookup(sequence.progress.tokens)
    return sequence


if __name__ == "__main__":
    result = _depths(int(sys.argv[2]), int(sys.argv[3])) if sys.argv[1] == "depths" else _scheduler()
    sys.stdout.buffer.write(msgspec.json.encode(result))
