"""How requests are counted, in both backends: from zero, by how they ended, and by the names of the
conventions.
"""

from __future__ import annotations

import time

import pytest

from telemetry.events import CacheOutcome, CacheReason, CacheSource, Phase, Status
from telemetry.metrics import instruments as metric
from telemetry.metrics import instruments_genai as genai
from telemetry.outcomes import FINISH_REASONS, REJECTIONS, Outcome
from telemetry.recorder import Ended
from telemetry.semconv import UNKNOWN_MODEL
from telemetry.slo import Objective
from tests.telemetry.backends import Both, Series, both
from tests.telemetry.records import MODEL, ManualClock, answer, completed, open_record, recorder

OBJECTIVES = (Objective("ttft", 0.95, 2500.0), Objective("inter_token", 0.99, 250.0))


def end(found: Both, ended: Ended, *, begun: bool = False) -> None:
    """A request that ends without an answer; `begun` is one that the engine had taken."""
    clock = ManualClock()
    rec = recorder(clock, found.sink)
    record = open_record(rec, clock)
    rec.admit(record)
    if begun:
        rec.phase(record, Phase.RENDER, clock(), clock.advance(2))
    rec.close(record, ended)


def test_every_count_begins_at_zero() -> None:
    """For each model and outcome, and each reason, before anything happens: the first failure is an
    increase.
    """
    with both(*OBJECTIVES) as found:
        models = (MODEL, UNKNOWN_MODEL)
        assert found.series(metric.REQUESTS) == {
            (model, outcome.value): 0 for model in models for outcome in Outcome
        }
        assert found.series(metric.REQUESTS_ARRIVED) == {(model,): 0 for model in models}
        assert found.series(metric.REQUESTS_GOOD) == {(model,): 0 for model in models}
        assert found.series(metric.REQUESTS_FINISHED) == {
            (model, reason): 0 for model in models for reason in FINISH_REASONS
        }
        assert found.series(metric.REJECTED) == {(reason,): 0 for reason in REJECTIONS}


@pytest.mark.parametrize(
    ("ended", "outcome"),
    [
        (Ended(Status.ERROR, 503, "engine_unavailable"), "failed"),
        (Ended(Status.ERROR, 429, "queue_full"), "failed"),
        (Ended(Status.ERROR, 400, "invalid_value"), "client_error"),
        (Ended(Status.CANCELLED, 499, "client_disconnect"), "cancelled"),
        (Ended(Status.OK, 200), "ok"),
    ],
)
def test_a_request_counts_once_by_how_it_ended(ended: Ended, outcome: str) -> None:
    """Failures of ours, mistakes and departures of clients are told apart, as the objectives do."""
    with both() as found:
        end(found, ended)
        counts = found.series(metric.REQUESTS)
        assert {how: count for (model, how), count in counts.items() if model == MODEL} == {
            o.value: int(o == outcome) for o in Outcome
        }
        assert found.series(metric.REQUESTS_ARRIVED)[MODEL,] == 1


def test_goodput_wants_both_objectives() -> None:
    """An answer whose first token, or whose later ones, come too late is not good, nor is one that failed."""
    with both(*OBJECTIVES) as found:
        completed(sink=found.sink)
        assert found.series(metric.REQUESTS_GOOD)[MODEL,] == 1
        for gaps, wait_ms, ended in (
            ((300.0, 300.0), 0, Status.OK),
            ((10.0,), 3000, Status.OK),
            ((10.0,), 0, Status.ERROR),
        ):
            clock = ManualClock()
            rec = recorder(clock, found.sink)
            record = open_record(rec, clock)
            clock.advance(wait_ms)
            answer(rec, clock, record, gaps)
            rec.close(record, Ended(ended, 200, "engine_error" if ended is Status.ERROR else None))
        assert found.series(metric.REQUESTS_GOOD)[MODEL,] == 1
        assert found.series(metric.REQUESTS)[MODEL, "ok"] == 3


def test_without_objectives_there_is_no_goodput() -> None:
    """It is not measured, which is not 0."""
    with both() as found:
        completed(sink=found.sink)
        assert found.series(metric.REQUESTS_GOOD) == {}


