"""Every histogram of ours as a native one, for a Prometheus to scrape: what exponential histograms are to it
over OTLP.

Native histograms have no text form; this writes the few fields of `io.prometheus.client.MetricFamily` by
hand.
"""

from __future__ import annotations

import contextlib
import itertools
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

from telemetry.metrics.catalog import ALL
from telemetry.metrics.instrument import Kind, label_name

CONTENT_TYPE = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
COUNTER, HISTOGRAM = 0, 4
LABELS = {"phase": "queue", "http_route": "/v1/chat/completions", "error_type": "", "outcome": "ok"}
"""Values that queries filter by."""


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _signed(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _part(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _part(field, text.encode())


def _histogram(count: int) -> bytes:
    """All values in two buckets of schema 0: half in (0.5, 1], half in (4, 8]."""
    spans = b"".join(_part(12, _number(1, _signed(offset)) + _number(2, 1)) for offset in (0, 2))
    deltas = _number(13, _signed(count)) + _number(13, _signed(0))
    return (
        _number(1, 2 * count)
        + _double(2, 7.0 * count)
        + _number(5, _signed(0))
        + _double(6, 1e-9)
        + _number(7, 0)
        + spans
        + deltas
    )


def _family(name: str, kind: int, labels: tuple[str, ...], value: bytes) -> bytes:
    pairs = b"".join(
        _part(1, _text(1, label_name(label)) + _text(2, LABELS.get(label_name(label), "x")))
        for label in labels
    )
    family = _text(1, name) + _number(3, kind) + _part(4, pairs + value)
    return _varint(len(family)) + family


def exposition(count: int) -> bytes:
    """All histograms with `count` values in each of two buckets, and all counters at `count`."""
    histograms = [
        _family(i.prometheus_name, HISTOGRAM, i.labels, _part(7, _histogram(count)))
        for i in ALL
        if i.kind is Kind.HISTOGRAM
    ]
    counters = [
        _family(i.prometheus_name, COUNTER, i.labels, _part(3, _double(1, count)))
        for i in ALL
        if i.kind is Kind.COUNTER
    ]
    return b"".join([*histograms, *counters])


@contextlib.contextmanager
def serving() -> Iterator[int]:
    """A port where each scrape finds ten values more than the last."""
    counts = itertools.count(10, 10)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = exposition(next(counts))
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
