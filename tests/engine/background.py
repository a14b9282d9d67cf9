"""Background requests, and a rig that notes who is placed and who is thrown out."""

from __future__ import annotations

from typing import Any

from gateway.engine.cache.blocks import Blocks
from gateway.engine.cache.entry import Origin
from gateway.engine.cache.spans import MessageSpan
from gateway.engine.sequence.sequence import Sequence
from tests.engine.fakes import expected, sequence
from tests.engine.rig import Rig

ROWS = 64
"""As llama.cpp on a CPU."""


def text(prompt: list[int], count: int) -> str:
    return "".join(f"<{token}>" for token in expected(prompt, count))


def behind(name: str, prompt: list[int], max_tokens: int, **more: Any) -> Sequence:
    """A background request."""
    return sequence(name, prompt, max_tokens, origin=Origin(background=True), **more)


class Watched(Rig):
    """Notes each time that a sequence was put into a slot, and that one was thrown out; a step that computes
    nothing though there is work ends the test.
    """

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.placed: list[str] = []
        self.suspended: list[str] = []
        place, suspend = self.placement.place, self.placement.suspend

        def noting_place(placed: Sequence, free: list[int]) -> Any:
            found = place(placed, free)
            self.placed += [placed.id] if isinstance(found, int) else []
            return found

        def noting_suspend(suspended: Sequence) -> None:
            self.suspended.append(suspended.id)
            suspend(suspended)

        self.placement.place = noting_place  # type: ignore[method-assign,assignment]  # to look at what is done
        self.placement.suspend = noting_suspend  # type: ignore[method-assign,assignment]

    def step(self) -> Any:
        idle = self.scheduler.idle
        batch = super().step()
        assert batch.parts or idle, "there is work, and nothing is computed"
        return batch


def with_blocks(made: Sequence) -> Sequence:
    """As if llama.cpp computed it with two kernels."""
    size = len(made.request.prompt)
    made.progress.blocks = Blocks([MessageSpan("user", 0, 0, size, 1)], size, ROWS)
    return made
