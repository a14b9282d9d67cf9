"""A real Prometheus that scraped a real run of the gateway, with everything happening that panels show."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from bench.prompts import edit
from tests.e2e.otlp_receiver import OtlpReceiver
from tests.e2e.prometheus import prometheus, query
from tests.e2e.serving import MODEL, Served, together, until
from tests.grafana.bundle import FOLDER, RECORDING
from tests.telemetry.rapl_tree import RaplTree, burning

SCRAPES_S = 2.5
"""Long enough for two scrapes, a heartbeat and an export."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One run, seen from both sides: the URL of the Prometheus that scraped it, and what came over OTLP."""

    url: str
    receiver: OtlpReceiver


@pytest.fixture(scope="session")
def scraped(observed: Observed) -> str:
    """The URL of the Prometheus."""
    return observed.url


@pytest.fixture(scope="session")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    """A run with everything happening that panels show. The same traffic runs twice, since a rate needs
    two different samples.
    """
    with OtlpReceiver() as receiver:
        env = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
            "FIRSTTOKEN_ENGINE_THREADS": "2",
        }
        tree = RaplTree(tmp_path_factory.mktemp("rapl") / "powercap")
        flags = (
            "--engine-n-ctx",
            "1024",
            "--engine-slots",
            "2",
            "--server-max-queue",
            "2",
            "--slo-check-every-s",
            "1",
        )
        served = Served(
            tmp_path_factory.mktemp("observed"), *flags, "--telemetry-rapl-path", str(tree.path), env=env
        ).start()
        try:
            with (
                burning(tree),
                prometheus(
                    tmp_path_factory.mktemp("prometheus"),
                    served.port,
                    recording(tmp_path_factory.mktemp("rules")),
                ) as url,
            ):
                until(lambda: [row for row in query(url, "up") if row["value"][1] == "1"], 30, "a scrape")
                for _ in range(2):
                    traffic(served)
                    time.sleep(SCRAPES_S)
                restart_engine(served)
                time.sleep(SCRAPES_S)
                yield Observed(url, receiver)
        finally:
            served.stop()


def recording(folder: Path) -> Path:
    """The recording rules, evaluated every second."""
    content = yaml.safe_load((FOLDER / "alerting" / RECORDING).read_text(encoding="utf-8"))
    for group in content["groups"]:
        group["interval"] = "1s"
    file = folder / "recording.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file


def traffic(served: Served) -> None:
    """Answers of two context sizes, one that repeats its prompt (so that drafting pays), a wrong request,
    one with a field that is not obeyed, one whose client leaves, one whose system prompt changed, and more
    than the queue takes.
    """
    served.chat(max_tokens=8)
    served.chat("Tell me about the number seven. " * 80, max_tokens=8)
    served.chat(edit("one change"), max_tokens=200)
    served.chat(model="nobody")
    changed_system(served)
    served.chat(max_tokens=2, keep_alive=1)
    with served.stream(max_tokens=200) as response:
        next(response.iter_lines())
    statuses = [
        answer.status_code for answer in together(*[lambda: served.chat("Count to ten.", max_tokens=24)] * 8)
    ]
    assert {200, 429} == set(statuses)
    httpx.get(f"{served.base_url}/dashboard")


def changed_system(served: Served) -> None:
    """The same question under two system prompts: the second is computed again, though most of it was
    there.
    """
    for system in ("You are brief. " * 8, "You are kind. " * 8):
        messages = [
            {"role": "system", "content": system},
            {"role": "user", "content": "Count to three. " * 20},
        ]
        httpx.post(
            f"{served.base_url}/v1/chat/completions",
            json={"model": MODEL, "messages": messages, "max_tokens": 4},
            timeout=60,
        )


def restart_engine(served: Served) -> None:
    """Kill the engine while it answers: the request fails, and the engine is started again."""
    with contextlib.suppress(httpx.HTTPError), served.stream(max_tokens=200) as response:
        lines = response.iter_lines()
        next(lines)
        os.kill(served.engine_pid(), signal.SIGKILL)
        list(lines)
    until(served.ready, 60, f"{MODEL} to come back")
    until(lambda: computes_enough(served), 60, "a new engine to know how much it had to wait for cores")


def computes_enough(served: Served) -> bool:
    """After another answer: whether the engine has measured what a busy machine costs it."""
    served.chat("Tell me a long story about a fox.", max_tokens=100)
    return "firsttoken_engine_contention_ratio{" in httpx.get(f"{served.base_url}/metrics").text
