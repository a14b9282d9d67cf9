"""The request as it was asked of the engine: it does not change while it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.sampling import Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """A prompt (token ids), and how to go on.

    `max_tokens` bounds the answer; a string of `stop` or a token of `stop_tokens` ends it. `caller` shares
    the engine with others fairly; a `background` request lets the others pass. `adapter` is the LoRA adapter
    that computes it, and `namespace` what of the cache it may use: that of the same adapter. A `pinned`
    prefix stays in the cache. Nobody reads the text of an answer that is not `streamed` before its end.
    `keep_stop` leaves the stop string that ended the answer in it. With `each_sampled` no token is taken
    because a grammar forces it: rules or log-probabilities are about each of them. Of control tokens only
    those in `shown` are in the text, as what stands there.
    """

    id: str
    prompt: list[int]
    sampling: Sampling
    max_tokens: int
    stop: tuple[str, ...] = ()
    stop_tokens: frozenset[int] = frozenset()
    keep_stop: bool = False
    each_sampled: bool = False
    caller: str = ""
    adapter: str = ""
    namespace: str = ""
    background: bool = False
    pinned: bool = False
    streamed: bool = True
    shown: Mapping[int, bytes] = field(default_factory=dict)

    def output_limit(self, n_ctx: int) -> int:
        """Tokens that the answer may have: what was asked for, and what fits a context of `n_ctx` tokens."""
        return min(self.max_tokens, n_ctx - len(self.prompt))
