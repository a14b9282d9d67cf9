"""Other programs take the cores and leave them again, during one run of the real model: threads, metrics,
pages and the request tell it.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psutil
import pytest

from bench.busy import busy_cores
from gateway.engine.threads.cores import usable_cores
from tests.e2e.serving import Served, until

USUAL = usable_cores().count
SOON_S = 60
HEARTBEAT_S = 1.0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway whose engine has the threads that it takes by itself."""
    served = Served(tmp_path_factory.mktemp("usual"))
    try:
        yield served.start()
        assert served.stop() == 0
    finally:
        served.kill()


def gauges(served: Served) -> tuple[float | None, float | None]:
    """The engine's contention and threads on `/metrics`, as of its next heartbeat; None before it was
    measured. Asking all the time would be contention.
    """
    time.sleep(HEARTBEAT_S)
    text = httpx.get(f"{served.base_url}/metrics", timeout=30).text
    contention, threads = (
        re.search(rf"^firsttoken_engine_{name}\{{[^}}]*\}} (\S+)$", text, re.MULTILINE)
        for name in ("contention_ratio", "threads")
    )
    return float(contention[1]) if contention else None, float(threads[1]) if threads else None


def is_calm(served: Served) -> bool:
    contention, threads = gauges(served)
    return contention is not None and contention < 0.1 and threads == USUAL


def page(served: Served, name: str) -> str:
    return httpx.get(f"{served.base_url}/dashboard/{name}", timeout=30).text


@contextmanager
def answering(served: Served) -> Iterator[None]:
    """Somebody asks one thing after the other: only an engine that computes can notice anything."""
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            served.chat("Tell me a story.", max_tokens=64, cache_prompt=False)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        over.set()
        asking.join()


def test_a_model_says_what_decided_its_threads(served: Served) -> None:
    """The number of threads, and the limit that it follows from."""
    model = httpx.get(f"{served.base_url}/v1/models/{served.model}").json()
    assert (model["config"]["threads"], model["threads_limit"]) == (USUAL, usable_cores().limit)


@pytest.mark.skipif(USUAL < 2, reason="one thread has none to give up")
def test_a_busy_machine_is_noticed_told_and_over_again(served: Served) -> None:
    """Fewer threads while every core is kept busy, all of them afterwards; the request that was slowed
    says by what.
    """
    with answering(served):
        until(
            lambda: is_calm(served), SOON_S, "all threads to be in use, and a measurement of what they can do"
        )
        with busy_cores(psutil.cpu_count() or 1):
            until(lambda: (gauges(served)[1] or USUAL) < USUAL, SOON_S, "threads to be given up")
            assert (gauges(served)[0] or 0) > 0.1
            slowed = httpx.post(
                f"{served.base_url}/v1/chat/completions",
                json={
                    "model": served.model,
                    "max_tokens": 32,
                    "messages": [{"role": "user", "content": "Count to ten."}],
                },
                headers={"x-request-id": "slowed"},
                timeout=120,
            )
            assert slowed.status_code == 200
            assert "The machine is busy" in page(served, "health")
            assert "of the time without a core" in page(served, "live")
        seq = served.row("slowed")["seq"]
        delays = served.rows(
            "SELECT cause, total_us FROM request_delays WHERE seq = ? AND cause = 'contention'", seq
        )
        assert [row["total_us"] > 0 for row in delays] == [True]
        assert "other programs" in page(served, "requests/slowed")
        until(lambda: is_calm(served), SOON_S, "all threads to be back")
        until(lambda: "The machine is busy" not in page(served, "health"), SOON_S, "Health to be well")
