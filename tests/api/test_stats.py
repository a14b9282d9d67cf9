"""`GET /api/stats` and `firsttoken stats`: the figures of the rows, whatever they are grouped by."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
from typing import Any

import httpx
import pytest

from telemetry.context_buckets import ContextBuckets
from tests.e2e.serving import MODEL, Served

FIRM = ("0-512", "512-1k")


def stats(served: Served, **params: str) -> httpx.Response:
    return httpx.get(f"{served.base_url}/api/stats", params={"since": "all", **params}, timeout=30)


def cli(served: Served, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway.cli.main", "stats", "--home", str(served.home), *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def asked(served: Served) -> Served:
    """Answers of two context sizes and one refusal, all written to the store."""
    assert served.chat("One, two, three.").status_code == 200
    # an empty answer has no TTFT
    assert served.chat("Tell me a long story of a dog. " * 80).json()["usage"]["completion_tokens"]
    assert served.chat(max_tokens=0).status_code == 400
    last = served.chat("And four?")
    served.row(last.headers["x-request-id"])
    return served


def exact(served: Served, column: str, q: float, **where: Any) -> float | None:
    """The quantile of a column, by nearest rank; None where no request has a value."""
    conditions = "".join(f" AND {name} = ?" for name in where)
    sql = f"SELECT {column} AS value FROM requests WHERE {column} IS NOT NULL{conditions} ORDER BY 1"
    found = [row["value"] for row in served.rows(sql, *where.values())]
    return float(found[max(0, math.ceil(q * len(found)) - 1)]) if found else None


def test_context_rows_are_those_of_the_requests(asked: Served) -> None:
    """Counts are equal, and every percentile is within 1 % of the rows' own."""
    rows = {(row["model"], row["group"]): row for row in stats(asked).json()["rows"]}
    shown = [group for model, group in rows if model == MODEL and group]
    assert shown == [label for label in ContextBuckets().labels if label in shown]
    assert set(FIRM) <= set(shown)
    for bucket in FIRM:
        row = rows[MODEL, bucket]
        where = {"model": MODEL, "context_bucket": bucket}
        stored = asked.rows(
            "SELECT * FROM requests WHERE model = ? AND context_bucket = ? AND status <> 'running'",
            MODEL,
            bucket,
        )
        assert row["requests"] == len(stored)
        assert row["cached_tokens"] == sum(one["cached_tokens"] or 0 for one in stored)
        served = [one for one in stored if one["ttft_ms"] is not None]
        assert row["served_prompt_tokens"] == sum(one["prompt_tokens"] for one in served)
        assert row["cached_share"] == pytest.approx(
            sum(one["cached_tokens"] for one in served) / row["served_prompt_tokens"]
        )
        for measure, column in (
            ("ttft_ms", "ttft_ms"),
            ("queue_ms", "queue_ms"),
            ("output_rate", "decode_tps"),
            ("prompt_rate", "prefill_tps"),
        ):
            for name, q in (("p5", 0.05), ("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
                expected = exact(asked, column, q, **where)
                assert row[measure][name] == (expected and pytest.approx(expected, rel=0.01)), (
                    bucket,
                    measure,
                    name,
                )


def test_groupings_add_up(asked: Served) -> None:
    """By context, by configuration and by day it is the same requests."""
    by = {name: stats(asked, by=name).json()["rows"] for name in ("context", "config", "day")}
    sums = {
        name: [sum(row[column] for row in rows) for column in ("requests", "errors", "prompt_tokens")]
        for name, rows in by.items()
    }
    assert sums["context"] == sums["config"] == sums["day"]
    configured = {
        row["engine_config_id"] for row in asked.rows("SELECT DISTINCT engine_config_id FROM requests")
    } - {None}
    assert {row["group"] for row in by["config"]} - {""} == configured
    assert {row["group"] for row in by["day"]} == {
        row["day"] for row in asked.rows("SELECT DISTINCT date(started_at) AS day FROM requests")
    }


def test_model_and_window(asked: Served) -> None:
    """A model that nobody asked for has no rows, which is no error; a short window is a part of all."""
    assert stats(asked, model="nobody").json()["rows"] == []
    assert all(row["model"] == MODEL for row in stats(asked, model=MODEL, since="15m").json()["rows"])


@pytest.mark.parametrize(
    ("params", "field", "remedy"),
    [
        ({"since": "yesterday"}, "since", "36h"),
        ({"by": "week"}, "by", "context, config, day"),
        ({"format": "xml"}, "format", "json, csv"),
    ],
)
def test_wrong_parameters(asked: Served, params: dict[str, str], field: str, remedy: str) -> None:
    """400 with the field and what it takes."""
    answer = stats(asked, **params)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, field)
    assert remedy in answer.json()["error"]["message"]


def test_csv(asked: Served) -> None:
    """The same rows, one line each; what was not measured is empty."""
    text = stats(asked, format="csv").text
    lines = list(csv.DictReader(io.StringIO(text)))
    rows = stats(asked).json()["rows"]
    assert [line["ttft_ms_p50"] for line in lines] == [
        "" if row["ttft_ms"]["p50"] is None else str(row["ttft_ms"]["p50"]) for row in rows
    ]


def test_the_command_prints_the_same(asked: Served) -> None:
    """The verb reads the same rows from the database, as JSON, CSV and for people."""
    assert json.loads(cli(asked, "--since", "all", "--json").stdout)["rows"] == stats(asked).json()["rows"]
    assert cli(asked, "--since", "all", "--csv").stdout == stats(asked, format="csv").text
    shown = cli(asked, "--since", "all", "--model", MODEL).stdout
    assert all(bucket in shown for bucket in FIRM)


def test_the_command_says_what_is_wrong(asked: Served, tmp_path: Any) -> None:
    """A wrong window is used wrongly (2); a home without a database failed (1)."""
    wrong = cli(asked, "--since", "soon")
    assert (wrong.returncode, "36h" in wrong.stderr) == (2, True)
    missing = subprocess.run(
        [sys.executable, "-m", "gateway.cli.main", "stats", "--home", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (missing.returncode, "serve some requests first" in missing.stderr) == (1, True)
