"""What a heartbeat says of ages: seconds, and never less than none."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from gateway.engine.engine import Engine
from gateway.engine.options import EngineOptions
from gateway.engine.pipe import EnginePipe
from gateway.engine.schedule.worker import ChatWorker
from tests.engine.fakes import END, FakeBackend, FakeVocabulary, sequence
from tests.telemetry.records import CONFIG


class _Tokens(FakeVocabulary):
    n_vocab = 1 << 20
    end_tokens = (END,)

    def plain_tokens(self, text: str) -> list[int]:
        return self.tokenize(text)

    def tokenize(self, text: str) -> list[int]:
        return [ord(character) for character in text]

    def sizes(self, tokens: list[int]) -> npt.NDArray[np.int64]:
        return np.array([len(chr(token).encode()) for token in tokens], dtype=np.int64)


@pytest.fixture
def cache_folder(tmp_path: Path) -> Path:
    """Where the prefix cache's files belong; a test may spoil it."""
    return tmp_path / "prefix"


@pytest.fixture
def worker(cache_folder: Path) -> Iterator[ChatWorker]:
    """A worker whose threads do not run, so that its state stands still."""
    engine = Engine(
        backend=FakeBackend(),
        tokens=_Tokens(),
        template=None,
        config=CONFIG,
        chat_template=None,
        special_tokens={},
        prefill_token_ns=1000,
    )
    options = EngineOptions(
        model="tiny",
        path="",
        digest_cache="",
        slots=CONFIG.slots,
        n_ctx=CONFIG.n_ctx,
        cache_folder=str(cache_folder),
        cache_ram_bytes=10**6,
        cache_disk_bytes=10**6,
    )
    writer_fd = os.open(os.devnull, os.O_WRONLY)
    made = ChatWorker(engine, options, EnginePipe(io.BytesIO(), writer_fd))
    yield made
    made._disk.close()
    os.close(writer_fd)


@pytest.mark.parametrize(("ago_ns", "least_s"), [(3 * 10**9, 3.0), (-60 * 10**9, 0.0)])
def test_ages(worker: ChatWorker, ago_ns: int, least_s: float) -> None:
    """A stamp in the past has its age; one that another thread made after the clock was read has none."""
    stamp_ns = time.monotonic_ns() - ago_ns
    worker._loop.step_started_ns = stamp_ns
    worker._loop.scheduler.add(sequence("waits", [1, 2, 3], 4, queued_ns=stamp_ns))
    heartbeat = worker._heartbeat()
    for age_s in (heartbeat.step_age_s, heartbeat.sample.queue_oldest_age_s):
        assert least_s <= age_s < least_s + 30


@pytest.mark.parametrize("spoiled", [False, True])
def test_a_disk_tier_that_cannot_be_had_says_why(
    worker: ChatWorker, cache_folder: Path, spoiled: bool
) -> None:
    """Where the folder should be is a file: opening raises nothing, and the heartbeat has reason and
    count; else there is none.
    """
    if spoiled:
        cache_folder.write_text("in the way")
    worker._disk.open()
    cache = worker._heartbeat().sample.cache
    assert cache is not None
    assert ("Not a directory" in cache.disk_off) is spoiled
    assert cache.discarded == ({"disk_off": 1} if spoiled else {})
