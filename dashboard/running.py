"""Requests that run now, as rows."""

from __future__ import annotations

from dashboard.charts import strip
from dashboard.contexts import RunningRow
from dashboard.deps import DashboardDeps
from dashboard.timeline import PHASE_LABELS, of_record
from telemetry.record import RequestRecord


def running_rows(deps: DashboardDeps) -> tuple[RunningRow, ...]:
    """All running requests, oldest first."""
    now_ns = deps.clock_ns()
    return tuple(running_row(record, now_ns) for record in deps.live.running())


def running_row(record: RequestRecord, now_ns: int) -> RunningRow:
    """One running request at a monotonic reading."""
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
        ttft_ms=record.ttft_ms,
        strip=strip(timeline),
    )
