"""The facts of a request's page, from the live record or from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dashboard.charts.cache_map import CacheMap, cache_map
from dashboard.charts.geometry import waterfall
from dashboard.charts.timeline import Timeline, of_record, of_stored
from dashboard.deps import DashboardDeps
from dashboard.pages.live.running import running_row
from dashboard.pages.request.context import RequestContext
from dashboard.words import explain, formats
from dashboard.words.content import content_view, difference
from dashboard.words.curl import curl
from dashboard.words.delays import DelaysView, delays_view
from dashboard.words.energy import pending_energy, request_energy
from dashboard.words.facts import Fact
from telemetry.drafts import DraftSource, drafted_by
from telemetry.events import Phase, Scalar
from telemetry.record import RequestRecord
from telemetry.regression import MIN_REQUESTS
from telemetry.shortened import MAX_CHARS, is_shortened
from telemetry.store.models import RequestRow
from telemetry.store.queries.requests import RequestDetail
from telemetry.store.queries.speed import Expected

NOT_YET = "not yet"
PREFILLED = "of the prompt so far, cached ones included"


def missing_context(request_id: str, store_error: str) -> RequestContext:
    """A request that is not known, or that cannot be read."""
    return RequestContext(
        request_id=request_id,
        found=False,
        status="",
        running=None,
        started_at=None,
        waterfall=None,
        numbers=(),
        parameters=(),
        identity=(),
        cache=(),
        cache_words="",
        delays=DelaysView(),
        energy=(),
        cache_map=None,
        difference=None,
        content=None,
        content_words="",
        error_type="",
        error_message="",
        error_words="",
        same_id=0,
        conversation_id=None,
        curl="",
        store_error=store_error,
    )


def live_context(deps: DashboardDeps, record: RequestRecord, store_error: str) -> RequestContext:
    """A request that runs now, or that ended a moment ago and is not stored yet."""
    now_ns = deps.clock_ns()
    model = record.response_model or record.model
    cache_words = "What the prefix cache has of it is known when it gets its slot."
    if record.cache:
        cache_words = _cache_words(record.cache.reason.value, record.cached_tokens, record.prompt_tokens)
    return RequestContext(
        request_id=record.request_id,
        found=True,
        status=record.status.value,
        running=running_row(record, now_ns) if record.ended_ns is None else None,
        started_at=record.anchor.utc(record.started_ns),
        waterfall=waterfall(of_record(record, now_ns)),
        numbers=_live_numbers(record),
        parameters=_parameters(record.params, record.ignored_fields),
        identity=(
            Fact("request id", record.request_id),
            Fact("trace id", record.trace.trace_id),
            Fact("model", formats.text(model)),
            Fact("API", record.api),
            Fact("conversation", record.conversation_id or "not given"),
        ),
        cache=(),
        cache_words=cache_words,
        delays=DelaysView(),
        energy=pending_energy(deps.energy()),
        cache_map=_live_map(record),
        difference=None,
        content=None,
        content_words=explain.NO_CONTENT_YET if deps.content_kept else explain.NO_CONTENT,
        error_type=record.error_type or "",
        error_message=record.error_message or "",
        error_words=explain.error(record.error_type),
        same_id=1,
        conversation_id=record.conversation_id,
        curl=curl(deps.base_url(), model, record.api, record.params, record.stream),
        store_error=store_error,
    )


def _live_numbers(record: RequestRecord) -> tuple[Fact, ...]:
    first_token = formats.milliseconds(record.ttft_ms) if record.first_token_ns else NOT_YET
    return (
        Fact("time to first token", first_token),
        Fact("prompt tokens", _count_so_far(record.prompt_tokens)),
        Fact("prefilled", _count_so_far(record.prefilled_tokens), PREFILLED),
        Fact("output tokens", formats.count(record.completion_tokens or 0), "so far"),
    )


def _count_so_far(tokens: int | None) -> str:
    return NOT_YET if tokens is None else formats.count(tokens)


def stored_context(deps: DashboardDeps, detail: RequestDetail, expected: Expected | None) -> RequestContext:
    """A recorded request, and what requests like it had."""
    row = detail.row
    timeline = None if detail.phases is None else of_stored(detail.phases)
    lookup = _attributes(timeline, Phase.CACHE_LOOKUP)
    parted = cache_map(lookup)
    divergence_message = None if parted is None else parted.divergence_message
    return RequestContext(
        request_id=row.id,
        found=True,
        status=row.status,
        running=None,
        started_at=row.started_at,
        waterfall=None if timeline is None else waterfall(timeline),
        numbers=_numbers(row, expected, timeline),
        parameters=_parameters(row.params, row.ignored_fields or ()),
        identity=_identity(detail),
        cache=_cache(row, lookup),
        cache_words=_cache_words(row.cache_reason, row.cached_tokens, row.prompt_tokens),
        delays=DelaysView() if timeline is None else delays_view(detail),
        energy=request_energy(row, deps.energy(), deps.prices),
        cache_map=parted,
        difference=difference(detail.content, detail.nearest, divergence_message),
        content=content_view(detail.content),
        content_words=explain.NO_CONTENT_OF_IT if deps.content_kept else explain.NO_CONTENT,
        error_type=row.error_type or "",
        error_message=row.error_message or "",
        error_words=explain.error(row.error_type),
        same_id=detail.same_id,
        conversation_id=detail.row.conversation_id,
        curl=curl(deps.base_url(), row.model, row.api, row.params, row.stream),
        store_error="",
    )


def _attributes(timeline: Timeline | None, phase: Phase) -> Mapping[str, Scalar]:
    """The attributes that were noted with a phase; {} where it was not recorded."""
    phases = () if timeline is None else timeline.phases
    return next((timed.attributes for timed in phases if timed.phase is phase), {})


def _live_map(record: RequestRecord) -> CacheMap | None:
    lookup = record.phase(Phase.CACHE_LOOKUP)
    return None if lookup is None else cache_map(lookup.attributes)


def _numbers(row: RequestRow, expected: Expected | None, timeline: Timeline | None) -> tuple[Fact, ...]:
    ms, count = formats.milliseconds, formats.count
    return (
        Fact("wall time", ms(row.total_ms), "first byte read to last byte written"),
        Fact("time to first token", ms(row.ttft_ms), "first byte read to first token sampled"),
        Fact("time to first byte", ms(row.ttfb_ms), "first byte read to first byte of the answer"),
        Fact("queue", ms(row.queue_ms)),
        Fact("tokenize", ms(row.tokenize_ms)),
        Fact("prefill", ms(row.prefill_ms)),
        Fact("decode", ms(row.decode_ms)),
        Fact("prompt tokens", count(row.prompt_tokens), f"context bucket {formats.text(row.context_bucket)}"),
        Fact("output tokens", count(row.completion_tokens)),
        Fact("prompt rate", _with_unit(row.prefill_tps), "computed prompt tokens per second of prefill"),
        Fact("output rate", _with_unit(row.decode_tps), "between the first and the last token"),
        _expectation(row.decode_tps, expected),
        Fact("inter-token p50", ms(row.itl_p50_ms), "tokens of one step share its time"),
        Fact("inter-token p95", ms(row.itl_p95_ms)),
        Fact("inter-token max", ms(row.itl_max_ms)),
        Fact("stalls", count(row.stalls), STALLS),
        Fact("gateway overhead", ms(row.overhead_ms), "wall minus engine, queue and the client"),
        *_drafted(row, _attributes(timeline, Phase.DECODE)),
        *_dropped(_attributes(timeline, Phase.TOKENIZE)),
    )


def _expectation(rate: float | None, expected: Expected | None) -> Fact:
    """The output rate beside those of the same engine configuration and context bucket."""
    if rate is None or expected is None:
        few = f"fewer than {MIN_REQUESTS} requests like it in 14 days"
        return Fact("expected output rate", formats.NOT_MEASURED, few)
    middle = f"{formats.rate(expected.p10)} to {formats.rate(expected.p90)} for eight in ten"
    slower, requests = formats.percent(expected.slower, 1), formats.count(expected.requests)
    faster = f"this one was faster than {slower} of {requests} requests like it"
    return Fact("expected output rate", f"{formats.rate(expected.p50)} tokens/s", f"{middle}; {faster}")


STALLS = "waits longer than four medians, or than the objective for gaps between tokens"

ONE_KERNEL_TOKENS = 256
"""Tokens of a chat up to which the kernel for single tokens verifies guesses too (docs/speculative.md)."""

KERNELS = "beyond 256 tokens verifying may choose another one of two nearly equal tokens than decoding"

SOURCES = {DraftSource.LOOKUP: "prompt lookup", DraftSource.DRAFT_MODEL: "draft model"}


def _drafted(row: RequestRow, decode: Mapping[str, Scalar]) -> list[Fact]:
    """Speculative decoding, where anything was drafted."""
    if not decode.get("draft"):
        return []
    found = drafted_by(decode).items()
    sources = [f"{SOURCES[source]} {own.accepted} of {own.drafted}" for source, own in found]
    gain = formats.milliseconds(float(decode.get("gain_ms", 0.0)))
    notes = [", ".join(sources), f"about {gain} saved (estimated)"]
    if (row.prompt_tokens or 0) + (row.completion_tokens or 0) > ONE_KERNEL_TOKENS:
        notes.append(KERNELS)
    accepted = f"{decode.get('accepted')} of {decode.get('draft')}"
    return [Fact("drafted tokens accepted", accepted, "; ".join(notes))]


def _dropped(tokenize: Mapping[str, Scalar]) -> list[Fact]:
    """Messages that were left out because the chat is longer than the context."""
    if not tokenize.get("dropped_messages"):
        return []
    numbers = [str(int(index) + 1) for index in str(tokenize["dropped_messages"]).split()]
    tokens = tokenize.get("dropped_tokens", "uncounted")
    why = f"{tokens} tokens: the chat is longer than the context"
    return [Fact("messages left out", ", ".join(numbers), why)]


def _with_unit(rate: float | None) -> str:
    return formats.rate(rate) if rate is None else f"{formats.rate(rate)} tokens/s"


def _cache_words(reason: str | None, cached: int | None, prompt_tokens: int | None) -> str:
    return f"{explain.cache_reason(reason)} {explain.cached(cached, prompt_tokens)}".strip()


def _cache(row: RequestRow, lookup: Mapping[str, Scalar]) -> tuple[Fact, ...]:
    return (
        Fact("cached tokens", formats.count(row.cached_tokens), "of the prompt"),
        Fact("hit", formats.percent(row.cached_tokens, row.prompt_tokens)),
        Fact("source", formats.text(row.cache_source)),
        Fact("reason", formats.text(row.cache_reason)),
        *_lookup_facts(lookup),
    )


def _lookup_facts(lookup: Mapping[str, Scalar]) -> list[Fact]:
    """Facts of the lookup itself: what was lost, why caching is impossible, what was predicted."""
    facts = []
    if "lost_tier" in lookup:
        age = formats.seconds(float(lookup.get("lost_age_s", 0.0)))
        note = f"{lookup.get('lost_tokens')} tokens, {age} before"
        facts.append(Fact("evicted from", str(lookup["lost_tier"]), note))
    if "why" in lookup:
        facts.append(Fact("why", str(lookup["why"])))
    if "predicted_ttft_ms" in lookup:
        predicted = formats.milliseconds(float(lookup["predicted_ttft_ms"]))
        note = "estimated at admission, from the tokens ahead"
        facts.append(Fact("predicted time to first token", predicted, note))
    return facts


def _identity(detail: RequestDetail) -> tuple[Fact, ...]:
    row = detail.row
    return (
        Fact("request id", row.id),
        Fact("trace id", row.trace_id),
        Fact("response id", formats.text(row.response_id)),
        Fact("conversation", row.conversation_id or "not given", _shortened_words(row.conversation_id)),
        Fact("model", row.model or "not named"),
        Fact("API", row.api),
        Fact("streamed", "yes" if row.stream else "no"),
        Fact("HTTP status", formats.text(row.http_status)),
        Fact("finish reason", formats.text(row.finish_reason)),
        Fact("engine configuration", row.engine_config_id or "no engine took it"),
    )


def _shortened_words(conversation_id: str | None) -> str:
    if not is_shortened(conversation_id or ""):
        return ""
    return f"beginning and digest of an id of more than {MAX_CHARS} characters"


def _parameters(params: Mapping[str, object], ignored: Sequence[str]) -> tuple[Fact, ...]:
    """Parameters as they were asked for, and fields that were not obeyed."""
    facts = [Fact(name, str(value)) for name, value in sorted(params.items())]
    if ignored:
        facts.append(Fact("ignored fields", ", ".join(ignored), "sent, and not obeyed by this API"))
    return tuple(facts)
