"""How tokens are chosen: the same words for whoever asks and whoever computes."""

from __future__ import annotations

import msgspec


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """The controls of one answer. Temperature 0 is greedy; `top_k` 0, `top_p` 1, `min_p` 0 and penalties of 0
    (1 for `repeat_penalty`) do nothing. `seed` None draws one. `repeat_last_n` is the window of the penalties
    in tokens. The defaults are llama.cpp's own: with OpenAI's (temperature 1, no cut) small models lose the
    thread.
    """

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    seed: int | None = None
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64

    def with_seed(self, seed: int) -> Sampling:
        """The same with another seed."""
        return msgspec.structs.replace(self, seed=seed)


DEFAULT_SAMPLING = Sampling()
