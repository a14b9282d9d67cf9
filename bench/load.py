"""The load generator: `python -m bench.load PLAN` (JSON) sends a bounded number of chats and prints what it
measured.

A process of its own, so that neither the gateway nor the scenario shares an interpreter with it.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import msgspec

from bench.client import Connection, Sample

TIMEOUT_S = 300.0
TOPICS = (
    "Describe a lighthouse in a storm.",
    "Explain how bread rises.",
    "Tell a story about a lost umbrella.",
    "Compare rivers and roads.",
    "Describe the sounds of a city at night.",
    "Explain why leaves change colour.",
    "Tell a story about two clocks.",
    "Describe how to plant a garden.",
)


class LoadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """`requests` chats of at most `max_tokens` tokens, `concurrency` at a time. `salt` makes prompts and
    request ids unlike those of all other plans, so that no cache helps. `fields` are further ones of each
    body.
    """

    host: str
    port: int
    model: str
    salt: str
    requests: int
    concurrency: int = 1
    max_tokens: int = 64
    stream: bool = True
    fields: dict[str, int | bool] = {}


class LoadResult(msgspec.Struct, frozen=True):
    """Seconds from the first request to the last answer, and every chat."""

    wall_s: float
    samples: list[Sample]

    @property
    def tokens_per_second(self) -> float:
        """Output tokens of all chats per second of wall time."""
        return sum(sample.timings.predicted_n for sample in self.samples) / self.wall_s

    @property
    def requests_per_second(self) -> float:
        """Answered chats per second of wall time."""
        return len(self.samples) / self.wall_s

    def median(self, figure: Callable[[Sample], float]) -> float:
        """Median over all chats of a figure of each."""
        return statistics.median(figure(sample) for sample in self.samples)


def generate(plan: LoadPlan) -> LoadResult:
    """Run a plan in a load generator process.

    Raises:
        subprocess.CalledProcessError: a chat failed; its reason is on standard error.
    """
    command = [sys.executable, "-m", "bench.load", msgspec.json.encode(plan).decode()]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=TIMEOUT_S, check=True)
    return msgspec.json.decode(done.stdout, type=LoadResult)


def body_of(plan: LoadPlan, index: int) -> bytes:
    """The body of one chat; the salt comes first, so that prompts differ from their beginning."""
    content = f"{plan.salt} {index}: {TOPICS[index % len(TOPICS)]}"
    request = {
        "model": plan.model,
        "messages": [{"role": "user", "content": content}],
        "max_tokens": plan.max_tokens,
        "temperature": 0,
        "stream": plan.stream,
        **plan.fields,
    }
    return msgspec.json.encode(request)


async def run(plan: LoadPlan) -> LoadResult:
    """Run a plan here."""
    connections = [
        await Connection.open(plan.host, plan.port) for _ in range(min(plan.concurrency, plan.requests))
    ]
    work = iter([(index, body_of(plan, index)) for index in range(plan.requests)])
    samples: list[Sample] = []
    begun_s = time.monotonic()
    async with asyncio.TaskGroup() as users:
        for connection in connections:
            users.create_task(_user(connection, plan.salt, work, samples))
    wall_s = time.monotonic() - begun_s
    for connection in connections:
        connection.close()
    return LoadResult(wall_s, samples)


async def _user(
    connection: Connection, salt: str, work: Iterator[tuple[int, bytes]], samples: list[Sample]
) -> None:
    for index, body in work:
        samples.append(await connection.chat(body, f"{salt}.{index}"))


if __name__ == "__main__":
    result = asyncio.run(run(msgspec.json.decode(sys.argv[1], type=LoadPlan)))
    sys.stdout.buffer.write(msgspec.json.encode(result))
