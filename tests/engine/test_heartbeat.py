"""What a heartbeat says of ages: seconds, and never less than none."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator

import pytest

from gateway.engine.engine import Engine
from gateway.engine.options import EngineOptions
from gateway.engine.pipe import EnginePipe
from gateway.engine.worker import Worker
from tests.engine.fakes import FakeBackend, FakeVocabulary, sequence
from tests.telemetry.records import CONFIG


class _Tokens(FakeVocabulary):
    def tokenize(self, text: str) -> list[int]:
        return [ord(character) for character in text]


@pytest.fixture
def worker() -> Iterator[Worker]:
    """A worker whose threads do not run, so that its state stands still."""
    engine = Engine(
        backend=FakeBackend(), tokens=_Tokens(), template=None, config=CONFIG, chat_template=None, special_tokens={}, prefill_token_ns=1000
    )
    options = EngineOptions(model="tiny", path="", digest_cache="", slots=CONFIG.slots, n_ctx=CONFIG.n_ctx)
    writer_fd = os.open(os.devnull, os.O_WRONLY)
    yield Worker(engine, options, EnginePipe(io.BytesIO(), writer_fd))
    os.close(writer_fd)


@pytest.mark.parametrize(("ago_ns", "least_s"), [(3 * 10**9, 3.0), (-60 * 10**9, 0.0)])
def test_ages(worker: Worker, ago_ns: int, least_s: float) -> None:
    """A stamp in the past has its age; one that another thread made after the clock was read has none."""
    stamp_ns = time.monotonic_ns() - ago_ns
    worker._loop.step_started_ns = stamp_ns
    worker._loop.scheduler.add(sequence("waits", [1, 2, 3], 4, queued_ns=stamp_ns))
    heartbeat = worker._heartbeat()
    for age_s in (heartbeat.step_age_s, heartbeat.sample.queue_oldest_age_s):
        assert least_s <= age_s < least_s + 30
