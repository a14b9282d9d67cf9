"""A run of every kind of request (answered, streamed, refused, cancelled, delayed, failed), and what every
surface said of it afterwards.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from gateway.cli.main import main
from tests.e2e import pages
from tests.e2e.serving import FakeServed, frames, until

SLOTS = 2
BUCKETS = "64,256"
SCRIPT = {"FAKE_STEP_MS": "15", "FAKE_PREFILL_MS": "20"}
FLAGS = (
    *(
        "--engine-slots",
        str(SLOTS),
        "--server-max-queue",
        "1",
        "--engine-n-ctx",
        "8192",
        "--telemetry-context-buckets",
        BUCKETS,
    ),
    *(
        "--slo-check-every-s",
        "0.5",
        "--slo-ttft-ms",
        "30",
        "--slo-ttft-share",
        "0.9",
        "--slo-inter-token-ms",
        "10",
    ),
)
"""The first token of a waiting request and each gap are later than these objectives."""

INVALID: tuple[dict[str, Any], ...] = ({"model": "nope"}, {"temperature": 9}, {"text": "too long " * 1000})
LONG = 6000
"""Tokens of an answer that lasts until it is stopped, however slow the machine is."""

HELD, WAITED = "held", "waited"

PAGES = {"overview": "", "latency": "/latency", "cache": "/cache", "models": "/models"}
"""Pages of a window, by name."""


@dataclass(frozen=True, slots=True)
class Surfaces:
    """What each said of the run once it was over; `moment` holds pages and metrics while requests ran and
    waited.
    """

    rows: list[dict[str, Any]]
    delays: list[dict[str, Any]]
    stats: dict[str, list[dict[str, Any]]]
    """`/api/stats` by grouping."""
    cli: dict[str, list[dict[str, Any]]]
    """`firsttoken stats --json` by grouping."""
    csv: list[dict[str, str]]
    cli_csv: list[dict[str, str]]
    slo: dict[str, dict[str, Any]]
    ready: dict[str, Any]
    doctor: dict[str, str]
    pages: dict[str, str]
    samples: list[Sample]
    moment: dict[str, str]
    moment_samples: list[Sample]

    def metric(self, name: str, **labels: str) -> float:
        """The sum of all series of a metric that have these labels."""
        return total(self.samples, name, **labels)

    def sum(self, column: str, **where: Any) -> int:
        """Of the rows that have these values."""
        return sum(row[column] or 0 for row in self.rows if where.items() <= row.items())


def total(samples: list[Sample], name: str, **labels: str) -> float:
    """The sum of all series of a metric that have these labels."""
    return sum(
        sample.value for sample in samples if sample.name == name and labels.items() <= sample.labels.items()
    )


def run(served: FakeServed) -> Surfaces:
    """The whole load on a started gateway, then every surface."""
    for number in range(6):
        assert served.chat("x" * (20 + 50 * number), max_tokens=4 + number).status_code == 200
    _conversation(served)
    with served.stream("a stream", max_tokens=10) as response:
        list(frames(response))
    for change in INVALID:
        assert served.chat(**({"max_tokens": 4} | change)).status_code in (400, 404)
    moment, moment_samples = _crowd(served)
    _failure(served)
    until(lambda: not served.rows("SELECT 1 FROM requests WHERE status = 'running'"), 20, "all rows")
    return _surfaces(served, moment, moment_samples)


def _conversation(served: FakeServed) -> None:
    messages = [{"role": "user", "content": "How do you do? " * 4}]
    for _ in range(3):
        answer = served.chat(messages=messages, max_tokens=6, metadata={"conversation_id": "chat"})
        assert answer.status_code == 200
        messages = [
            *messages,
            answer.json()["choices"][0]["message"],
            {"role": "user", "content": "And then? " * 3},
        ]


def _crowd(served: FakeServed) -> tuple[dict[str, str], list[Sample]]:
    """Two streams hold the slots; one request gives up in the queue, one waits there, one more is refused;
    a holder is cancelled.
    """
    with contextlib.ExitStack() as stack:
        streams = []  # kept: one that nobody has any more is closed
        for number in range(SLOTS):
            response = stack.enter_context(
                served.stream(f"stream {number}", request_id=f"{HELD}-{number}", max_tokens=LONG)
            )
            streams.append(frames(response))
            next(streams[-1])
        with contextlib.suppress(httpx.ReadTimeout):
            _post(served, "leaves", timeout=0.3)
        until(
            lambda: served.rows("SELECT 1 FROM requests WHERE id = 'leaves' AND status = 'cancelled'"),
            10,
            "it to leave",
        )
        waiting = threading.Thread(target=_post, args=(served, WAITED))
        waiting.start()
        found = until(lambda: _moment(served), 20, "the engine to tell of the one that waits")
        assert served.chat("one too many", max_tokens=4).status_code == 429
    waiting.join(60)
    return found


def _post(served: FakeServed, request_id: str, timeout: float = 60) -> None:
    body = {
        "model": served.model,
        "max_tokens": 5,
        "messages": [{"role": "user", "content": "Is it my turn?"}],
    }
    httpx.post(
        f"{served.base_url}/v1/chat/completions",
        json=body,
        headers={"x-request-id": request_id},
        timeout=timeout,
    )


def _moment(served: FakeServed) -> tuple[dict[str, str], list[Sample]] | None:
    """What is told of the present, once the engine has told of it; None before."""
    samples = metrics(served)
    if (
        total(samples, "firsttoken_queue_depth") != 1
        or total(samples, "firsttoken_engine_slots", state="decode") != SLOTS
    ):
        return None
    paths = {"overview": "", "live": "/live", "health": "/health", "requests": "/requests"}
    return {name: pages.page(served, path) for name, path in paths.items()}, samples


def _failure(served: FakeServed) -> None:
    """The engine dies in the middle of an answer, and comes back."""
    with served.stream("it ends early", max_tokens=LONG) as response:
        stream = frames(response)
        next(stream)
        os.kill(served.engine_pid(), signal.SIGKILL)
        list(stream)
    until(served.ready, 60, "the engine to come back")
    assert served.chat("Hello again!", max_tokens=8).status_code == 200


def metrics(served: FakeServed) -> list[Sample]:
    """`/metrics` now."""
    text = httpx.get(f"{served.base_url}/metrics").text
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def _surfaces(served: FakeServed, moment: dict[str, str], moment_samples: list[Sample]) -> Surfaces:
    stored = served.rows()
    failed = sum(row["error_type"] in ("engine_unavailable", "queue_full") for row in stored)
    answered = failed + sum(row["status"] == "ok" for row in stored)
    slo = until(lambda: _slo(served, 1 - failed / answered), 20, "the objectives to be looked at again")
    shown = {name: pages.page(served, path, window="all") for name, path in PAGES.items()}
    shown |= {"health": pages.page(served, "/health"), "live": pages.page(served, "/live")}
    shown |= {row["id"]: pages.page(served, f"/requests/{row['id']}") for row in stored}
    shown["conversations"] = pages.page(served, "/conversations")
    by = ("context", "config", "day")
    return Surfaces(
        rows=stored,
        delays=served.rows("SELECT * FROM request_delays"),
        stats={
            one: httpx.get(f"{served.base_url}/api/stats?since=all&by={one}").json()["rows"] for one in by
        },
        cli={
            one: json.loads(_firsttoken(served, "stats", "--since", "all", "--by", one, "--json"))["rows"]
            for one in by
        },
        csv=_csv(httpx.get(f"{served.base_url}/api/stats?since=all&format=csv").text),
        cli_csv=_csv(_firsttoken(served, "stats", "--since", "all", "--csv")),
        slo=slo,
        ready=httpx.get(f"{served.base_url}/readyz").json(),
        doctor={
            check["name"]: check["outcome"]
            for check in json.loads(_firsttoken(served, "doctor", "--json"))["checks"]
        },
        pages=shown,
        samples=metrics(served),
        moment=moment,
        moment_samples=moment_samples,
    )


def _slo(served: FakeServed, availability: float) -> dict[str, dict[str, Any]] | None:
    """The objectives, once they know of the whole run."""
    found = {one["objective"]: one for one in httpx.get(f"{served.base_url}/api/slo").json()["objectives"]}
    achieved = found["availability"]["achieved"]
    return found if achieved is not None and abs(achieved - availability) < 1e-9 else None


def _csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def _firsttoken(served: FakeServed, *words: str) -> str:
    """What a verb with the gateway's settings prints; the exit code is `doctor`'s opinion of the port,
    which the gateway has.
    """
    given = (
        "--home",
        str(served.home),
        "--engine-models",
        str(served.home / "fake.gguf"),
        "--telemetry-context-buckets",
        BUCKETS,
    )
    with contextlib.redirect_stdout(io.StringIO()) as out:
        main([*words, *given])
    return out.getvalue()


@contextlib.contextmanager
def mixed_run(home: Any) -> Iterator[Surfaces]:
    """Start a gateway with the fake engine, run, and end it."""
    served = FakeServed(home, *FLAGS, env=SCRIPT)
    try:
        found = run(served.start())
        assert served.stop() == 0
        yield found
    finally:
        served.kill()
