"""Disk tiers that give back what they hold when a test ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine.cache.caches import Disk


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[Callable[..., Disk]]:
    """Makes an engine's disk tier in the test's folder, as often as called: each is another engine."""
    made: list[Disk] = []

    def make(*given: object, **more: object) -> Disk:
        made.append(Disk(tmp_path, *given, **more))  # type: ignore[arg-type]  # passed on as they are
        return made[-1]

    yield make
    for one in made:
        one.thread.close()
