"""Requests that run now, as rows."""

from __future__ import annotations

from dashboard.charts.geometry import strip
from dashboard.charts.timeline import PHASE_LABELS, of_record
from dashboard.deps import DashboardDeps
from dashboard.pages.live.context import RunningRow
from telemetry.record import RequestRecord


def running_rows(deps: DashboardDeps) -> tuple[RunningRow, ...]:
    """All running requests, oldest first."""
    now_ns, records = deps.clock_ns(), deps.live.running()
    longest_ms = max(((now_ns - record.started_ns) / 1e6 for record in records), default=0.0)
    return tuple(running_row(record, now_ns, longest_ms) for record in records)


def running_row(record: RequestRecord, now_ns: int, longest_ms: float = 0.0) -> RunningRow:
    """One running request at a monotonic reading; its strip is as long as its part of `longest_ms`."""
    timeline = of_record(record, now_ns)
    return RunningRow(
        seq=record.seq,
        request_id=record.request_id,
        model=record.response_model or record.model,
        phase=record.current_phase.value,
        phase_label=PHASE_LABELS[record.current_phase],
        elapsed_ms=timeline.wall_ms,
        prompt_tokens=record.prompt_tokens,
        prefilled_tokens=record.prefilled_tokens,
        completion_tokens=record.completion_tokens,
        max_tokens=_max_tokens(record),
        progress=_progress(record),
        ttft_ms=record.ttft_ms,
        strip=strip(timeline, longest_ms),
    )


def _max_tokens(record: RequestRecord) -> int | None:
    """Output tokens that it may have at most, where the client said so."""
    given = record.params.get("max_tokens")
    return int(given) if given else None


def _progress(record: RequestRecord) -> float | None:
    """Per cent of the prompt that is computed, then of the most output tokens; None where no end is known."""
    done, whole = record.prefilled_tokens, record.prompt_tokens
    if record.completion_tokens:
        done, whole = record.completion_tokens, _max_tokens(record)
    return None if done is None or not whole else min(100.0, done / whole * 100)
