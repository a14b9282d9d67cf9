"""The store with months of requests in it: how fast it is written, how fast each read is, what they do to
each other, its size.

`BENCH_REQUESTS` and `BENCH_STORE_URL` (an empty PostgreSQL database), or the flags of `python -m bench`, say
how many and where.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import store_reads
from bench.figures import Figure
from bench.store_reads import Timed
from bench.store_records import BURST_RATE, Requests, configs, pieces
from telemetry.record import RequestRecord
from telemetry.store import migrate
from telemetry.store.engine import create_reader, create_writer, file_size_bytes
from telemetry.store.retention import Retention
from telemetry.store.rollups.compaction import compact
from telemetry.store.writer import StoreSink

NAME = "store-at-scale"
ABOUT = "the store's writer and every read of it, with months of requests"
REQUESTS = 50_000
PIECE = 5000
"""Requests that are made before their writing is timed."""
LAG = 1000
"""Requests admitted before one ends: its row is inserted and completed in two transactions, as in life."""
TIMES = 30
SIDES = 3
"""Pieces of the burst at the end that are written with readers, and as many without, in turn."""
MIN_RATE = BURST_RATE
MIN_RATE_WITH_READERS = 1500.0
MAX_READ_MS = 100.0


@dataclass(frozen=True, slots=True)
class AtScale:
    """What was measured; `failure` by the bounds above."""

    requests: int
    database: str
    rates: list[float]
    rates_alone: list[float]
    rates_with_readers: list[float]
    reads: list[Timed]
    dropped: int
    complaints: list[str]
    """What the store logged while it was measured: locks, failed transactions."""
    compaction_s: list[float]
    """Transactions that built what was left to build of longer stretches."""
    plans: dict[str, list[str]]
    size_bytes: int | None
    capped_bytes: tuple[int, int] | None
    """The cap, and the file under it."""

    @property
    def title(self) -> str:
        return f"{NAME}: {self.requests:,} requests, {self.database}"

    @property
    def columns(self) -> tuple[str, ...]:
        return ("p50", "p95")

    @property
    def figures(self) -> list[Figure]:
        alone, beside = statistics.median(self.rates_alone), statistics.median(self.rates_with_readers)
        turns = [seconds * 1e3 for seconds in self.compaction_s]
        first = [
            Figure(
                "months of requests written, the slowest piece",
                (statistics.median(self.rates), min(self.rates)),
                "requests/s",
            ),
            Figure("a burst written, alone", (alone, None), "requests/s"),
            Figure("a burst written, beside readers", (beside, None), "requests/s"),
            Figure(
                "longer stretches: a transaction, the longest", (statistics.median(turns), max(turns)), "ms"
            ),
            Figure("dropped", (float(self.dropped), None), ""),
            Figure("complaints of the store (locks, failures)", (float(len(self.complaints)), None), ""),
        ]
        if self.size_bytes is not None:
            first.append(Figure("file", (self.size_bytes / 2**20, None), "MiB"))
        if self.capped_bytes is not None:
            first.append(
                Figure("cap, and the file under it", tuple(size / 2**20 for size in self.capped_bytes), "MiB")
            )
        return first + [Figure(read.name, (read.p50, read.p95), "ms") for read in self.reads]

    @property
    def failure(self) -> str:
        slow = [f"{read.name} p95 {read.p95:.0f} ms" for read in self.reads if read.p95 >= MAX_READ_MS]
        alone, beside = statistics.median(self.rates_alone), statistics.median(self.rates_with_readers)
        wrong = [f"writer {alone:.0f} requests/s"] if alone < MIN_RATE else []
        wrong += [f"writer beside readers {beside:.0f} requests/s"] if beside < MIN_RATE_WITH_READERS else []
        wrong += self.complaints[:3]
        if self.capped_bytes is not None and self.capped_bytes[1] > self.capped_bytes[0]:
            wrong.append("file above its cap")
        return ", ".join(wrong + slow)


def run() -> AtScale:
    """On a new file, or in the database that `BENCH_STORE_URL` names."""
    count = int(os.environ.get("BENCH_REQUESTS", REQUESTS))
    with tempfile.TemporaryDirectory(prefix="firsttoken-bench-") as folder:
        url = os.environ.get("BENCH_STORE_URL") or f"sqlite:///{Path(folder) / 'firsttoken.db'}"
        return _measure(url, count)


class _Complaints(logging.Handler):
    """Keeps what the store logs as a warning or worse."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(record.getMessage())
        print(f"  the store says: {record.getMessage()}", file=sys.stderr, flush=True)


