"""The benchmark's fake engine over the real pipe: it speaks the protocol, takes its scripted time, and
ends with us.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from bench.fake_engine import BUILD, Script
from gateway.engine.frames import HEADER, body_length, decode_reply, frame
from gateway.engine.options import EngineOptions
from gateway.engine.protocol import (
    Admitted,
    Cancel,
    Finished,
    Heartbeat,
    Message,
    Ready,
    Reply,
    Started,
    Step,
    Submit,
    Timing,
)
from gateway.sampling import Sampling
from telemetry.events import Phase

ROOT = Path(__file__).resolve().parents[2]
PREFILL_MS = 40
STEP_MS = 10
PATIENCE_S = 60.0


class Pipe:
    """Our end of a fake engine's pipe."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self._requests = process.stdin
        self._replies: BinaryIO = process.stdout  # type: ignore[assignment]

    def send(self, message: Message) -> None:
        self._requests.write(frame(message))
        self._requests.flush()

    def close(self) -> None:
        """As a gateway that is gone does."""
        self._requests.close()

    def next(self) -> Reply:
        """The next message that is no heartbeat; the end of the pipe is an error."""
        while True:
            header = self._replies.read(HEADER.size)
            assert len(header) == HEADER.size, f"the engine ended: {self.process.wait()}"
            reply: Reply = decode_reply(self._replies.read(body_length(header)))
            if not isinstance(reply, Heartbeat):
                return reply

    def until_finished(self) -> tuple[list[Reply], Finished]:
        """All replies up to the end of the request, and that end."""
        replies: list[Reply] = []
        while not isinstance(reply := self.next(), Finished):
            replies.append(reply)
        return replies, reply


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Pipe]:
    """A loaded fake engine with scripted delays; killed when a test hangs, so that reading from it ends."""
    options = EngineOptions(
        model="fake", path=str(tmp_path / "fake.gguf"), digest_cache=str(tmp_path / "digests.json"), slots=2
    )
    env = {**os.environ, "FAKE_PREFILL_MS": str(PREFILL_MS), "FAKE_STEP_MS": str(STEP_MS)}
    command = [sys.executable, "-m", "bench.fake_engine", options.to_argument()]
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        watchdog = threading.Timer(PATIENCE_S, process.kill)
        watchdog.start()
        pipe = Pipe(process)
        ready = pipe.next()
        assert isinstance(ready, Ready)
        assert (ready.config.architecture, ready.config.llama_cpp_build) == ("fake", BUILD), (
            "it must not pass for a model"
        )
        yield pipe
        watchdog.cancel()
        process.kill()


def chat(name: str, max_tokens: int) -> Submit:
    """A short chat."""
    return Submit(
        id=name, messages=[{"role": "user", "content": "Hi!"}], sampling=Sampling(), max_tokens=max_tokens
    )


def milliseconds(timing: Timing) -> float:
    return (timing.end_ns - timing.start_ns) / 1e6


def test_a_chat_takes_the_scripted_time(engine: Pipe) -> None:
    """Admitted, Started, Steps, Finished; prefill and decode are recorded as at least as long as they
    were.
    """
    engine.send(chat("one", max_tokens=6))
    replies, finished = engine.until_finished()
    kinds = [type(reply) for reply in replies]
    assert kinds == [Admitted, Started, *[Step] * 6]
    text = (
        "".join(delta.text for reply in replies if isinstance(reply, Step) for delta in reply.deltas)
        + finished.text
    )
    assert len(text) == finished.completion_tokens == 6
    assert finished.reason == "length"
    timings = {timing.phase: milliseconds(timing) for timing in finished.timings}
    assert PREFILL_MS <= timings[Phase.PREFILL] < 1000 * PATIENCE_S
    assert timings[Phase.DECODE] >= 5 * STEP_MS
    assert len(finished.gaps_us) == 5
    assert all(gap >= 1000 * STEP_MS for gap in finished.gaps_us)


def test_a_cancel_ends_a_running_chat(engine: Pipe) -> None:
    """A chat that would run for minutes ends within the steps that were under way."""
    engine.send(chat("long", max_tokens=8000))
    while not isinstance(engine.next(), Step):
        continue
    engine.send(Cancel("long"))
    _, finished = engine.until_finished()
    assert (finished.id, finished.reason) == ("long", "cancelled")
    assert finished.completion_tokens < 8000


def test_it_ends_when_the_gateway_is_gone(engine: Pipe) -> None:
    """The end of its input ends the process, a running chat or not."""
    engine.send(chat("orphan", max_tokens=8000))
    assert isinstance(engine.next(), Admitted)
    engine.close()
    assert engine.process.wait(30) == 0


def test_the_script_comes_from_the_environment() -> None:
    """Milliseconds in variables, seconds inside, nothing where nothing is said."""
    assert Script.from_env({}) == Script(0, 0, 0)
    assert Script.from_env({"FAKE_LOAD_MS": "5", "FAKE_PREFILL_MS": "20", "FAKE_STEP_MS": "2.5"}) == Script(
        0.005, 0.02, 0.0025
    )
