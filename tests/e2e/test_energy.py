"""Energy of a real gateway: every joule that a fake RAPL tree counts is a request's or idle, on every
surface.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bench.server import Server
from tests.e2e.serving import Served, together, until
from tests.telemetry.rapl_tree import RANGE_UJ, RaplTree, burning

WATTS = 40.0
PER_KWH, PER_INPUT, PER_OUTPUT = 0.25, 1e-6, 4e-6
PRICES = {
    "PRICE_PER_KWH": PER_KWH,
    "PRICE_PER_INPUT_TOKEN": PER_INPUT,
    "PRICE_PER_OUTPUT_TOKEN": PER_OUTPUT,
    "CURRENCY": "EUR",
}
SCRIPT = {"FAKE_PREFILL_MS": "120", "FAKE_STEP_MS": "30"}
REQUESTS = 6


def url(server: Server, path: str) -> str:
    return f"http://{server.host}:{server.port}{path}"


def ask(server: Server, number: int, **changed: Any) -> int:
    body = {
        "model": "fake",
        "messages": [{"role": "user", "content": f"number {number}"}],
        "max_tokens": 12,
        "cache_prompt": False,
        **changed,
    }
    return httpx.post(url(server, "/v1/chat/completions"), json=body, timeout=60).status_code


def rows(home: Path) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(f"file:{home / 'firsttoken.db'}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM requests WHERE status <> 'running'")]


def all_rows(server: Server, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = until(
        lambda: found if len(found := rows(server.home)) == count else None, 20, "the rows"
    )
    return found


def energy(server: Server) -> dict[str, float]:
    """Joules by state, as `/metrics` has them now."""
    families = text_string_to_metric_families(httpx.get(url(server, "/metrics")).text)
    samples = [
        sample
        for family in families
        for sample in family.samples
        if sample.name == "firsttoken_energy_joules_total"
    ]
    return {sample.labels["state"]: sample.value for sample in samples}


@dataclass(frozen=True, slots=True)
class Run:
    """What every surface said after the same requests; `used_j` is what the tree counted before and after
    `/metrics` was read.
    """

    rows: list[dict[str, Any]]
    metrics: dict[str, float]
    used_j: tuple[float, float]
    stats: dict[str, Any]
    request_page: str
    models_page: str


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Requests alone, beside each other and refused, while the counter begins again at 0."""
    tree = RaplTree(tmp_path_factory.mktemp("energy") / "powercap")
    tree.counter().write_text(f"{RANGE_UJ - 20_000_000}\n")
    env = {
        "FIRSTTOKEN_TELEMETRY_RAPL_PATH": str(tree.path),
        "FIRSTTOKEN_TELEMETRY_ENERGY_SOURCES": "rapl",
        **SCRIPT,
    }
    env |= {f"FIRSTTOKEN_COST_{name}": str(value) for name, value in PRICES.items()}
    with Server(fake=True, env=env) as server, burning(tree, WATTS):
        assert [ask(server, 0), ask(server, 0, max_tokens=-1)] == [200, 400]
        assert together(
            *[lambda number=number: ask(server, number) for number in range(1, REQUESTS - 1)]
        ) == [200] * (REQUESTS - 2)
        stored = all_rows(server, REQUESTS)
        until(lambda: int(tree.counter().read_text()) < RANGE_UJ // 2, 20, "the counter to begin again")
        before_j = energy(server)["idle"]
        until(lambda: energy(server)["idle"] > before_j, 20, "one more reading")
        at_least_j = sum(energy(server).values())
        metrics, at_most_j = energy(server), tree.used_uj / 1e6
        yield Run(
            rows=stored,
            metrics=metrics,
            used_j=(at_least_j, at_most_j),
            stats=httpx.get(url(server, "/api/stats?since=15m")).json(),
            request_page=httpx.get(url(server, f"/dashboard/requests/{stored[0]['id']}")).text,
            models_page=httpx.get(url(server, "/dashboard/models")).text,
        )


def test_every_joule_of_the_requests_is_counted_as_active(run: Run) -> None:
    """The rows add up to the metric; with idle time it is what the counter counted, and no more."""
    assert sum(row["energy_j"] for row in run.rows) == pytest.approx(run.metrics["active"])
    assert run.metrics["idle"] > 0
    at_least_j, at_most_j = run.used_j
    assert at_least_j <= sum(run.metrics.values()) <= at_most_j
    assert at_most_j > 20, "the counter began again"


def test_answers_used_energy_and_refusals_none(run: Run) -> None:
    """Each answer has a share, a refusal 0 J."""
    assert sorted(row["energy_j"] > 0 for row in run.rows) == [False, *[True] * (REQUESTS - 1)]
    assert [row["energy_j"] for row in run.rows if row["status"] != "ok"] == [0.0]


def test_a_request_beside_others_used_less_than_alone(run: Run) -> None:
    """Together they share each moment: for as much time, less energy each."""
    per_s = [
        row["energy_j"] / (row["prefill_ms"] + row["decode_ms"]) * 1e3
        for row in run.rows
        if row["status"] == "ok"
    ]
    assert max(per_s[1:]) < per_s[0]


def test_cost_is_energy_and_tokens(run: Run) -> None:
    """By the prices of the settings."""
    for row in run.rows:
        tokens = (
            0
            if row["prefill_ms"] is None
            else row["prompt_tokens"] * PER_INPUT + row["completion_tokens"] * PER_OUTPUT
        )
        assert row["cost"] == pytest.approx(row["energy_j"] / 3.6e6 * PER_KWH + tokens)


def test_every_surface_has_the_same(run: Run) -> None:
    """API and pages show what the rows have."""
    answered = [row for row in run.rows if row["status"] == "ok"]
    energy_j, cost = (sum(row[name] for row in run.rows) for name in ("energy_j", "cost"))
    rows_of_api = run.stats["rows"]
    assert sum(row["energy_j"] for row in rows_of_api) == pytest.approx(energy_j)
    assert sum(row["cost"] for row in rows_of_api) == pytest.approx(cost)
    assert max(row["joules_per_output_token"] or 0 for row in rows_of_api) == pytest.approx(
        sum(row["energy_j"] for row in answered) / sum(row["completion_tokens"] for row in answered)
    )
    assert f"{run.rows[0]['energy_j']:.3g} J" in run.request_page
    assert "from RAPL package-0" in run.request_page
    assert " EUR" in run.request_page
    assert f"of {REQUESTS} of {REQUESTS} requests" in run.models_page


def test_without_a_source_it_is_not_measured_anywhere(launch: Any, tmp_path: Path) -> None:
    """Rows, metrics, API and pages have no figure, and the pages say what was looked for."""
    served: Served = launch(
        "--engine-n-ctx",
        "512",
        "--telemetry-rapl-path",
        str(tmp_path / "gone"),
        "--telemetry-energy-sources",
        "rapl",
    ).start()
    answer = served.chat(max_tokens=4)
    row = served.row(answer.headers["x-request-id"])
    assert (row["status"], row["energy_j"], row["cost"]) == ("ok", None, None)
    assert "firsttoken_energy_joules_total{" not in httpx.get(f"{served.base_url}/metrics").text
    (stats,) = httpx.get(f"{served.base_url}/api/stats?since=15m").json()["rows"]
    assert (stats["energy_j"], stats["joules_per_output_token"], stats["cost"]) == (None, None, None)
    for path in (f"/dashboard/requests/{row['id']}", "/dashboard/models"):
        page = httpx.get(f"{served.base_url}{path}").text
        assert str(tmp_path / "gone") in page
        assert "Energy and cost" not in page
    assert served.stop() == 0
