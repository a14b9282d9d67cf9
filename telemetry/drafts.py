"""Draft tokens of speculative decoding: who guessed them, as the decode phase says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from telemetry.events import Scalar


class DraftSource(StrEnum):
    """The source of a draft: what followed the same tokens before (`lookup`), or a smaller model."""

    LOOKUP = "lookup"
    DRAFT_MODEL = "draft_model"


@dataclass(frozen=True, slots=True)
class Drafted:
    """Tokens that a source guessed for a request, and those of them that the model accepted."""

    drafted: int
    accepted: int


def drafted_by(decode: Mapping[str, Scalar]) -> dict[DraftSource, Drafted]:
    """By source, from the attributes of a decode phase: `draft` and `accepted` are of both, `draft_model` and
    `draft_model_accepted` of the draft model; only sources that guessed anything.
    """
    both = Drafted(int(decode.get("draft", 0)), int(decode.get("accepted", 0)))
    model = Drafted(int(decode.get("draft_model", 0)), int(decode.get("draft_model_accepted", 0)))
    lookup = Drafted(both.drafted - model.drafted, both.accepted - model.accepted)
    found = {DraftSource.LOOKUP: lookup, DraftSource.DRAFT_MODEL: model}
    return {source: tokens for source, tokens in found.items() if tokens.drafted}
