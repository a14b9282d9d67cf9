"""Engines with work divide the cores; one that works alone has all of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.serving.local.core_shares import CoreShares


@dataclass
class _Engine:
    model: str
    in_flight: int = 0
    told: list[tuple[int, int]] = field(default_factory=list)

    def share(self, part: int, parts: int) -> None:
        self.told.append((part, parts))


def test_only_changes_are_told() -> None:
    """A second engine that begins halves the cores of the first; the last one that works has them back."""
    engines = one, two, three = [_Engine(name) for name in ("one", "two", "three")]
    shares = CoreShares(engines)
    one.in_flight = 3
    shares.changed()
    one.in_flight = 2
    shares.changed()
    assert one.told == [(0, 1)]
    three.in_flight = 1
    shares.changed()
    assert (one.told[-1], three.told) == ((0, 2), [(1, 2)])
    one.in_flight = 0
    shares.changed()
    assert three.told[-1] == (0, 1)
    assert two.told == []
