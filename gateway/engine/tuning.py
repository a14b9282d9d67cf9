"""The settings that are fastest for a model on this machine: what is tried, what wins, and where that is
remembered.

Pure but for the file; `gateway.engine.llama.tune` measures. A candidate must be better than what stands by a
sixth, since machines are noisy and what is chosen stays.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

Values = Mapping[str, int | bool]

PROMPT_TOKENS, ANSWER_TOKENS = 256, 128
"""The request that layouts are compared by."""


class Trial(msgspec.Struct, frozen=True):
    """The figures of one combination of settings: microseconds per prompt token, and per answer token with
    two sequences beside idle ones.
    """

    values: dict[str, int | bool]
    prompt_token_us: float
    answer_token_us: float


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """The choice for a model (by its digest) on a machine with a build of llama.cpp, and the trials that
    decided.

    `measured_at` is ISO 8601, UTC.
    """

    model_digest: str
    machine: str
    build: str
    chosen: dict[str, int | bool]
    trials: list[Trial]
    measured_at: str


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to choose: candidates for some settings, and what counts."""

    names: tuple[str, ...]
    candidates: tuple[tuple[int | bool, ...], ...]
    cost: Callable[[Trial], float]


CLEARLY = 0.85
"""Of the cost of what stands: below that, a candidate takes its place."""

LAYOUTS = ((False, True), (True, True), (True, False), (False, False))


def questions(
    *, physical: int, logical: int, unset: Iterable[str], quantised_values: bool
) -> Iterator[Question]:
    """The questions to ask, given the machine's cores and the settings that nobody has set."""
    names = tuple(name for name in ("kv_unified", "flash_attention") if name in set(unset))
    layouts = [layout for layout in LAYOUTS if layout[1] or not quantised_values]
    if names:
        columns = [("kv_unified", "flash_attention").index(name) for name in names]
        candidates = dict.fromkeys(tuple(layout[column] for column in columns) for layout in layouts)
        yield Question(names, tuple(candidates), _request_cost)
    counts = tuple((count,) for count in sorted({physical, logical, max(1, physical // 2)}))
    costs = {
        "threads": lambda trial: trial.answer_token_us,
        "threads_batch": lambda trial: trial.prompt_token_us,
    }
    for name, cost in costs.items():
        if name in set(unset) and len(counts) > 1:
            yield Question((name,), counts, cost)


def _request_cost(trial: Trial) -> float:
    return PROMPT_TOKENS * trial.prompt_token_us + ANSWER_TOKENS * trial.answer_token_us


def choose(
    start: Values, asked: Iterable[Question], measure: Callable[[Values], Trial]
) -> tuple[dict[str, int | bool], list[Trial]]:
    """Answer one question after the other, each with the answers so far; returns what was chosen of them, and
    all trials.
    """
    chosen, trials = dict(start), [measure(start)]
    best, names = trials[0], list[str]()
    for question in asked:
        names += question.names
        for candidate in question.candidates:
            values = chosen | dict(zip(question.names, candidate, strict=True))
            if values == best.values:
                continue
            trial = measure(values)
            trials.append(trial)
            if question.cost(trial) < CLEARLY * question.cost(best):
                best = trial
        chosen = dict(best.values)
    return {name: chosen[name] for name in names}, trials


def most_trials(asked: Iterable[Question]) -> int:
    """Upper bound of how often `choose` measures: for a progress bar."""
    return 1 + sum(len(question.candidates) for question in asked)


def summary(tuning: Tuning) -> str:
    """The choice and the figures that decided, in one line."""
    if not tuning.chosen:
        return ""
    standing, best = (
        tuning.trials[0],
        next(trial for trial in tuning.trials if tuning.chosen.items() <= trial.values.items()),
    )
    values = ", ".join(f"{name} {_shown(value)}" for name, value in tuning.chosen.items())
    figures = (
        f"{best.prompt_token_us / 1e3:.2f} ms per prompt token and {best.answer_token_us / 1e3:.1f} ms per"
        " answer token"
    )
    before = (
        ""
        if best is standing
        else (
            f"; the defaults: {standing.prompt_token_us / 1e3:.2f} and"
            f" {standing.answer_token_us / 1e3:.1f} ms"
        )
    )
    return f"{values} ({figures}{before})"


def _shown(value: int | bool) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def remembered(folder: Path, digest: str, *, machine: str, build: str, names: Iterable[str]) -> Tuning | None:
    """The choice that was made before for this model here, if it covers all of these settings; a file that
    cannot be read is none.
    """
    try:
        found = msgspec.json.decode(_file(folder, digest).read_bytes(), type=Tuning)
    except (OSError, msgspec.MsgspecError):
        return None
    fits = (found.model_digest, found.machine, found.build) == (digest, machine, build)
    return found if fits and set(names) <= found.chosen.keys() else None


def remember(folder: Path, tuning: Tuning) -> None:
    """Keep it for the next load.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = _file(folder, tuning.model_digest)
    partial = file.with_suffix(f".{os.getpid()}.partial")
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(tuning), indent=1))
    partial.replace(file)


def _file(folder: Path, digest: str) -> Path:
    return folder / f"{digest[:32]}.json"
