"""The outbox: what the decode loop tells the gateway, and when: every message costs both processes a wake-up,
on cores that decode needs.

Text that is streamed goes with its step. Everything else (progress of a prompt, tokens of an answer that is
sent whole or that is held back) is told together, ten times a second: only the live view looks at it. Stamps
and gaps are exact in any case, since `Finished` carries them. It knows no clock: time is an argument.
"""

from __future__ import annotations

from gateway.engine.protocol import Delta, Finished, Message, Step

TELL_EVERY_NS = 100_000_000
"""Longest time for which a news that nobody waits for is kept."""


class Outbox:
    """Gathers what steps gave, and says what of it is to be sent now. Used by one thread."""

    def __init__(self, every_ns: int = TELL_EVERY_NS) -> None:
        self._every_ns = every_ns
        self._told_ns = 0
        self._whole: set[str] = set()
        self._begun: set[str] = set()
        self._kept: dict[str, tuple[int, Delta]] = {}

    def expect(self, request_id: str, *, streamed: bool) -> None:
        """A request begins; if it is not streamed, its text has time until its end."""
        if not streamed:
            self._whole.add(request_id)

    def post(self, deltas: list[Delta], finished: list[Finished], end_ns: int) -> list[Message]:
        """The messages to send now, in order, of what a step (or a cancel, or a failure) at `end_ns` led to
        and of what was kept.
        """
        ended = [message.id for message in finished]
        urgent = [delta.id for delta in deltas if self._keep(delta, end_ns)]
        if end_ns - self._told_ns >= self._every_ns:
            self._told_ns, urgent = end_ns, list(self._kept)
        told = self._steps({*urgent, *ended})
        self._whole.difference_update(ended)
        self._begun.difference_update(ended)
        return [*told, *finished]

    def _keep(self, delta: Delta, end_ns: int) -> bool:
        """Add to what is kept of a request; returns whether it must be told now: a first token, or text that
        is waited for.
        """
        _, before = self._kept.get(delta.id, (0, None))
        text = delta.text if before is None else before.text + delta.text
        logprobs = delta.logprobs if before is None else before.logprobs + delta.logprobs
        self._kept[delta.id] = end_ns, Delta(delta.id, text, delta.tokens, delta.prefilled, logprobs)
        if delta.tokens and delta.id not in self._begun:
            self._begun.add(delta.id)
            return True
        return bool(text) and delta.id not in self._whole

    def _steps(self, ids: set[str]) -> list[Message]:
        """The news that are kept of these requests; a message for each step that was the last to give one of
        them something.
        """
        steps: dict[int, list[Delta]] = {}
        for request_id in ids & self._kept.keys():
            end_ns, delta = self._kept.pop(request_id)
            steps.setdefault(end_ns, []).append(delta)
        return [Step(end_ns, steps[end_ns]) for end_ns in sorted(steps)]
