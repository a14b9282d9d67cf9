"""Measuring a model with different settings, at its first load or for `firsttoken tune`.

`python -m gateway.engine.llama.tune OPTIONS` (JSON) prints lines of JSON: progress, then the tuning or an
error.
"""

from __future__ import annotations

import contextlib
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import llama_cpp.llama_cpp as llama
import msgspec
import psutil

from gateway.engine import tuning
from gateway.engine.backend import Batch, Part
from gateway.engine.digest import file_digest
from gateway.engine.llama import kv_types
from gateway.engine.llama.backend import ContextOptions, LlamaBackend
from gateway.engine.llama.context import context_options
from gateway.engine.llama.model import LlamaModel, ModelError
from gateway.engine.options import EngineOptions
from gateway.engine.threads.cores import usable_cores
from gateway.engine.tuning import Trial, Tuning, Values
from gateway.sampling import Sampling

FIRST_LOAD_S, THOROUGH_S = 0.08, 0.3
"""For each run of a trial (two of a prompt, two of answers), as far as the model's speed allows."""

SLOTS, DECODING, CONTEXT = 4, 2, 512
MIN_TOKENS, MAX_TOKENS = 16, 192
MIN_STEPS, MAX_STEPS = 4, 16

NAMES = ("kv_unified", "flash_attention", "threads", "threads_batch")


@dataclass(frozen=True, slots=True)
class TrialLoad:
    """The work of a trial: tokens of a prompt, and steps of two sequences."""

    tokens: int
    steps: int


def unset(options: EngineOptions) -> list[str]:
    """Settings that nobody has set: 0 threads, no layout."""
    return [
        name for name in NAMES if getattr(options, name) in (None, 0) and getattr(options, name) is not False
    ]


def tuned(
    model: LlamaModel,
    options: EngineOptions,
    base: ContextOptions,
    digest: str,
    progress: Callable[[float], None],
) -> Tuning | None:
    """The choice that was made before or is made now for the unset settings; None where all are set, or
    nothing is to be measured.
    """
    names = unset(options)
    if options.tune == "off" or not names:
        return None
    found = tuning.remembered(
        Path(options.tuning_folder), digest, machine=machine(), build=build(), names=names
    )
    if found is not None:
        return found
    measured = measure(model, base, names, digest, progress, FIRST_LOAD_S)
    with contextlib.suppress(OSError):  # it is measured again next time
        tuning.remember(Path(options.tuning_folder), measured)
    return measured


def measure(
    model: LlamaModel,
    base: ContextOptions,
    names: list[str],
    digest: str,
    progress: Callable[[float], None],
    budget_s: float,
) -> Tuning:
    """Try the candidates for these settings, each for some times `budget_s`."""
    cores, logical = usable_cores().count, psutil.cpu_count() or 1
    most = logical if cores == psutil.cpu_count(logical=False) else cores
    asked = list(
        tuning.questions(
            physical=cores, logical=most, unset=names, quantised_values=base.kv_type_v not in kv_types.EXACT
        )
    )
    load = _load(model, base, budget_s)
    done, most = 0, tuning.most_trials(asked)

    def trial(values: Values) -> Trial:
        nonlocal done
        found = _trial(model, replace(base, **values), load)  # type: ignore[arg-type]  # by name
        done += 1
        progress(min(1.0, done / most))
        return Trial(dict(values), *found)

    chosen, trials = tuning.choose({name: getattr(base, name) for name in NAMES}, asked, trial)
    chosen = {name: getattr(base, name) for name in names} | chosen
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Tuning(
        model_digest=digest, machine=machine(), build=build(), chosen=chosen, trials=trials, measured_at=now
    )


def machine() -> str:
    """The machine that a tuning is good for: the processor, how many of its cores are here, and how many may
    be used.
    """
    return (
        f"{platform.machine()} {platform.processor()}"
        f" {usable_cores().count}/{psutil.cpu_count(logical=False)}/{psutil.cpu_count()}"
    )


def build() -> str:
    """llama.cpp's own name of its build."""
    return str(llama.llama_version().decode())


def _load(model: LlamaModel, base: ContextOptions, budget_s: float) -> TrialLoad:
    """Warm the weights, and see how much fits into the budget."""
    backend = LlamaBackend(model, _small(base))
    try:
        for _ in range(2):
            token_s = _prompt_s(backend, MIN_TOKENS) / MIN_TOKENS
        step_s = _decode_s(backend, MIN_TOKENS, MIN_STEPS) / MIN_STEPS
    finally:
        backend.free()
    tokens = max(MIN_TOKENS, min(MAX_TOKENS, int(budget_s / token_s)))
    return TrialLoad(tokens, max(MIN_STEPS, min(MAX_STEPS, int(budget_s / step_s))))


def _trial(model: LlamaModel, context: ContextOptions, load: TrialLoad) -> tuple[float, float]:
    """Microseconds per prompt token, and per answer token of two sequences beside idle ones (the better of
    two runs).
    """
    try:
        backend = LlamaBackend(model, _small(context))
    except ModelError:
        return float("inf"), float("inf")
    try:
        prompt_s = min(_prompt_s(backend, load.tokens) for _ in range(2))
        state = backend.save(0)
        for slot in range(1, SLOTS):
            if state is not None:
                backend.restore(slot, state, load.tokens)
        answer_s = min(_decode_s(backend, load.tokens, load.steps) for _ in range(2))
    finally:
        backend.free()
    return prompt_s / load.tokens * 1e6, answer_s / load.steps / DECODING * 1e6


def _small(context: ContextOptions) -> ContextOptions:
    return replace(context, n_ctx=CONTEXT, slots=SLOTS)


def _prompt_s(backend: LlamaBackend, tokens: int) -> float:
    backend.trim(0, 0)
    backend.open(0, Sampling(temperature=0.0))
    start_ns = time.monotonic_ns()
    backend.compute(Batch((Part(0, range(1, tokens + 1), 0, sample=True, prefill=True),)))
    duration_s = (time.monotonic_ns() - start_ns) / 1e9
    backend.close(0)
    return duration_s


def _decode_s(backend: LlamaBackend, held: int, steps: int) -> float:
    """The slots hold `held` tokens before and after."""
    for slot in range(DECODING):
        backend.open(slot, Sampling(temperature=0.0))
    start_ns = time.monotonic_ns()
    for _ in range(steps):
        backend.compute(
            Batch(
                tuple(
                    Part(slot, (1,), backend.holds(slot), sample=True, prefill=False)
                    for slot in range(DECODING)
                )
            )
        )
    duration_s = (time.monotonic_ns() - start_ns) / 1e9
    for slot in range(DECODING):
        backend.close(slot)
        backend.trim(slot, min(held, backend.holds(slot)))
    return duration_s


def main(argument: str) -> int:
    """Measure all of a model's settings anew and remember them."""
    options = EngineOptions.from_argument(argument)
    try:
        model = LlamaModel(
            Path(options.path),
            gpu_layers=options.gpu_layers,
            load_mode=options.load_mode,
            progress=lambda _fraction: None,
        )
        digest = file_digest(Path(options.path), Path(options.digest_cache))
        base = context_options(model, options)
        measured = measure(
            model, base, unset(options), digest, lambda fraction: _say({"progress": fraction}), THOROUGH_S
        )
        tuning.remember(Path(options.tuning_folder), measured)
    except (ModelError, OSError) as error:
        _say({"error": str(error)})
        return 1
    _say({"tuning": msgspec.to_builtins(measured), "summary": tuning.summary(measured)})
    return 0


def _say(message: dict[str, object]) -> None:
    sys.stdout.write(msgspec.json.encode(message).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
