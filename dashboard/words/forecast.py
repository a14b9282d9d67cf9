"""The time when a conversation's context will be full, from how it grew."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MIN_STEPS = 2
"""Steps of growth from one turn to the next before anything is forecast."""

MAX_STEPS = 10
"""Steps that count, the latest: how a chat began says little about how it goes on."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """`tokens_per_turn` on average over the last `steps`; `n_ctx` is full in about `turns_left` turns."""

    n_ctx: int
    used: int
    tokens_per_turn: float
    steps: int
    turns_left: int


def forecast(used: Sequence[int | None], n_ctx: int | None) -> Forecast | None:
    """The forecast from the tokens in the context after each turn (None: not measured) and the room for them.

    A turn with fewer tokens than the one before begins anew: the history was cut or edited. None where too
    few turns grew.
    """
    if n_ctx is None:
        return None
    growing: list[int] = []
    for tokens in used:
        if tokens is None:
            continue
        if growing and tokens <= growing[-1]:
            growing = []
        growing.append(tokens)
    growing = growing[-MAX_STEPS - 1 :]
    steps = len(growing) - 1
    if steps < MIN_STEPS:
        return None
    per_turn = (growing[-1] - growing[0]) / steps
    return Forecast(n_ctx, growing[-1], per_turn, steps, max(0, math.floor((n_ctx - growing[-1]) / per_turn)))
