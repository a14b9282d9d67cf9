"""Where prompts are cut, so that each token is computed by the same kernel every time."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.backend import Part
from gateway.engine.cache.blocks import Blocks
from gateway.engine.cache.spans import MessageSpan
from gateway.engine.llama.batch import groups

ROWS = 64
SIZES = st.lists(st.integers(1, 400), min_size=1, max_size=7)


def chat(sizes: list[int]) -> tuple[list[MessageSpan], int]:
    """The spans of a chat whose messages, from users and assistants in turn, have so many tokens; and all
    tokens.
    """
    ends = list(itertools.accumulate(sizes))
    starts = [0, *ends[:-1]]
    spans = [
        MessageSpan(("user", "assistant")[number % 2], start, min(start + number % 2, end), end, number)
        for number, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]
    return spans, ends[-1]


def chunks(blocks: Blocks, size: int, most: int, start: int = 0) -> list[int]:
    """How a prompt is computed from `start` on, with the same budget in each step."""
    found: list[int] = []
    while start < size:
        found.append(min(blocks.chunk(start, most), size - start))
        start += found[-1]
    return found


@given(st.integers(ROWS, 4000), st.integers(ROWS, 600))
def test_every_chunk_of_a_long_message_is_large_enough_for_its_kernel(size: int, most: int) -> None:
    """And none is larger than the budget but where a rest would be too small; then by half the rows, or at
    the end alone.
    """
    cut = chunks(Blocks([MessageSpan("user", 0, 0, size, 0)], size, ROWS), size, most)
    assert sum(cut) == size
    assert min(cut) >= ROWS
    assert max(cut) <= max(most + ROWS // 2, 0 if len(cut) > 1 else 2 * ROWS - 1)
    assert len(cut) <= -(-size // most)
    assert sum(part > most for part in cut) <= 2


@given(SIZES, st.integers(ROWS, 600), st.data())
def test_the_cut_decides_nothing(sizes: list[int], most: int, data: st.DataObject) -> None:
    """Each token is computed by the same kernel from the beginning as behind any prefix that may be taken
    from the cache.
    """
    spans, size = chat(sizes)
    blocks = Blocks(spans, size, ROWS)
    whole = kernels(blocks, chunks(blocks, size, most))
    held = blocks.round_hit(data.draw(st.integers(0, size)), np.array(whole, dtype=np.bool_))
    assert whole[held:] == kernels(blocks, chunks(blocks, size, data.draw(st.integers(ROWS, 600)), held))


def kernels(blocks: Blocks, cut: list[int]) -> list[bool]:
    """Whether the large kernel computes each token."""
    return [blocks.is_large(part) for part in cut for _ in range(part)]


PARTS = st.lists(st.tuples(st.integers(1, 200), st.booleans()), min_size=1, max_size=6)


@given(PARTS, st.sampled_from([0, ROWS]))
def test_groups_hold_every_part_once_and_large_ones_alone(sizes: list[tuple[int, bool]], rows: int) -> None:
    """What is beside a large part would take tokens away from its kernel."""
    parts = [
        Part(slot, [0] * (count if prefill else 1), 0, sample=True, prefill=prefill)
        for slot, (count, prefill) in enumerate(sizes)
    ]
    grouped = groups(parts, rows)
    assert sorted(part.slot for group in grouped for part in group) == [part.slot for part in parts]
    for group in grouped if rows else []:
        assert len(group) == 1 or all(len(part.tokens) < rows for part in group)
        assert len({part.prefill for part in group}) == 1
    assert len(grouped) == 1 or rows
