"""Every figure that two places show is the same number there, of a run in which requests end in every way."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from dashboard.words import explain, formats
from telemetry.semconv import SERVER_FAILURES
from tests.e2e import pages
from tests.e2e.measures import BURNS, CARDS, COLUMNS, METRICS, RATES, TIMES, shown, sorted_like
from tests.e2e.mixed_run import HELD, SLOTS, WAITED, Surfaces, mixed_run, total


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surfaces]:
    """One run for all tests."""
    with mixed_run(tmp_path_factory.mktemp("mixed")) as found:
        yield found


def test_the_run_has_every_kind(said: Surfaces) -> None:
    """Else what follows compares nothing."""
    kinds = Counter((row["status"], row["error_type"]) for row in said.rows)
    assert kinds["ok", None] >= 10
    assert kinds["cancelled", "client_disconnect"] == 1 + SLOTS
    refused = {"engine_unavailable", "queue_full", "context_length_exceeded", "model_not_found"}
    assert {kind for _, kind in kinds} >= refused
    assert any(row["stream"] and row["status"] == "ok" for row in said.rows)
    assert {row["cause"] for row in said.delays} >= {"slots"}


def test_requests_and_how_they_ended(said: Surfaces) -> None:
    """Rows, reports, cards, tables and counters count the same requests, errors and departures."""
    requests, errors, cancelled = (
        len(said.rows),
        *(sum(row["status"] == s for row in said.rows) for s in ("error", "cancelled")),
    )
    for name, rows in {**said.stats, **{f"cli {by}": rows for by, rows in said.cli.items()}}.items():
        assert [sum(row[column] for row in rows) for column in ("requests", "errors", "cancelled")] == [
            requests,
            errors,
            cancelled,
        ], name
    card = pages.cards(said.pages["overview"])["Requests"]
    assert (card["big"], *re.findall(r"(\d+) (?:errors|cancelled)", card["hint"])) == (
        str(requests),
        str(errors),
        str(cancelled),
    )
    assert f"Of {requests} requests that ended" in pages.plain(said.pages["latency"])
    duration = "gen_ai_server_request_duration_seconds_count"
    assert said.metric(duration) == requests
    assert said.metric(duration, error_type="client_disconnect") == cancelled
    assert said.metric(duration, error_type="") == requests - errors - cancelled
    refused = sum(row["error_type"] == "queue_full" for row in said.rows)
    assert said.metric("firsttoken_requests_rejected_total", reason="queue_full") == refused == 1
    uncounted = sum(row["context_bucket"] is None for row in said.rows)
    by_size = pages.rows(pages.part(said.pages["models"], "Speed by prompt size", "<h3>"))
    assert sum(int(cells[1]) for cells in by_size) == requests - uncounted


def test_tokens(said: Surfaces) -> None:
    """In, cached and out are sums over all requests, refused ones included, and cards, reports and
    counters say the same.
    """
    sums = [said.sum(column) for column in ("prompt_tokens", "cached_tokens", "completion_tokens")]
    for name, rows in said.stats.items():
        assert [
            sum(row[c] for row in rows) for c in ("prompt_tokens", "cached_tokens", "completion_tokens")
        ] == sums, name
    card = pages.cards(said.pages["overview"])["Tokens"]
    assert [card[term] for term in ("in", "cached", "out")] == [formats.count(tokens) for tokens in sums]
    kinds = ("input", "cache_read_input", "output")
    usage = [f"gen_ai_client_inference_usage_{kind}_tokens_total" for kind in kinds]
    assert [said.metric(name) for name in usage] == sums


def test_one_cached_share(said: Surfaces) -> None:
    """Of the prompt tokens of requests that got their first token, by every page, report and counter, and
    named so.
    """
    served = [row for row in said.rows if row["ttft_ms"] is not None and row["cached_tokens"] is not None]
    cached, tokens = (sum(row[column] for row in served) for column in ("cached_tokens", "prompt_tokens"))
    assert 0 < cached < tokens < said.sum("prompt_tokens")
    share = formats.percent(cached, tokens)
    card = pages.cards(said.pages["cache"])["From the cache"]
    assert card["big"] == share
    assert card["hint"].startswith(
        f"{explain.CACHED_SHARE}: {formats.count(cached)} of {formats.count(tokens)}, in "
    )
    assert f"{share} {explain.CACHED_SHARE}" in pages.cards(said.pages["overview"])["Tokens"]["hint"]
    for name, rows in said.stats.items():
        assert sum(row["served_prompt_tokens"] for row in rows) == tokens, name
        assert sum((row["cached_share"] or 0) * row["served_prompt_tokens"] for row in rows) == pytest.approx(
            cached
        ), name
    assert (
        said.metric("firsttoken_prefix_cache_hits_total")
        == said.metric("firsttoken_engine_tokens_total", phase="cached")
        == cached
    )
    assert said.metric("firsttoken_prefix_cache_queries_total") == tokens
    chat = [row for row in served if row["conversation_id"] == "chat"]
    (listed,) = pages.rows(said.pages["conversations"])
    assert (
        formats.percent(*(sum(row[column] for row in chat) for column in ("cached_tokens", "prompt_tokens")))
        in listed
    )


def test_reasons(said: Surfaces) -> None:
    """The ledger's tokens are those of the rows and of the counters, reason by reason; what was never
    decided has none.
    """
    of_reason: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in said.rows:
        if row["cache_reason"]:
            of_reason[row["cache_reason"]].append(row)
    ledger = {
        cells[0].split()[0]: cells
        for cells in pages.rows(pages.part(said.pages["cache"], 'id="ledger"', "</section>"))
    }
    assert ledger.keys() == of_reason.keys() >= {"new_conversation", "appended"}
    for reason, rows in of_reason.items():
        cached = sum(row["cached_tokens"] for row in rows if row["ttft_ms"] is not None)
        looked_up = sum(row["prompt_tokens"] for row in rows if row["ttft_ms"] is not None)
        assert ledger[reason][1:4] == [formats.count(n) for n in (len(rows), cached, looked_up - cached)], (
            reason
        )
        assert said.metric("firsttoken_prefix_cache_hits_total", reason=reason) == cached
        assert said.metric("firsttoken_prefix_cache_queries_total", reason=reason) == looked_up
    left = next(row for row in said.rows if row["id"] == "leaves")
    assert (left["cache_reason"], left["cached_tokens"], left["status"]) == (None, None, "cancelled")


def test_reports_are_one(said: Surfaces) -> None:
    """The API, the verb and both CSVs give the same rows, column by column."""
    assert said.cli == said.stats
    assert said.cli_csv == said.csv
    for row, line in zip(said.stats["context"], said.csv, strict=True):
        flat = {
            name: value
            for key, found in row.items()
            for name, value in (
                {f"{key}_{part}": number for part, number in found.items()}
                if isinstance(found, dict)
                else {key: found}
            ).items()
        }
        assert {name: "" if value is None else str(value) for name, value in flat.items()} == line


def test_percentiles(said: Surfaces) -> None:
    """Cards and tables show the reports' percentiles, and of a rate its slow side; counters have seen as
    many values.
    """
    overview, latency = (pages.cards(said.pages[name]) for name in ("overview", "latency"))
    for card, (_, names) in CARDS.items():
        assert {name: overview[card][name] for name in names} == {name: latency[card][name] for name in names}
        assert [term for term in overview[card] if re.fullmatch(r"p\d+", term)] == list(names)
    table = pages.rows(pages.part(said.pages["latency"], 'class="latency"', "</table>"))
    for cells, row in zip(table, said.stats["context"], strict=True):
        expected = [
            [shown(name, row[name][p]) for p in part] if row[name]["count"] else ["not measured"]
            for name, part in COLUMNS.items()
        ]
        assert cells[-sum(map(len, expected)) :] == [value for part in expected for value in part]
    (config,) = [row for row in said.stats["config"] if row["group"]]
    (listed,) = pages.rows(pages.part(said.pages["models"], 'id="configurations"', "</section>"))
    assert listed[-2:] == [
        shown("ttft_ms", config["ttft_ms"]["p50"]),
        shown("output_rate", config["output_rate"]["p50"]),
    ]
    for name, metric in METRICS.items():
        assert said.metric(f"{metric}_count") == sum(row[name]["count"] for row in said.stats["context"]), (
            name
        )


def test_speed_by_size_on_the_models_page(said: Surfaces) -> None:
    """The same percentiles as the report by context."""
    of_size = {row["group"]: row for row in said.stats["context"] if row["model"] == "fake" and row["group"]}
    table = pages.rows(pages.part(said.pages["models"], "Speed by prompt size", "<h3>"))
    assert [cells[0] for cells in table] == list(of_size)
    for cells in table:
        row = of_size[cells[0]]
        ttft, rate = (
            [shown(name, row[name][p]) for p in names]
            for name, names in (("ttft_ms", TIMES), ("output_rate", RATES))
        )
        assert cells[2:] == [*ttft, *rate]


def test_objectives(said: Surfaces) -> None:
    """`/api/slo`, the Overview, Health and `/metrics` say the same of one moment, and it is what happened."""
    failed = sum(row["error_type"] in SERVER_FAILURES for row in said.rows)
    late = [row["ttft_ms"] > 30 for row in said.rows if row["ttft_ms"] is not None]
    assert said.slo["availability"]["achieved"] == pytest.approx(
        1 - failed / (failed + sum(row["status"] == "ok" for row in said.rows))
    )
    assert said.slo["ttft"]["achieved"] == pytest.approx(1 - sum(late) / len(late), abs=0.1)
    assert said.slo["inter_token"]["achieved"] < 0.1
    rows = pages.rows(pages.part(said.pages["overview"], 'id="objectives"', "</section>"))
    health = pages.cards(said.pages["health"])
    parts = {name: facts for name, facts in health.items() if name.startswith("Objective: ")}
    for (name, found), cells, (_, facts) in zip(
        said.slo.items(), rows, sorted_like(parts, rows), strict=True
    ):
        burns = found["burn_rates"]
        assert (
            burns["60m"]
            == burns["360m"]
            == pytest.approx((1 - found["achieved"]) / (1 - found["target_share"]))
        ), name
        assert found["budget_left"] == pytest.approx(1 - burns["360m"], abs=1e-8), "of the same moment"
        calm = "used_up" if found["budget_left"] <= 0 else "ok"
        assert found["state"] == (
            "fast_burn" if burns["5m"] > 14.4 else "slow_burn" if burns["5m"] > 6 else calm
        )
        state = found["state"].replace("_", " ")
        rates = [
            f"{formats.times(burns[long])} now {formats.times(burns[short])}"
            for long, short in (("60m", "5m"), ("360m", "30m"))
        ]
        achieved, left = formats.share(found["achieved"]), formats.budget(found["budget_left"])
        assert cells[1:] == [state, achieved, left, *rates]
        assert (facts["achieved"], facts["budget left"]) == (cells[2], cells[3])
        assert facts["burn rate, 1 h and its last 5 min"].replace(",", "") == rates[0]
        assert said.metric("firsttoken_slo_budget_left_ratio", objective=name) + said.metric(
            "firsttoken_slo_budget_left", objective=name
        ) == pytest.approx(found["budget_left"])
        for window, label in BURNS.items():
            assert said.metric("firsttoken_slo_burn_rate", objective=name, window=label) == pytest.approx(
                burns[window]
            )


def test_engine_and_store(said: Surfaces) -> None:
    """Whether it is ready, how often it was started again, and how the store does: `/readyz`, pages,
    counters and `doctor`.
    """
    (model,) = said.ready["models"]
    states = (said.ready["status"], model["state"], model["restarts"], said.ready["store"])
    assert states == ("ready", "ready", 1, "ok")
    health = pages.cards(said.pages["health"])
    assert health["Engine fake"]["restarts"] == "1"
    assert re.search(r"\b1 restart\b", pages.plain(said.pages["models"]))
    assert re.search(r"restarts 1\b", pages.plain(said.pages["live"]))
    assert said.metric("firsttoken_model_loads_total", state="ready") == 1 + model["restarts"]
    assert "It writes what happens." in said.pages["health"]
    assert "answers 200" in said.pages["health"]
    assert said.doctor["database"] == said.doctor["model"] == "ok"
    assert said.metric("firsttoken_store_dropped_total") == 0
    assert health["Store"]["dropped"] == "0"


def test_the_moment_of_a_crowd(said: Surfaces) -> None:
    """Who runs and who waits, while they do: Overview, Live, Requests, Health and the gauges."""
    for name in ("overview", "live"):
        assert re.search(rf"Running now {SLOTS + 1}\b", pages.plain(said.moment[name])), name
    assert [f">{name}<" in said.moment["requests"] for name in (f"{HELD}-0", f"{HELD}-1", WAITED)] == [
        True
    ] * 3
    assert pages.cards(said.moment["health"])["Queue"]["waiting"] == "1"
    assert re.search(r"queue 1\b", pages.plain(said.moment["live"]))
    assert total(said.moment_samples, "firsttoken_engine_slots") == SLOTS


def test_one_request(said: Surfaces) -> None:
    """The page of each request shows its row; what it lost to others is in the database, on its page and
    in the counter.
    """
    for row in said.rows:
        text = pages.plain(said.pages[row["id"]])
        assert (
            "stalls waits longer than four medians, or than the objective for gaps between tokens"
            f" {formats.count(row['stalls'])}" in text
        )
        assert f"hit {formats.percent(row['cached_tokens'], row['prompt_tokens'])}" in text
        assert explain.cached(row["cached_tokens"], row["prompt_tokens"]) in text
        if row["status"] == "ok" and row["completion_tokens"] > 1:
            assert row["stalls"] == row["completion_tokens"] - 1, "each gap is longer than the objective"
    lost = sum(row["total_us"] for row in said.delays) / 1e6
    assert said.metric("firsttoken_delay_time_seconds_total") == pytest.approx(lost, abs=1e-3)
    waited = next(row for row in said.rows if row["id"] == WAITED)
    (words,) = re.findall(r"Lost to others: (.*?) of (.*?)\.(?= \d)", pages.plain(said.pages[WAITED]))
    assert words == (formats.milliseconds(waited["queue_ms"]), formats.milliseconds(waited["total_ms"]))


def test_nothing_is_json_that_is_no_json(said: Surfaces) -> None:
    """What is not measured is null."""
    assert "NaN" not in json.dumps([said.stats, said.slo])
