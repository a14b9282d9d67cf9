"""Intake: prompts that cannot fit cost little, and nobody works for a request that was cancelled."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from gateway.chat.template import ChatTemplate
from gateway.engine.cache.blocks import Blocks
from gateway.engine.cache.spans import message_spans
from gateway.engine.protocol import Admitted, Finished, Message, Refused, Submit
from gateway.engine.schedule import prompt_size
from gateway.engine.schedule.intake import Intake
from gateway.engine.schedule.prompt_size import AtLeast, tokens_within
from gateway.engine.sequence.sequence import Sequence
from gateway.sampling import Sampling
from telemetry.events import Phase

N_CTX = 1000
TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}<assistant>"
PATIENCE_S = 30


class Letters:
    """A letter is a token; counts what it was given."""

    n_vocab = 256
    end_tokens = (0,)

    def __init__(self) -> None:
        self.seen = 0
        self.calls: list[int] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def tokenize(self, text: str) -> list[int]:
        self.calls.append(len(text))
        self.meanwhile()
        return [ord(letter) % 256 for letter in text]

    def plain_tokens(self, text: str) -> list[int]:
        return [ord(letter) % 256 for letter in text]

    def sizes(self, tokens: list[int]) -> Any:
        return np.ones(len(tokens), dtype=np.int64)

    def piece(self, token: int) -> bytes:
        return bytes((token,))

    def is_end(self, token: int) -> bool:
        return False


class NoCache:
    """Finds nothing; counts what came so far."""

    def __init__(self) -> None:
        self.looked_up = 0

    def look_up(self, _sequence: Sequence, _request: Submit, _text: str, _start_ns: int) -> None:
        self.looked_up += 1

    def make_ready(self, sequence: Sequence, deliver: Callable[[Sequence], None]) -> None:
        deliver(sequence)


class Rig:
    """An intake on a thread of its own."""

    def __init__(self) -> None:
        self.letters, self.cache = Letters(), NoCache()
        self.said: queue.Queue[Message] = queue.Queue()
        self.samplers: list[tuple[Any, ...]] = []
        self.delivered: queue.Queue[Sequence] = queue.Queue()
        self.intake = Intake(
            template=ChatTemplate(TEMPLATE),
            tokenizer=self.letters,
            make_sampler=self._make_sampler,
            n_ctx=N_CTX,
            cache=self.cache,  # type: ignore[arg-type]  # what intake uses of it
            namespaces={},
            speculative=False,
            predict_ttft_ms=lambda _sequence: 1.0,
            send=self.said.put,
            deliver=self.delivered.put,
        )
        threading.Thread(target=self.intake.run, daemon=True).start()

    def _make_sampler(self, *asked: Any) -> None:
        self.samplers.append(asked)

    def ask(self, *texts: str, **more: Any) -> Message:
        """Submit a chat; the first thing that is said of it."""
        roles = ("user", "assistant")
        messages = [{"role": roles[number % 2], "content": text} for number, text in enumerate(texts)]
        self.intake.submit(Submit(id="a", messages=messages, sampling=Sampling(), **more))
        return self.said.get(timeout=PATIENCE_S)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_a_prompt_that_fits(rig: Rig) -> None:
    """It is counted, and handed over."""
    said = rig.ask("x" * 100)
    assert isinstance(said, Admitted)
    assert said.prompt_tokens == len("<user>" + "x" * 100 + "\n<assistant>")
    assert rig.delivered.get(timeout=PATIENCE_S).id == "a"


def test_a_prompt_that_is_a_little_too_long_is_counted(rig: Rig) -> None:
    """The refusal says exactly how long it is."""
    said = rig.ask("x" * 200_000)
    assert isinstance(said, Refused)
    assert (said.code, said.at_least) == ("context_length_exceeded", False)
    assert said.details == {"n_prompt_tokens": 200_018, "n_ctx": N_CTX}
    assert "requested 200018 tokens in" in said.message


def test_a_prompt_that_is_far_too_long_is_not_tokenised_whole(rig: Rig) -> None:
    """It is refused when enough of it was seen, and the refusal does not pretend to know more."""
    said = rig.ask("x" * 5_000_000)
    assert isinstance(said, Refused)
    assert (said.code, said.at_least) == ("context_length_exceeded", True)
    assert N_CTX < said.details["n_prompt_tokens"] <= 5_000_018
    assert f"requested {said.details['n_prompt_tokens']} tokens or more" in said.message
    assert sum(rig.letters.calls) < 100_000
    tokenized = next(timing for timing in said.timings if timing.phase == Phase.TOKENIZE)
    assert tokenized.attributes == {"characters": 5_000_018}


def test_long_words_are_no_reason_to_refuse() -> None:
    """A text of many characters that is few tokens is counted to its end, and then taken."""

    def tokenize(text: str) -> list[int]:
        return [1] * (len(text) // 100)

    text = "x" * 800_000
    assert tokens_within(text, 10_000, tokenize, lambda: None) == [1] * 8000
    found = tokens_within(text, 5000, tokenize, lambda: None)
    assert isinstance(found, AtLeast)
    assert 5000 < found <= 8000


def test_truncation_of_a_chat_that_is_far_too_long(rig: Rig) -> None:
    """It finds the turns that fit, says that it did not count the rest, and looks at little of it."""
    said = rig.ask(*["x" * 50_000] * 40, "y" * 50, truncate=True, max_tokens=10)
    assert isinstance(said, Admitted)
    assert said.truncation is not None
    assert said.truncation.dropped_messages == list(range(40))
    assert said.truncation.dropped_tokens is None
    assert sum(rig.letters.calls) < 1_000_000


def test_truncation_that_cannot_help(rig: Rig) -> None:
    """The last turn alone is far too long."""
    said = rig.ask("x" * 50_000, "x", "y" * 3_000_000, truncate=True)
    assert isinstance(said, Refused)
    assert said.at_least


def cancelled_while(rig: Rig, texts: list[str], calls: int, **more: Any) -> Finished:
    """Submit a chat that is cancelled when its text is tokenised for the so manieth time."""

    def meanwhile() -> None:
        if len(rig.letters.calls) == calls:
            rig.intake.cancel("a")

    rig.letters.meanwhile = meanwhile
    said = rig.ask(*texts, **more)
    assert isinstance(said, Finished)
    assert said.reason == "cancelled"
    assert rig.delivered.empty()
    return said


def test_a_cancel_while_a_prompt_is_counted(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of its pieces is left alone, and what was done is reported."""
    monkeypatch.setattr(prompt_size, "EDGE_TOKENS", 10**6)
    finished = cancelled_while(rig, ["x" * 5_000_000], 3)
    assert len(rig.letters.calls) == 3
    assert [timing.phase for timing in finished.timings] == [Phase.RENDER]


