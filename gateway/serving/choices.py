"""Several answers to one request: a call for each, and one record that tells of all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from gateway.errors import ApiError
from gateway.serving.call import Call
from gateway.serving.work import Answer, Delta, Generate, Piece
from telemetry.events import Phase, PhaseTiming
from telemetry.record import RequestRecord

Result = TypeVar("Result")


def choices_of(work: Generate, n: int, first: int = 0) -> list[Generate]:
    """The same work `n` times, numbered from `first`. A seed that was given is another one for each, in a
    fixed order: the answers differ, and come again.
    """
    return [_choice(work, number, first) for number in range(n)]


def _choice(work: Generate, number: int, first: int) -> Generate:
    seed = work.sampling.seed
    if first + number == work.choice:
        return work
    if seed is None or number == 0:
        return replace(work, choice=first + number)
    sampling = work.sampling.with_seed(seed + number)
    return replace(work, choice=first + number, sampling=sampling)


def aside(record: RequestRecord) -> RequestRecord:
    """A record of another answer to the same request, which no sink is told of."""
    return replace(record, phases=[], chunks=[], params={}, content=None)


class Choices:
    """The calls of one request. The first one's record is the request's own, in which the others are
    summed up at the end.
    """

    def __init__(self, calls: Sequence[Call], prompts: int = 1) -> None:
        self._calls = list(calls)
        self._prompts = prompts
        self._summed = False

    async def accepted(self) -> None:
        """Until all are taken.

        Raises:
            ApiError: one was refused; the others are cancelled.
        """
        await self._all([call.accepted() for call in self._calls])

    async def answers(self) -> list[Answer]:
        """The answers in order.

        Raises:
            ApiError: one failed; the others are cancelled.
        """
        answers = await self._all([call.answer() for call in self._calls])
        self._sum_up()
        return answers

    async def follow(self, write: Callable[[Piece], None]) -> None:
        """Have each piece written, until all have ended.

        Raises:
            ApiError: one failed; the others are cancelled.
        """
        await self._all([call.follow(_numbered(write, number)) for number, call in enumerate(self._calls)])
        self._sum_up()

    @property
    def finish_reasons(self) -> list[str | None]:
        """Why each answer ended."""
        return [call.record.finish_reason for call in self._calls]

    def cancel(self) -> None:
        """Ask for the end of all; harmless for those that have ended."""
        for call in self._calls:
            call.cancel()

    async def over(self, timeout_s: float) -> None:
        """Until the end of all was reported, or the time is up."""
        await asyncio.gather(*(call.over(timeout_s) for call in self._calls))
        self._sum_up()

    async def _all(self, waits: Sequence[Awaitable[Result]]) -> list[Result]:
        if len(waits) == 1:
            return [await waits[0]]
        try:
            return list(await asyncio.gather(*waits))
        except ApiError:
            self.cancel()
            raise

    def _sum_up(self) -> None:
        """Into the first record, once."""
        if not self._summed and len(self._calls) > 1:
            self._summed = True
            sum_up([call.record for call in self._calls], self._prompts)


def sum_up(records: Sequence[RequestRecord], prompts: int) -> None:
    """Write into the first record what all of them are together. The prompt counts once for all answers to
    it; tokens of answers are summed; times are from the first token of any to the last token of any.
    """
    own, answers = records[0], len(records) // prompts
    asked = records[::answers]
    own.prompt_tokens = _sum([record.prompt_tokens for record in asked])
    own.completion_tokens = _sum([record.completion_tokens for record in records])
    firsts = [record.first_token_ns for record in records if record.first_token_ns is not None]
    lasts = [record.last_token_ns for record in records if record.last_token_ns is not None]
    own.first_token_ns, own.last_token_ns = min(firsts, default=None), max(lasts, default=None)
    own.delayed_by = [delay for record in records for delay in record.delayed_by if delay.seq != own.seq]
    own.delayed = [delay for record in records for delay in record.delayed if delay.seq != own.seq]
    _stretch_decode(records)


def _stretch_decode(records: Sequence[RequestRecord]) -> None:
    """The request decodes until the last of its answers has."""
    own = records[0]
    decodes = [timing for record in records if (timing := record.phase(Phase.DECODE)) is not None]
    if not decodes:
        return
    begin, end = min(one.start_ns for one in decodes), max(one.end_ns for one in decodes)
    whole = PhaseTiming(Phase.DECODE, begin, end, decodes[0].attributes)
    own.phases = [timing for timing in own.phases if timing.phase is not Phase.DECODE] + [whole]


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _numbered(write: Callable[[Piece], None], number: int) -> Callable[[Delta], None]:
    return lambda delta: write(Piece(number, delta))
