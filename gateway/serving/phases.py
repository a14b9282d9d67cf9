"""The phases of a request at a handle, as the engine stamps them, in its record."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from telemetry.events import CacheOutcome, Phase, PhaseTiming
from telemetry.record import RequestRecord
from telemetry.recorder import Recorder


class PhaseStamps:
    """Writes the phases of one request into its record."""

    def __init__(self, record: RequestRecord, recorder: Recorder) -> None:
        self._record = record
        self._recorder = recorder

    def add(
        self, phases: Iterable[PhaseTiming], cache: CacheOutcome | None = None, known: Collection[Phase] = ()
    ) -> None:
        """Take in what the engine told, but for what is `known`; `cache` is what the lookup found."""
        for timing in phases:
            if timing.phase not in known:
                self._add_phase(timing, cache)

    def _add_phase(self, timing: PhaseTiming, cache: CacheOutcome | None) -> None:
        if timing.phase in (Phase.RENDER, Phase.TOKENIZE):
            self._close_admit(timing.start_ns)
        if timing.phase is Phase.CACHE_LOOKUP:
            self._record.cache = cache
            if self._record.predicted_ttft_ms is not None:
                timing.attributes["predicted_ttft_ms"] = round(self._record.predicted_ttft_ms, 3)
        self._recorder.phase(self._record, timing.phase, timing.start_ns, timing.end_ns, **timing.attributes)

    def end(self) -> None:
        """The engine will not report: what was under way ended now, by the stamps that it sent before."""
        record, now_ns = self._record, self._recorder.clock_ns()
        if record.phase(Phase.TOKENIZE) is None or record.prompt_tokens is None:
            return
        reached_ns = max(timing.end_ns for timing in record.phases)
        if record.phase(Phase.QUEUE) is None:
            self._recorder.phase(record, Phase.QUEUE, reached_ns, now_ns)
            return
        sampled_ns = record.first_token_ns
        self._recorder.phase(record, Phase.PREFILL, reached_ns, sampled_ns or now_ns)
        if sampled_ns is not None:
            self._recorder.phase(record, Phase.DECODE, sampled_ns, now_ns)

    def _close_admit(self, now_ns: int) -> None:
        """Admission lasts until the engine takes the request up: the pipe between is part of it."""
        if self._record.phase(Phase.ADMIT) is None:
            self._recorder.phase(self._record, Phase.ADMIT, self._record.started_ns, now_ns)
