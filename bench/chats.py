"""Chats of several turns: `python -m bench.chats PLAN` (JSON) holds them with one server and prints every
turn.

A process of its own, like `bench.load`. Each turn sends back the answers that were received before, and
nobody sends a turn before its chat's last one was answered.
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import msgspec

from bench.client import Connection, Turn
from bench.figures import percentile
from bench.server import Server

TIMEOUT_S = 400.0


class Said(msgspec.Struct, frozen=True):
    """One message of a chat."""

    role: str
    content: str


class Chat(msgspec.Struct, frozen=True, kw_only=True):
    """`history` is sent before the first question; `after_s` delays each turn, for arrivals in the midst
    of others.
    """

    questions: list[str]
    history: list[Said] = []
    after_s: float = 0.0
    max_tokens: int = 48


class ChatPlan(msgspec.Struct, frozen=True, kw_only=True):
    """`order` names the chat of each turn; `workers` turns run at once."""

    host: str
    port: int
    model: str
    salt: str
    chats: list[Chat]
    order: list[int]
    workers: int


class Held(msgspec.Struct, frozen=True):
    """One turn of the chat number `chat`; turns count from 1."""

    chat: int
    number: int
    turn: Turn


class Conversation(msgspec.Struct, frozen=True):
    """Every turn of a plan, in the order in which they ended, and seconds from the first request to the
    last answer.
    """

    wall_s: float
    held: list[Held]

    @property
    def turns(self) -> list[Turn]:
        """All turns."""
        return [held.turn for held in self.held]

    @property
    def tokens_per_second(self) -> float:
        """Output tokens of all chats per second of wall time."""
        return sum(turn.completion_tokens for turn in self.turns) / self.wall_s

    def percentile(self, share: float, figure: Callable[[Turn], float]) -> float:
        """Percentile over all turns of a figure of each."""
        return percentile([figure(turn) for turn in self.turns], share)

    def of(self, chat: int) -> list[Turn]:
        """The turns of one chat, in order."""
        return [held.turn for held in sorted(self.held, key=lambda held: held.number) if held.chat == chat]

    @property
    def cached_share(self) -> float:
        """Cached tokens of what could be cached: prompt and answer of the turn before, less the token
        sampled last.
        """
        pairs = [pair for chat in {held.chat for held in self.held} for pair in _pairs(self.of(chat))]
        return sum(min(cached, possible) for cached, possible in pairs) / sum(
            possible for _, possible in pairs
        )


def _pairs(turns: list[Turn]) -> Iterator[tuple[int, int]]:
    for before, after in itertools.pairwise(turns):
        yield after.cached_tokens, before.prompt_tokens + before.completion_tokens - 1


def hold(
    server: Server,
    salt: str,
    chats: list[Chat],
    *,
    workers: int = 1,
    order: list[int] | None = None,
    model: str = "",
) -> Conversation:
    """Hold chats with a server (and one of its models) from a process of their own; without `order`, chat by
    chat.

    Raises:
        subprocess.CalledProcessError: a chat failed; its reason is on standard error.
    """
    in_turn = [number for number, chat in enumerate(chats) for _ in chat.questions]
    plan = ChatPlan(
        host=server.host,
        port=server.port,
        model=model or server.model,
        salt=salt,
        chats=chats,
        order=in_turn if order is None else order,
        workers=workers,
    )
    command = [sys.executable, "-m", "bench.chats"]
    done = subprocess.run(
        command, input=msgspec.json.encode(plan), stdout=subprocess.PIPE, timeout=TIMEOUT_S, check=True
    )
    return msgspec.json.decode(done.stdout, type=Conversation)


class _Talk:
    """A chat in progress."""

    def __init__(self, number: int, chat: Chat) -> None:
        self.lock = asyncio.Lock()
        self.number = number
        self._chat = chat
        self._messages = list(chat.history)
        self._turn = 0

    async def next(self, connection: Connection, plan: ChatPlan) -> Held:
        """Ask the next question."""
        if self._chat.after_s:
            await asyncio.sleep(self._chat.after_s)
        self._messages.append(Said("user", self._chat.questions[self._turn]))
        self._turn += 1
        request = {
            "model": plan.model,
            "messages": self._messages,
            "max_tokens": self._chat.max_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        turn = await connection.turn(msgspec.json.encode(request), f"{plan.salt}.{self.number}.{self._turn}")
        self._messages.append(Said("assistant", turn.text))
        return Held(self.number, self._turn, turn)


async def run(plan: ChatPlan) -> Conversation:
    """Run a plan here."""
    talks = [_Talk(number, chat) for number, chat in enumerate(plan.chats)]
    work, held = iter(plan.order), list[Held]()
    begun_s = time.monotonic()
    async with asyncio.TaskGroup() as workers:
        for _ in range(plan.workers):
            workers.create_task(_worker(plan, talks, work, held))
    return Conversation(time.monotonic() - begun_s, held)


async def _worker(plan: ChatPlan, talks: list[_Talk], work: Iterator[int], held: list[Held]) -> None:
    """A connection per turn, opened before the clock runs: the peer ends a kept one after a few requests."""
    for number in work:
        async with talks[number].lock:  # fair: turns of one chat keep their order
            connection = await Connection.open(plan.host, plan.port)
            held.append(await talks[number].next(connection, plan))
            connection.close()


if __name__ == "__main__":
    result = asyncio.run(run(msgspec.json.decode(sys.stdin.buffer.read(), type=ChatPlan)))
    sys.stdout.buffer.write(msgspec.json.encode(result))
