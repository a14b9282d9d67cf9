"""A database of the first version with many rows; and, as a program, a nursery of processes that bring one up
to date until they are killed.

`python -m tests.store.old_database` says `ready`, reads lines `URL SECONDS`, forks a process that migrates
the database, kills it (`SIGKILL`) after so long, and answers `killed` or `done`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
import time
from pathlib import Path

from alembic import command
from sqlalchemy.engine import Connection

from telemetry.store import migrate
from telemetry.store.engine import create_migrator

REQUESTS = 20_000
MINUTES = 4_000
BUCKETS = 5
COUNTS = {
    "requests": REQUESTS,
    "request_phases": REQUESTS,
    "rollups": MINUTES,
    "rollup_histograms": MINUTES * BUCKETS,
}
EPOCH_US = 1_760_000_000 * 10**6


def make(url: str, path: Path | None) -> None:
    """Create it; rows only where there is a `path` to a SQLite file."""
    asyncio.run(_first_revision(url))
    if path is None:
        return
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO series VALUES (1, 'tiny', '', '0-512')")
    seqs = [(EPOCH_US + n * 60_000_000) << 10 for n in range(REQUESTS)]
    columns = (
        "seq, id, started_at, model, api, status, stream, conversation_id, prompt_tokens, context_bucket,"
        " total_ms, trace_id, params"
    )
    connection.executemany(
        f"INSERT INTO requests ({columns}) VALUES (?, ?, '2025-10-09 08:53:20', 'tiny', 'openai_chat', 'ok',"
        " 1, ?, 600, '512-1k', 9.5, ?, '{}')",
        [(seq, f"r{n}", f"c{n % 50}", f"{n:032x}") for n, seq in enumerate(seqs)],
    )
    connection.executemany("INSERT INTO request_phases VALUES (?, x'00112233')", [(seq,) for seq in seqs])
    first = EPOCH_US // 60_000_000
    connection.executemany(
        "INSERT INTO rollups VALUES (?, 1, 5, 0, 0, 3000, 0, 20)", [(first + n,) for n in range(MINUTES)]
    )
    buckets = [(first + n, bucket) for n in range(MINUTES) for bucket in range(BUCKETS)]
    connection.executemany("INSERT INTO rollup_histograms VALUES (?, 1, 'ttft', ?, 1)", buckets)
    connection.commit()
    connection.close()


async def _first_revision(url: str) -> None:
    def work(connection: Connection) -> None:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")

    engine = create_migrator(url)
    async with engine.begin() as connection:
        await connection.run_sync(work)
    await engine.dispose()


def _until_killed(url: str, seconds: float) -> str:
    child = os.fork()
    if child == 0:
        migrate.upgrade(url)
        os._exit(0)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG) != (0, 0):
            return "done"
        time.sleep(0.0005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "killed"


if __name__ == "__main__":
    migrate.head()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        url, seconds = line.split()
        sys.stdout.write(_until_killed(url, float(seconds)) + "\n")
        sys.stdout.flush()
