"""Log-probabilities of tokens as OpenAI tells them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.sampling import ChosenLogprob, TokenLogprob


class TopLogprob(msgspec.Struct):
    """A token that was likely at a place. `bytes` are those of its text: a character may be divided among
    several tokens, and `token` then has U+FFFD for a part of one. null: it has none (a control token).
    """

    token: str
    logprob: float
    bytes: list[int] | None


class ContentLogprob(TopLogprob):
    """A token of the answer, and the likeliest ones at its place."""

    top_logprobs: list[TopLogprob]


class Logprobs(msgspec.Struct):
    """The tokens of the content, in order."""

    content: list[ContentLogprob]
    refusal: None = None


def logprobs_of(chosen: Sequence[ChosenLogprob]) -> Logprobs:
    """The tokens of a piece of the content."""
    return Logprobs([_content(one) for one in chosen])


def _content(one: ChosenLogprob) -> ContentLogprob:
    own = _top(one.chosen)
    return ContentLogprob(own.token, own.logprob, own.bytes, [_top(other) for other in one.top])


def _top(one: TokenLogprob) -> TopLogprob:
    if not one.piece:
        return TopLogprob(one.name, one.logprob, None)
    return TopLogprob(one.piece.decode("utf-8", "replace"), one.logprob, list(one.piece))
