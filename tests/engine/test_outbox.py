"""What the engine tells of its steps, and when: streamed text at once, everything else ten times a second."""

from __future__ import annotations

from gateway.engine.outbox import TELL_EVERY_NS, Outbox
from gateway.engine.protocol import Delta, Finished, Message, Step
from gateway.sampling import ChosenLogprob, TokenLogprob

MS = 1_000_000
START_NS = TELL_EVERY_NS
"""Far enough from 0 for the first news to be due."""


def _steps(messages: list[Message]) -> list[tuple[int, list[Delta]]]:
    return [(message.end_ns, message.deltas) for message in messages if isinstance(message, Step)]


def _begun(*ids: str, streamed: bool) -> Outbox:
    """An outbox that has just told the first token of these requests."""
    outbox = Outbox()
    for request_id in ids:
        outbox.expect(request_id, streamed=streamed)
    outbox.post([Delta(request_id, "a", 1, 3) for request_id in ids], [], START_NS)
    return outbox


def test_streamed_text_goes_with_its_step() -> None:
    """Each step's text of a streamed answer is a message of its own, at once."""
    outbox = _begun("s", streamed=True)
    for n in range(2, 5):
        assert _steps(outbox.post([Delta("s", f"{n}", n, 3)], [], START_NS + n * MS)) == [
            (START_NS + n * MS, [Delta("s", f"{n}", n, 3)])
        ]


def test_a_whole_answer_is_told_ten_times_a_second() -> None:
    """Tokens that nobody reads one by one wait, are told together, and lose no text; their stamp is their
    last step's.
    """
    outbox = _begun("w", streamed=False)
    told = [
        message
        for n in range(1, 40)
        for message in outbox.post([Delta("w", "x", 1 + n, 3)], [], START_NS + n * 8 * MS)
    ]
    assert [(end_ns - START_NS) // MS for end_ns, _ in _steps(told)] == [104, 208, 312]
    assert [deltas for _, deltas in _steps(told)] == [[Delta("w", "x" * 13, n, 3)] for n in (14, 27, 40)]


def test_slow_steps_are_each_told() -> None:
    """Where steps take longer than the interval the live view sees each of them."""
    outbox = _begun("w", streamed=False)
    assert [len(outbox.post([Delta("w", "x", n, 3)], [], START_NS + n * 150 * MS)) for n in range(1, 4)] == [
        1,
        1,
        1,
    ]


def test_the_first_token_is_told_at_once() -> None:
    """Whoever follows along sees that prefill is over, with the exact stamp; what others are kept waiting
    for stays kept.
    """
    outbox = _begun("w", streamed=False)
    outbox.expect("new", streamed=False)
    assert outbox.post([Delta("w", "x", 2, 3), Delta("new", "", 0, 5)], [], START_NS + 8 * MS) == []
    told = outbox.post([Delta("w", "x", 3, 3), Delta("new", "y", 1, 9)], [], START_NS + 16 * MS)
    assert told == [Step(START_NS + 16 * MS, [Delta("new", "y", 1, 9)])]


def test_streamed_text_that_is_held_back_wakes_nobody() -> None:
    """A token without text to show (half a character, a possible stop string) goes with the next text."""
    outbox = _begun("s", streamed=True)
    assert outbox.post([Delta("s", "", 2, 3)], [], START_NS + 8 * MS) == []
    assert _steps(outbox.post([Delta("s", "ab", 3, 3)], [], START_NS + 16 * MS)) == [
        (START_NS + 16 * MS, [Delta("s", "ab", 3, 3)])
    ]


def test_the_end_brings_what_was_kept() -> None:
    """The text that was kept comes before the end of its request, in the same list, also of a step that
    gave it nothing.
    """
    outbox = _begun("w", "other", streamed=False)
    outbox.post([Delta("w", "xy", 2, 3), Delta("other", "z", 2, 3)], [], START_NS + 8 * MS)
    finished = Finished(id="w", reason="cancelled")
    assert outbox.post([], [finished], START_NS + 9 * MS) == [
        Step(START_NS + 8 * MS, [Delta("w", "xy", 2, 3)]),
        finished,
    ]
    assert _steps(outbox.post([Delta("other", "z", 3, 3)], [], START_NS + 110 * MS)) == [
        (START_NS + 110 * MS, [Delta("other", "zz", 3, 3)])
    ]


def test_nothing_of_a_request_stays() -> None:
    """An outbox forgets requests that have ended."""
    outbox = _begun("w", streamed=False)
    outbox.post([Delta("w", "x", 2, 3)], [Finished(id="w", reason="stop")], START_NS + 8 * MS)
    assert (outbox._whole, outbox._begun, outbox._kept) == (set(), set(), {})


def test_logprobs_wait_with_their_text() -> None:
    """Of an answer that is sent whole they are told with it, in order, each once."""
    outbox = _begun("w", streamed=False)
    logprobs = [ChosenLogprob(TokenLogprob(n, -1.0, b"x")) for n in range(4)]
    for n, one in enumerate(logprobs[:3]):
        assert outbox.post([Delta("w", "x", 2 + n, 3, [one])], [], START_NS + n * MS) == []
    told = outbox.post([Delta("w", "x", 5, 3, logprobs[3:])], [], START_NS + 110 * MS)
    assert _steps(told) == [(START_NS + 110 * MS, [Delta("w", "xxxx", 5, 3, logprobs)])]
