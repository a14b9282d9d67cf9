"""Log-probabilities go with the text of their tokens, however it is cut into tokens and held back."""

from __future__ import annotations

import codecs
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.protocol import Delta, Finished
from gateway.engine.schedule.scheduler import StepOutcome
from gateway.sampling import ChosenLogprob, TokenLogprob
from tests.engine.fakes import sequence

N_CTX = 10**6


class Pieces:
    """Token n is the nth piece."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def piece(self, token: int) -> bytes:
        return self._pieces[token]

    def is_end(self, token: int) -> bool:
        return token >= len(self._pieces)


def told(pieces: list[bytes], stops: tuple[str, ...], steps: list[int], *, keep_stop: bool) -> StepOutcome:
    """What is told of an answer of these pieces, whose steps gave so many tokens, and then its end."""
    one = sequence("a", [1], N_CTX - 1, stop=stops, keep_stop=keep_stop)
    vocabulary, outcome, tokens = Pieces(pieces), StepOutcome(), list(range(len(pieces) + 1))
    while tokens:
        size = steps.pop() if steps else 1
        step, tokens = tokens[:size], tokens[size:]
        logprobs = [ChosenLogprob(TokenLogprob(token, -1.0, b"x")) for token in step]
        text, reason = one.extend(step, vocabulary, N_CTX, 0, logprobs=logprobs)
        outcome.deltas.append(Delta("a", text, 0, 0, one.progress.told_logprobs()))
        if reason:
            outcome.finished.append(one.finished(reason, 0))
            break
    return outcome


def starts_of(pieces: list[bytes]) -> list[int]:
    """Where the text of each piece begins, in characters."""
    decoder, starts = codecs.getincrementaldecoder("utf-8")("replace"), [0]
    for piece in pieces:
        starts.append(starts[-1] + len(decoder.decode(piece)))
    return starts[:-1]


def cut(text: str, cuts: list[int]) -> list[bytes]:
    """The bytes of a text in pieces, some of them empty, some with a part of a character."""
    data = text.encode()
    marks = sorted(min(mark, len(data)) for mark in cuts)
    return [data[begin:end] for begin, end in pairwise([0, *marks, len(data)])]


texts = st.text(alphabet="abcé🦊", max_size=25)
stops = st.lists(st.text(alphabet="abcé", min_size=1, max_size=4), max_size=2).map(tuple)
cuts = st.lists(st.integers(0, 80), max_size=25)


@given(texts, cuts, stops, st.lists(st.integers(1, 4), max_size=30), st.booleans())
def test_each_piece_has_the_tokens_that_begin_in_it(
    text: str,
    marks: list[int],
    stop: tuple[str, ...],
    steps: list[int],
    keep_stop: bool,
) -> None:
    """Of all that is told before the end; together they are all tokens of the text, in order, each once."""
    pieces = cut(text, marks)
    seen: list[int] = []
    starts, shown = starts_of(pieces), 0
    outcome = told(pieces, stop, steps, keep_stop=keep_stop)
    (finished,) = outcome.finished
    parts: list[Delta | Finished] = [*outcome.deltas, finished]
    for one in parts:
        found = [logprob.chosen.token for logprob in one.logprobs]
        end = shown + len(one.text)
        begun = [token for token, start in enumerate(starts) if shown <= start < end]
        rest = found[len(begun) :]
        assert found[: len(begun)] == begun
        assert not rest or isinstance(one, Finished)
        assert all(starts[token] >= end for token in rest)
        shown, seen = end, seen + found
    assert seen == list(range(len(seen)))
    if not any(each in text for each in stop):
        assert seen == list(range(len(pieces)))


def test_a_stop_string_takes_its_tokens_with_it() -> None:
    """But a token that has text before it stays, and one that is shown because it was asked for."""
    pieces = [b"a", b"bS", b"T", b"Ox"]
    cut_off = told(pieces, ("STO",), [], keep_stop=False)
    assert [[one.chosen.token for one in delta.logprobs] for delta in cut_off.deltas] == [[0], [1], [], []]
    assert (cut_off.finished[0].text, cut_off.finished[0].logprobs) == ("", [])
    kept = told(pieces, ("STO",), [], keep_stop=True)
    assert "".join(delta.text for delta in kept.deltas) == "abSTO"
    assert [one.chosen.token for delta in kept.deltas for one in delta.logprobs] == [0, 1, 2, 3]


def test_half_a_character_waits_for_the_other() -> None:
    """Its tokens come together with it."""
    pieces = ["é".encode()[:1], "é".encode()[1:], b"x"]
    deltas = told(pieces, (), [], keep_stop=False).deltas
    assert [(delta.text, [one.chosen.token for one in delta.logprobs]) for delta in deltas] == [
        ("", []),
        ("é", [0, 1]),
        ("x", [2]),
        ("", []),
    ]
