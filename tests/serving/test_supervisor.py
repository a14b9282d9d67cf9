"""The end of an engine, with real processes."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import psutil

from gateway.engine.options import EngineOptions
from gateway.serving.local.handle import EngineHandle
from telemetry.context_buckets import ContextBuckets
from telemetry.events import EngineState
from telemetry.recorder import Recorder

DEAF = (sys.executable, "-c", "import time; time.sleep(600)")
"""An engine that is loading: it reads nothing before it is done."""


def test_an_engine_that_loads_is_not_waited_for(tmp_path: Path) -> None:
    """Stopping while the model loads ends the process at once instead of waiting for the deadline."""
    asyncio.run(_stop_while_loading(tmp_path))


async def _stop_while_loading(folder: Path) -> None:
    options = EngineOptions(model="tiny", path="", digest_cache="", slots=1)
    handle = EngineHandle(options, Recorder([], ContextBuckets()), folder / "engine.log", command=DEAF)
    handle.start()
    while handle.process is None:
        await asyncio.sleep(0.01)
    pid = handle.process.pid
    async with asyncio.timeout(60):
        await handle.stop(deadline_s=600)
    assert not psutil.pid_exists(pid)
    assert handle.status.state is EngineState.STOPPED
