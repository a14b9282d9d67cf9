"""Intake of embedding requests, with a vocabulary of bytes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

import pytest

from gateway.engine.embedding.intake import MAX_VECTORS_BYTES, EmbeddingIntake
from gateway.engine.embedding.packer import Job, Vector
from gateway.engine.protocol import Admitted, Embed, Finished, Message, Refused


class ByteEmbedder:
    """Tokens are bytes; nothing is computed."""

    ranks = False

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self.seen: list[int] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def tokenize_input(self, text: str) -> list[int]:
        self.seen.append(len(text))
        self.meanwhile()
        return list(text.encode())

    def tokenize_pair(self, query: str, document: str) -> list[int]:
        self.seen.append(len(query) + len(document))
        return list(f"{query}\n{document}".encode())

    def known(self, tokens: list[int]) -> bool:
        return all(token < 256 for token in tokens)

    def use_threads(self, threads: int) -> None:
        raise AssertionError("intake computes nothing")

    def embed(self, inputs: list[list[int]]) -> list[Vector]:
        raise AssertionError("intake computes nothing")


def intake(
    dimensions: int = 4, embedder: ByteEmbedder | None = None
) -> tuple[EmbeddingIntake, queue.SimpleQueue[Message], queue.SimpleQueue[Job | str]]:
    """A running intake for inputs of up to 8 tokens, what it says, and what it delivers."""
    said: queue.SimpleQueue[Message] = queue.SimpleQueue()
    delivered: queue.SimpleQueue[Job | str] = queue.SimpleQueue()
    made = EmbeddingIntake(embedder or ByteEmbedder(dimensions), 8, said.put, delivered.put)
    threading.Thread(target=made.run, daemon=True).start()
    return made, said, delivered


def test_a_cancellation_comes_behind_its_request() -> None:
    """So that the packer finds what it is to forget: one that comes while the last text is tokenised."""
    embedder = ByteEmbedder(4)
    taken, said, delivered = intake(embedder=embedder)
    embedder.meanwhile = lambda: taken.cancel("1")
    taken.submit(Embed(id="1", inputs=[[1, 2, 3], "ab"]))
    job, cancelled = delivered.get(timeout=30), delivered.get(timeout=30)
    assert isinstance(job, Job)
    assert (job.inputs, cancelled) == ([[1, 2, 3], [97, 98]], "1")
    admitted = said.get(timeout=30)
    assert isinstance(admitted, Admitted)
    assert admitted.prompt_tokens == 5


def test_a_cancelled_request_is_tokenised_no_further() -> None:
    """And its end is reported; the next one is taken."""
    embedder = ByteEmbedder(4)
    taken, said, delivered = intake(embedder=embedder)
    embedder.meanwhile = lambda: taken.cancel("1") if len(embedder.seen) == 2 else None
    taken.submit(Embed(id="1", inputs=["ab", "cd", "ef", "gh"]))
    taken.submit(Embed(id="2", inputs=["ij"]))
    finished = said.get(timeout=30)
    assert isinstance(finished, Finished)
    assert (finished.id, finished.reason) == ("1", "cancelled")
    assert isinstance(said.get(timeout=30), Admitted)
    assert embedder.seen == [2, 2, 2]
    assert {type(delivered.get(timeout=30)) for _ in range(2)} == {str, Job}


@pytest.mark.parametrize("query", [None, "q", "q" * 3_000_000])
def test_a_text_that_is_far_too_long_is_not_tokenised_whole(query: str | None) -> None:
    """The refusal says how much of it was seen, and what comes behind it is not looked at."""
    embedder = ByteEmbedder(4)
    taken, said, _ = intake(embedder=embedder)
    taken.submit(Embed(id="1", inputs=["ab", "x" * 3_000_000, "cd"], query=query))
    refused = said.get(timeout=30)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.at_least) == ("context_length_exceeded", True)
    assert f"at least {refused.details['n_prompt_tokens']} tokens" in refused.message
    assert sum(embedder.seen) < 100_000
    assert list(refused.timings[0].attributes) == ["characters"]


def test_a_document_is_named_by_its_index() -> None:
    """With a query, the offending field is `documents`."""
    taken, said, _ = intake()
    taken.submit(Embed(id="1", inputs=["ab", "much too long"], query="q"))
    refused = said.get(timeout=30)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.param) == ("context_length_exceeded", "documents[1]")


def test_what_would_not_fit_a_frame_is_refused() -> None:
    """A frame that is too long would end the engine."""
    taken, said, _ = intake(dimensions=MAX_VECTORS_BYTES // 8)
    taken.submit(Embed(id="1", inputs=["a", "b"]))
    taken.submit(Embed(id="2", inputs=["a", "b", "c"]))
    assert isinstance(said.get(timeout=30), Admitted)
    refused = said.get(timeout=30)
    assert isinstance(refused, Refused)
    assert (refused.id, refused.param) == ("2", "input")


def test_more_dimensions_than_there_are_are_refused_before_anything_is_computed() -> None:
    """The error comes at once, and names the field."""
    taken, said, delivered = intake(dimensions=4)
    taken.submit(Embed(id="1", inputs=["ab"], dimensions=5))
    taken.submit(Embed(id="2", inputs=["ab"], dimensions=4, caller="team"))
    refused = said.get(timeout=30)
    assert isinstance(refused, Refused)
    assert (refused.id, refused.param) == ("1", "dimensions")
    job = delivered.get(timeout=30)
    assert isinstance(job, Job)
    assert (job.id, job.caller) == ("2", "team")
