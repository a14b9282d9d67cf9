"""The metrics of the GenAI conventions: those of a model server, and those of an operation, which the
gateway calls its engine for.
"""

from __future__ import annotations

from telemetry.metrics import instruments_genai as metric
from telemetry.metrics.outlets import Outlets
from telemetry.record import RequestRecord
from telemetry.semconv import UNKNOWN_PROVIDER

EMBEDDINGS = "embeddings"

Labels = tuple[str, str, str, str]
"""`instruments_genai.REQUEST_LABELS`."""


class GenAiMetrics:
    """Counts requests as the conventions say; failed ones too, with what was measured of them."""

    def __init__(self, out: Outlets) -> None:
        self._out = out

    def completed(self, record: RequestRecord, request_labels: Labels) -> None:
        """A request ended."""
        labels = (*request_labels, record.provider or UNKNOWN_PROVIDER)
        self._server(record, labels)
        during = record.operation_ns
        if during is None:  # refused at the door: there was no operation
            return
        began_ns, ended_ns = during
        if record.operation == EMBEDDINGS:
            self._out.record(
                metric.EMBEDDINGS_DURATION, (ended_ns - began_ns) / 1e9, *labels, trace=record.trace
            )
            self._out.record(metric.EMBEDDINGS_INPUT_TOKENS, record.prompt_tokens or 0, *labels)
        else:
            self._out.record(
                metric.INFERENCE_DURATION, (ended_ns - began_ns) / 1e9, *labels, trace=record.trace
            )
            self._chunks(record, labels)
        self._tokens(record, labels)

    def _server(self, record: RequestRecord, labels: tuple[str, ...]) -> None:
        if record.total_ms is not None:
            self._out.record(metric.REQUEST_DURATION, record.total_ms / 1e3, *labels, trace=record.trace)
        if record.ttft_ms is not None:
            self._out.record(metric.TTFT, record.ttft_ms / 1e3, *labels, trace=record.trace)
        if record.decode_tps:
            self._out.record(metric.TIME_PER_OUTPUT_TOKEN, 1 / record.decode_tps, *labels, trace=record.trace)

    def _chunks(self, record: RequestRecord, labels: tuple[str, ...]) -> None:
        """Of streams only. What the engine sends at once, the tokens of a step, is a chunk."""
        if record.first_chunk_ms is not None:
            self._out.record(
                metric.INFERENCE_FIRST_CHUNK, record.first_chunk_ms / 1e3, *labels, trace=record.trace
            )
        if record.stream and record.gaps_us:
            waits_s = (
                [wait / 1e6 for _, wait, _ in record.waits()]
                if record.bursts
                else [gap / 1e6 for gap in record.gaps_us]
            )
            self._out.record_many(metric.INFERENCE_OUTPUT_CHUNK, waits_s, *labels, trace=record.trace)

    def _tokens(self, record: RequestRecord, labels: tuple[str, ...]) -> None:
        """Usage of each operation; 0 of an unknown modality where nothing was counted, as the convention
        wants it.
        """
        prompt, answer = record.prompt_tokens, record.completion_tokens
        usage = (*labels, "unknown" if prompt is None and answer is None else "text")
        self._out.record(metric.INPUT_TOKENS, prompt or 0, *usage)
        if record.operation == EMBEDDINGS:
            return
        self._out.record(metric.OUTPUT_TOKENS, answer or 0, *usage)
        self._out.record(metric.CACHE_READ_TOKENS, record.cached_tokens or 0, *usage)
        self._out.record(metric.CACHE_WRITE_TOKENS, record.cache_written_tokens or 0, *usage)
        self._out.record(metric.OPERATION_INPUT_TOKENS, prompt or 0, *labels, trace=record.trace)
        self._out.record(metric.OPERATION_OUTPUT_TOKENS, answer or 0, *labels, trace=record.trace)
