"""Two sides of the same measurement, round by round, and what their ratio must be."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench import peer
from bench.figures import Figure
from bench.server import PeerServer, Server

N_CTX = 2048
THREADS = psutil.cpu_count(logical=False) or 1

Sides = tuple[list[float], list[float]]
"""A figure of each round, of the left and of the right side."""


@dataclass(frozen=True, slots=True)
class Row:
    """A figure of both sides by round; `right` is empty where there is no other side. `least` and `most`
    bound the median over rounds of left ÷ right, or of left alone.
    """

    name: str
    unit: str
    left: list[float]
    right: list[float] = field(default_factory=list)
    least: float | None = None
    most: float | None = None

    @property
    def ratio(self) -> float | None:
        """Median over rounds: each round's two sides ran right after each other."""
        if not self.right:
            return None
        return statistics.median(
            left / right if right else float("inf") for left, right in zip(self.left, self.right, strict=True)
        )

    @property
    def judged(self) -> float:
        """What the bounds are about."""
        return statistics.median(self.left) if self.ratio is None else self.ratio

    @property
    def bound(self) -> str:
        """The promise as text; empty without one."""
        least = "" if self.least is None else f"at least {self.least:.3g}"
        most = "" if self.most is None else f"at most {self.most:.3g}"
        return " and ".join(filter(None, (least, most)))

    @property
    def holds(self) -> bool:
        """Whether the bounds are met."""
        return (self.least is None or self.judged >= self.least) and (
            self.most is None or self.judged <= self.most
        )

    @property
    def figure(self) -> Figure:
        """The line of the table."""
        right = statistics.median(self.right) if self.right else None
        name = f"{self.name} ({self.bound})" if self.bound else self.name
        return Figure(name, (statistics.median(self.left), right, self.ratio), self.unit)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a scenario found; `not_measured` says why it found nothing."""

    name: str
    about: str
    rows: list[Row] = field(default_factory=list)
    sides: tuple[str, str] = ("ours", "peer")
    not_measured: str = ""

    @property
    def title(self) -> str:
        return f"{self.name}: {self.about}" + (
            f" - not measured: {self.not_measured}" if self.not_measured else ""
        )

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.sides, "ratio")

    @property
    def figures(self) -> list[Figure]:
        return [row.figure for row in self.rows]

    @property
    def failure(self) -> str:
        missed = [
            f"{row.name} is {row.judged:.3g}, must be {row.bound}" for row in self.rows if not row.holds
        ]
        return f"{self.name}: {'; '.join(missed)}" if missed else ""


def ours(slots: int, *flags: str, home: Path | None = None, env: dict[str, str] | None = None) -> Server:
    """A gateway with the demo model, set like the peer."""
    common = ("--engine-slots", str(slots), "--engine-n-ctx", str(N_CTX), "--engine-threads", str(THREADS))
    return Server(flags=(*common, *flags), home=home, env=env)


@contextmanager
def both(slots: int) -> Iterator[tuple[Server, Server]]:
    """The gateway and the peer, each with `slots` sequences of `N_CTX` tokens and the same threads."""
    with ExitStack() as stack:
        yield (
            stack.enter_context(ours(slots)),
            stack.enter_context(PeerServer(slots=slots, n_ctx=N_CTX, threads=THREADS)),
        )


def missing_peer(name: str, about: str) -> Comparison | None:
    """The result of a scenario whose peer is not there."""
    return (
        None
        if peer.installed()
        else Comparison(name, about, not_measured=f"install {peer.PACKAGE} (the extra `bench`)")
    )


def rounds(
    servers: tuple[Server, Server], count: int, measure: Callable[[Server, str], dict[str, float]]
) -> dict[str, Sides]:
    """Measure both sides `count` times, after a first time that is left out; who goes first changes. The salt
    is alike for both sides of a round and unlike all other rounds.
    """
    found: dict[str, Sides] = {}
    for number in range(-1, count):
        sides = list(enumerate(servers))
        for side, server in sides if number % 2 else reversed(sides):
            print(f"  round {number + 1} of {count}: {server.name}", file=sys.stderr, flush=True)
            for name, value in measure(server, f"round-{number}").items():
                if number >= 0:
                    found.setdefault(name, ([], []))[side].append(value)
    return found
