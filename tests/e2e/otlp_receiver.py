"""A small OTLP receiver over HTTP or gRPC: decodes what arrives with the protocol's own generated messages
and services.

It can also be a collector that nobody wants: one that takes its time, or refuses everything.
"""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import grpc  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

HTTP, GRPC = "http/protobuf", "grpc"


@dataclass
class OtlpReceiver:
    """Everything that was received, flat. Each export is answered after `delay_s`, or refused where
    `refuses`; `env` are the variables that send a gateway's telemetry here.
    """

    protocol: str = HTTP
    delay_s: float = 0.0
    refuses: bool = False
    spans: list[Any] = field(default_factory=list)
    metrics: list[Any] = field(default_factory=list)
    logs: list[Any] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        self._closing = threading.Event()
        self._stop: Callable[[], None] = lambda: None

    @property
    def env(self) -> dict[str, str]:
        """The standard variables that name this receiver."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_EXPORTER_OTLP_PROTOCOL": self.protocol}

    def __enter__(self) -> Self:
        port, self._stop = _serve_grpc(self) if self.protocol == GRPC else _serve_http(self)
        self.url = f"http://127.0.0.1:{port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._stop()

    def accepts(self) -> bool:
        """Whether the next export is taken, known after the delay."""
        self._closing.wait(self.delay_s)
        return not self.refuses

    def take_spans(self, request: trace_service_pb2.ExportTraceServiceRequest) -> None:
        """Keep the spans of one export."""
        self.spans.extend(
            span
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        )

    def take_metrics(self, request: metrics_service_pb2.ExportMetricsServiceRequest) -> None:
        """Keep the metrics of one export."""
        self.metrics.extend(
            metric
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        )

    def take_logs(self, request: logs_service_pb2.ExportLogsServiceRequest) -> None:
        """Keep the log records of one export."""
        self.logs.extend(
            line
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for line in scope.log_records
        )

    def take(self, path: str, body: bytes) -> None:
        """Decode and keep the body of one HTTP export."""
        if path == "/v1/traces":
            self.take_spans(trace_service_pb2.ExportTraceServiceRequest.FromString(body))
        elif path == "/v1/metrics":
            self.take_metrics(metrics_service_pb2.ExportMetricsServiceRequest.FromString(body))
        elif path == "/v1/logs":
            self.take_logs(logs_service_pb2.ExportLogsServiceRequest.FromString(body))


BAD = ("dead", "slow", "refusing")
"""Kinds of collectors that take nothing."""

SLOW_S = 10.0


@contextlib.contextmanager
def collector(kind: str, protocol: str) -> Iterator[dict[str, str]]:
    """The variables that send telemetry to a collector that is `good` or of one of the kinds in `BAD`;
    nobody listens where it is dead.
    """
    if kind == "dead":
        with socket.socket() as held:  # bound and not listening: refused, and nobody else gets the port
            held.bind(("127.0.0.1", 0))
            yield {
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{held.getsockname()[1]}",
                "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            }
        return
    with OtlpReceiver(
        protocol, delay_s=SLOW_S if kind == "slow" else 0.0, refuses=kind == "refusing"
    ) as receiver:
        yield receiver.env


def _serve_http(receiver: OtlpReceiver) -> tuple[int, Callable[[], None]]:
    """Port, and what ends it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            accepted = receiver.accepts()
            if accepted:
                receiver.take(
                    self.path,
                    gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body,
                )
            self.send_response(200 if accepted else 503)
            self.send_header("content-length", "0")
            self.end_headers()

        def handle(self) -> None:
            try:
                super().handle()
            except (BrokenPipeError, ConnectionResetError):  # an exporter that had waited long enough
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return int(server.server_address[1]), stop


def _serve_grpc(receiver: OtlpReceiver) -> tuple[int, Callable[[], None]]:
    """Port, and what ends it."""

    def taken_by(take: Callable[[Any], None], answer: Callable[[], Any]) -> Callable[..., Any]:
        def export(_servicer: object, request: Any, context: grpc.ServicerContext) -> Any:
            if not receiver.accepts():
                context.abort(grpc.StatusCode.UNAVAILABLE, "refused")
            take(request)
            return answer()

        return export

    class Traces(trace_service_pb2_grpc.TraceServiceServicer):
        Export = taken_by(receiver.take_spans, trace_service_pb2.ExportTraceServiceResponse)

    class Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
        Export = taken_by(receiver.take_metrics, metrics_service_pb2.ExportMetricsServiceResponse)

    class Logs(logs_service_pb2_grpc.LogsServiceServicer):
        Export = taken_by(receiver.take_logs, logs_service_pb2.ExportLogsServiceResponse)

    server = grpc.server(ThreadPoolExecutor(16))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(), server)  # type: ignore[no-untyped-call]
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(Metrics(), server)  # type: ignore[no-untyped-call]
    logs_service_pb2_grpc.add_LogsServiceServicer_to_server(Logs(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return port, lambda: _ended(server)


def _ended(server: grpc.Server) -> None:
    server.stop(grace=None).wait()


def exemplars(metrics: Iterable[Any], name: str) -> list[Any]:
    """The exemplars of one histogram."""
    points = (
        point
        for metric in metrics
        if metric.name == name
        for point in getattr(metric, metric.WhichOneof("data")).data_points
    )
    return [exemplar for point in points for exemplar in point.exemplars]


def attributes(item: Any) -> dict[str, Any]:
    """Attributes of a span or log record as Python values; lists as tuples."""
    return {pair.key: _value(pair.value) for pair in item.attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return tuple(_value(item) for item in value.array_value.values)
    return getattr(value, kind)