def _measure(url: str, count: int) -> AtScale:
    migrate.upgrade(url)
    complaints = _Complaints()
    logging.getLogger("telemetry.store").addHandler(complaints)
    source = pieces(iter(Requests(count, 2 * SIDES * PIECE, time.time_ns())), PIECE)
    feed = Feed(url)
    fill = [feed.write(piece) for piece in _told(itertools.islice(source, max(1, count // PIECE)), count)]
    middle = feed.middle
    compaction_s = asyncio.run(_compact(url))
    every = store_reads.reads(middle.seq, middle.request_id)
    reads, plans = asyncio.run(_reads(url, every))
    alone: list[float] = []
    beside: list[float] = []
    for piece in source:
        if len(alone) > len(beside):
            with _reading(url, every):
                beside.append(feed.write(piece))
        else:
            alone.append(feed.write(piece))
    dropped = feed.stop()
    size = file_size_bytes(url)
    backend = url.partition(":")[0].partition("+")[0]
    capped = None if size is None else (size // 2, _capped(url, size // 2))
    return AtScale(
        count,
        backend,
        fill,
        alone,
        beside,
        reads,
        dropped,
        complaints.found,
        compaction_s,
        plans,
        size,
        capped,
    )


def _told(source: Iterator[list[RequestRecord]], count: int) -> Iterator[list[RequestRecord]]:
    for number, piece in enumerate(source):
        if number % 10 == 0:
            print(
                f"  {number * PIECE:,} of {count:,}, {time.strftime('%H:%M:%S')}", file=sys.stderr, flush=True
            )
        yield piece


class Feed:
    """Requests into a real `StoreSink`, admissions and ends in the order of a busy gateway."""

    def __init__(self, url: str) -> None:
        self.sink = StoreSink(url, 10 * PIECE)
        self._open: list[RequestRecord] = []
        self._seen: list[RequestRecord] = []
        for config in configs():
            self.sink.engine_config(config)
        self.sink.start()

    def write(self, piece: Sequence[RequestRecord]) -> float:
        """Write a piece and wait until it is in the database; requests per second."""
        self._seen.append(piece[0])
        began = time.perf_counter()
        for record in piece:
            self.sink.admitted(record)
            self._open.append(record)
            if len(self._open) > LAG:
                self.sink.completed(self._open.pop(0))
        while self.sink.health().queued:
            time.sleep(0.005)
        return len(piece) / (time.perf_counter() - began)

    @property
    def middle(self) -> RequestRecord:
        """A request from the middle of all."""
        return self._seen[len(self._seen) // 2]

    def stop(self) -> int:
        """End what is open and the writer; returns how many events were lost."""
        for record in self._open:
            self.sink.completed(record)
        assert self.sink.stop(60), "the writer did not end"
        return self.sink.health().dropped


async def _compact(url: str) -> list[float]:
    """Seconds of each transaction until all is built that the writer has not built yet."""
    engine = create_writer(url)
    found, more = [], True
    try:
        while more:
            began = time.perf_counter()
            async with engine.begin() as connection:
                more = await compact(connection, int(time.time()) // 60)
            found.append(time.perf_counter() - began)
    finally:
        await engine.dispose()
    return found


async def _reads(url: str, every: Mapping[str, store_reads.Read]) -> tuple[list[Timed], dict[str, list[str]]]:
    engine = create_reader(url)
    gc.collect()
    gc.freeze()  # as the gateway does
    found, plans = [], {}
    try:
        for name, read in every.items():
            timed = await store_reads.timed(engine, name, read, TIMES)
            found.append(timed)
            if timed.p95 >= MAX_READ_MS:
                plans[name] = await store_reads.plan(engine, read)
                print(
                    f"  {name}: p95 {timed.p95:.0f} ms\n    " + "\n    ".join(plans[name]),
                    file=sys.stderr,
                    flush=True,
                )
    finally:
        await engine.dispose()
    return found, plans


@contextmanager
def _reading(url: str, reads: Mapping[str, store_reads.Read]) -> Iterator[None]:
    """One reader after another meanwhile, as fast as they go, with a breath between: a page a person looks
    at.
    """
    stop = threading.Event()

    async def work() -> None:
        engine = create_reader(url)
        for read in itertools.cycle(reads.values()):
            if stop.is_set():
                break
            await read(engine)
            await asyncio.sleep(0.02)
        await engine.dispose()

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _capped(url: str, cap: int) -> int:
    """The file after the writer had a cap to keep."""
    sink = StoreSink(url, 10, retention=Retention(max_bytes=cap))
    sink.start()
    deadline = time.monotonic() + 600
    size = file_size_bytes(url) or 0
    while size > cap and time.monotonic() < deadline:
        time.sleep(0.5)
        size = file_size_bytes(url) or 0
    sink.stop(60)
    return file_size_bytes(url) or 0