def test_a_cancel_while_turns_are_left_out(rig: Rig) -> None:
    """No more sizes are measured."""
    cancelled_while(rig, ["x" * 100] * 41, 2, truncate=True)
    assert len(rig.letters.calls) == 2


def test_a_cancel_before_the_lookup(rig: Rig) -> None:
    """The cache is not asked for nothing."""
    cancelled_while(rig, ["x" * 100], 1)
    assert rig.cache.looked_up == 0


def test_a_cancel_before_its_turn(rig: Rig) -> None:
    """A request that waited for others is not even rendered, and its id can be used again."""
    held, go = threading.Event(), threading.Event()

    def meanwhile() -> None:
        held.set()
        go.wait(PATIENCE_S)

    rig.letters.meanwhile = meanwhile
    first, second = (
        Submit(id=name, messages=[{"role": "user", "content": "x"}], sampling=Sampling()) for name in "ab"
    )
    rig.intake.submit(first)
    assert held.wait(PATIENCE_S)
    rig.intake.submit(second)
    rig.intake.cancel("b")
    go.set()
    said = [rig.said.get(timeout=PATIENCE_S), rig.said.get(timeout=PATIENCE_S)]
    assert [(type(message), message.id) for message in said] == [(Admitted, "a"), (Finished, "b")]  # type: ignore[attr-defined]
    assert len(rig.letters.calls) == 1
    rig.intake.submit(second)
    assert isinstance(rig.said.get(timeout=PATIENCE_S), Admitted)


class CountedBytes(bytes):
    """Bytes that know how many of them were searched."""

    searched = 0

    def find(self, sub: bytes, start: int, end: int) -> int:  # type: ignore[override]
        at = super().find(sub, start, end)
        CountedBytes.searched += (at if at >= 0 else min(end, len(self))) - start
        return at


class CountedText(str):
    """A text whose bytes count."""

    __slots__ = ()

    def encode(self, *args: Any, **kwargs: Any) -> bytes:
        return CountedBytes(super().encode(*args, **kwargs))


@pytest.mark.parametrize("found", [True, False])
def test_finding_messages_is_linear_in_their_number(found: bool) -> None:
    """Also where a template leaves all of them out."""
    searched = {}
    for count in (1000, 4000):
        messages = [
            {"role": "user", "content": f"message {number}" if found else f"never there {number}"}
            for number in range(count)
        ]
        text = CountedText("".join(f"<user>message {number}\n" for number in range(count)))
        CountedBytes.searched = 0
        spans = message_spans(text, messages, np.ones(len(text), dtype=np.int64))
        assert len(spans) == count
        searched[count] = CountedBytes.searched / count
    assert searched[4000] < 2 * searched[1000] + 8192


def test_blocks_are_linear_in_the_number_of_messages() -> None:
    """Each span is looked at a few times, however many there are."""

    class Watched(list[Any]):
        passes = 0

        def __iter__(self) -> Iterator[Any]:
            Watched.passes += 1
            return super().__iter__()

    messages = [
        {"role": ("user", "assistant")[number % 2], "content": f"m{number}"} for number in range(2000)
    ]
    text = "".join(f"<x>{message['content']}\n" for message in messages)
    spans = Watched(message_spans(text, messages, np.ones(len(text), dtype=np.int64)))
    Blocks(spans, len(text), 64)
    assert Watched.passes < 10