def test_every_metric_of_the_conventions_names_the_provider() -> None:
    """Chunks of a stream are counted on a thread."""
    with both() as found:
        completed(sink=found.sink)
        at = genai.GEN_AI_LABELS.index("gen_ai.provider.name")
        series: dict[str, Series] = {}
        deadline = time.monotonic() + 10
        while not series.get("gen_ai.client.inference.time_per_output_chunk") and time.monotonic() < deadline:
            series = {instrument.name: found.exported(instrument) for instrument in genai.ALL}
        providers = {
            name: {labels[at] for labels in found}
            for name, found in series.items()
            if "embeddings" not in name
        }
        assert providers == {name: {"llama_cpp"} for name in providers}
        assert series["gen_ai.client.inference.time_per_output_chunk"] == found.scraped(
            genai.INFERENCE_OUTPUT_CHUNK
        )


def test_tokens_of_an_answer() -> None:
    """By what they were for, and of which modality; lengths as distributions."""
    with both() as found:
        completed(sink=found.sink)
        labels = (MODEL, MODEL, "chat", "", "llama_cpp")
        for instrument, tokens in (
            (genai.INPUT_TOKENS, 600),
            (genai.OUTPUT_TOKENS, 4),
            (genai.CACHE_READ_TOKENS, 100),
        ):
            assert found.series(instrument) == {(*labels, "text"): tokens}
        assert found.series(genai.CACHE_WRITE_TOKENS) == {(*labels, "text"): 500}
        assert (
            found.series(genai.OPERATION_INPUT_TOKENS)
            == found.series(genai.OPERATION_OUTPUT_TOKENS)
            == {labels: 1}
        )
        assert (
            found.series(genai.INFERENCE_DURATION) == found.series(genai.INFERENCE_FIRST_CHUNK) == {labels: 1}
        )


def test_failed_operations_have_usage_too() -> None:
    """What was not counted is 0 of an unknown modality; a request that was refused at the door was no
    operation.
    """
    with both() as found:
        end(found, Ended(Status.ERROR, 404, "model_not_found"))
        assert found.series(genai.INPUT_TOKENS) == found.series(genai.INFERENCE_DURATION) == {}
        end(found, Ended(Status.ERROR, 500, "engine_error"), begun=True)
        labels = (MODEL, "", "chat", "engine_error", "llama_cpp")
        for instrument in (
            genai.INPUT_TOKENS,
            genai.OUTPUT_TOKENS,
            genai.CACHE_READ_TOKENS,
            genai.CACHE_WRITE_TOKENS,
        ):
            assert found.series(instrument) == {(*labels, "unknown"): 0}
        assert found.series(genai.INFERENCE_DURATION) == {labels: 1}
        assert found.series(genai.INFERENCE_FIRST_CHUNK) == {}


def test_embeddings_are_no_inference() -> None:
    """They have metrics of their own."""
    with both() as found:
        record = completed()
        record.operation = "embeddings"
        found.sink.completed(record)
        labels = (MODEL, MODEL, "embeddings", "", "llama_cpp")
        assert (
            found.series(genai.EMBEDDINGS_DURATION)
            == found.series(genai.EMBEDDINGS_INPUT_TOKENS)
            == {labels: 1}
        )
        assert found.series(genai.INFERENCE_DURATION) == found.series(genai.OPERATION_INPUT_TOKENS) == {}


def test_a_client_that_breaks_its_prefix_is_named_by_kind() -> None:
    """Only reasons that a client can do something about count, and only what had to be computed again."""
    with both() as found:
        for reason, client in (
            (CacheReason.VOLATILE_PREFIX, "claude-cli"),
            (CacheReason.EVICTED, "claude-cli"),
            (CacheReason.APPENDED, "curl"),
        ):
            record = completed()
            record.client, record.cache = client, CacheOutcome(100, CacheSource.KV, reason)
            found.sink.completed(record)
        assert found.series(metric.CACHE_LOST) == {(MODEL, "claude-cli", "volatile_prefix"): 500}


def test_the_wait_for_a_client_is_a_distribution() -> None:
    """Of every answer that began."""
    with both() as found:
        end(found, Ended(Status.ERROR, 400, "invalid_value"))
        assert found.series(metric.CLIENT_BLOCKED) == {}
        completed(sink=found.sink)
        assert found.series(metric.CLIENT_BLOCKED) == {(MODEL,): 1}
