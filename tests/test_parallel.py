"""Tests are divided among workers: each runs once, a file in one worker, and what must be alone is."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from tests import parallel
from tests.contracts.sources import ROOT

FILES = [f"tests/engine/test_{name}.py" for name in ("text", "packer", "seeds", "real_stress")]
EXCLUSIVE = list(parallel.ALONE)[:2]


class Node:
    """A worker as the scheduler sees it: it begins a test when it knows the next one, or that there is
    none.
    """

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.shutting_down = False
        self.given: list[int] = []
        self.done = 0

    def send_runtest_some(self, indices: list[int]) -> None:
        assert not self.shutting_down
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True

    @property
    def may_go_on(self) -> bool:
        return self.done < len(self.given) - (0 if self.shutting_down else 1)

    @property
    def has_ended(self) -> bool:
        return self.shutting_down and self.done == len(self.given)


def scheduler_of(nodes: list[Node], tests: list[str]) -> Any:
    config: Any = SimpleNamespace(
        option=SimpleNamespace(loadscopereorder=True), getvalue=lambda _: [f"{len(nodes)}*popen"]
    )
    scheduler: Any = parallel.Scheduler(config)
    for node in nodes:
        scheduler.add_node(node)
        scheduler.add_node_collection(node, tests)
    scheduler.schedule()
    return scheduler


def end_what_is_done(scheduler: Any, nodes: list[Node]) -> list[Node]:
    """Those that are left, after what pytest-xdist does after each event."""
    for node in nodes:
        if node.has_ended and node in scheduler.nodes:
            scheduler.remove_node(node)
    if scheduler.tests_finished:
        for node in nodes:
            node.shutdown()
    return [node for node in nodes if not node.has_ended]


@pytest.mark.parametrize(
    "files", [[*FILES, *EXCLUSIVE], FILES, EXCLUSIVE, [FILES[0], EXCLUSIVE[0]], [FILES[0]], EXCLUSIVE[:1]]
)
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_test_runs_once_and_alone_where_it_must(files: list[str], workers: int) -> None:
    """However fast each worker is."""
    draw = random.Random(len(files) * workers)
    for _ in range(20):
        tests = [f"{file}::test_{number}" for file in files for number in range(draw.randrange(1, 6))]
        nodes = [Node(f"gw{number}") for number in range(workers)]
        scheduler, ran = scheduler_of(nodes, tests), []
        while alive := end_what_is_done(scheduler, nodes):
            node = draw.choice([node for node in alive if node.may_go_on])
            test = tests[node.given[node.done]]
            assert not parallel.is_alone(test) or alive == [node]
            ran.append((test, node))
            node.done += 1
            scheduler.mark_test_complete(node, node.given[node.done - 1])
        assert sorted(test for test, _ in ran) == sorted(tests)
        assert len({(parallel.piece(test), node) for test, node in ran}) == len(
            {parallel.piece(test) for test in tests}
        )


@pytest.mark.parametrize("place", [*parallel.ALONE, *parallel.LONGEST])
def test_places_exist(place: str) -> None:
    """A file that was renamed would run beside others without a word."""
    assert (ROOT / place).exists()
