"""Keeps one engine alive: start, restart with back-off, kill when it hangs, give up after repeated
failures.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.serving.local.process import EngineProcess
from telemetry.events import EngineState, EngineStatus
from telemetry.logs.events import event
from telemetry.trace_ids import TraceIds

log = logging.getLogger(__name__)

WATCH_INTERVAL_S = 0.25


@dataclass(frozen=True, slots=True)
class Limits:
    """How much patience it has; seconds. See the `engine` settings."""

    heartbeat_timeout_s: float = 10.0
    step_timeout_s: float = 120.0
    load_timeout_s: float = 600.0
    max_restarts: int = 5
    first_backoff_s: float = 0.5
    longest_backoff_s: float = 30.0
    settled_s: float = 60.0


class Supervised(Protocol):
    """Of a handle (`gateway.serving.local.handle`), what its supervisor works with."""

    model: str
    status: EngineStatus
    limits: Limits
    process: EngineProcess | None
    last_heard_s: float
    step_age_s: float

    @property
    def loaded(self) -> bool:
        """Whether this process has said that it is ready."""

    async def start_process(self) -> EngineProcess:
        """Spawn the engine."""

    async def follow(self, process: EngineProcess) -> str:
        """Until it ends; why it could not load, where it said so."""

    def drop_calls(self, reason: str) -> None:
        """End everything in flight."""

    def announce(self, state: EngineState, reason: str = "", **changes: object) -> None:
        """Change the state and tell everybody."""


class Supervisor:
    """Runs the life of one engine process as a task."""

    def __init__(self, handle: Supervised) -> None:
        self._handle = handle
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; returns at once."""
        self._task = asyncio.create_task(self._run(), name=f"supervisor {self._handle.model}")

    async def stop(self, deadline_s: float) -> None:
        """End the engine and stay ended."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._handle.announce(EngineState.STOPPED, "was stopped")
        if self._handle.process is not None:
            if not self._handle.loaded:  # it hears us only once it has loaded, and has nothing to lose before
                self._handle.process.kill()
            await self._handle.process.stop(deadline_s)
        self._handle.drop_calls("was stopped")

    async def _run(self) -> None:
        failures = 0
        while True:
            began_s = time.monotonic()
            reason, final = await self._live()
            was_ready = self._handle.loaded
            settled = was_ready and time.monotonic() - began_s > self._handle.limits.settled_s
            failures = 1 if settled else failures + 1
            if final or failures > self._handle.limits.max_restarts:
                self._give_up(reason, failures)
                return
            await self._back_off(reason, failures)

    async def _live(self) -> tuple[str, bool]:
        """One life of the process: why it ended, and whether starting again is pointless."""
        handle = self._handle
        try:
            process = await handle.start_process()
        except OSError as error:
            return f"cannot be started: {error}", False
        broken = ""
        watch = asyncio.create_task(self._watch(process))
        try:
            load_failure = await handle.follow(process)
            await process.wait()
        except Exception:
            log.exception(
                "engine %s said something that cannot be understood",
                handle.model,
                extra=self._event("engine.not_understood"),
            )
            process.kill()
            await process.wait()
            load_failure, broken = "", "broke the protocol and was killed"
        finally:
            watch.cancel()
        handle.process = None
        watched = watch.result() if watch.done() else ""
        reason = load_failure or broken or watched or process.exit_reason
        handle.drop_calls(reason)
        return reason, bool(load_failure)

    async def _watch(self, process: EngineProcess) -> str:
        """Kill the process when it hangs; returns what was wrong."""
        handle, limits, began_s = self._handle, self._handle.limits, time.monotonic()
        while True:
            await asyncio.sleep(WATCH_INTERVAL_S)
            now_s = time.monotonic()
            if not handle.loaded:
                hung = (
                    f"took longer than {limits.load_timeout_s:g} s to load"
                    if now_s - began_s > limits.load_timeout_s
                    else ""
                )
            elif now_s - handle.last_heard_s > limits.heartbeat_timeout_s:
                hung = f"was silent for {limits.heartbeat_timeout_s:g} s and was killed"
            elif handle.step_age_s > limits.step_timeout_s + limits.heartbeat_timeout_s:
                # the engine was to give it up by itself
                hung = f"was stuck in one step for {handle.step_age_s:.0f} s and was killed"
            else:
                hung = ""
            if hung:
                process.kill()
                return hung

    async def _back_off(self, reason: str, failures: int) -> None:
        limits = self._handle.limits
        pause_s = min(limits.longest_backoff_s, limits.first_backoff_s * 2 ** (failures - 1))
        log.warning(
            "engine %s %s; starting it again in %.1f s",
            self._handle.model,
            reason,
            pause_s,
            extra=self._event("engine.restarting"),
        )
        restarts = self._handle.status.restarts + 1
        self._handle.announce(
            EngineState.RESTARTING, f"{reason}; it is started again", restarts=restarts, pid=None
        )
        await asyncio.sleep(pause_s)

    def _give_up(self, reason: str, failures: int) -> None:
        log.error(
            "engine %s is given up after %d failures: %s",
            self._handle.model,
            failures,
            reason,
            extra=self._event("engine.given_up"),
        )
        words = (
            f"is given up after {failures} failed starts: {reason}"
            if failures > 1
            else f"cannot be started: {reason}"
        )
        self._handle.announce(EngineState.FAILED, words, pid=None)

    def _event(self, name: str) -> dict[str, Any]:
        """Of a log line: the engine, and the trace of its load."""
        load = TraceIds.of(self._handle.status.load_traceparent)
        return event(name, trace=load, model=self._handle.model)
