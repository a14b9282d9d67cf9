"""The fields of a request that say how tokens are chosen: OpenAI's, llama-server's and vLLM's names."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

MAX_INT = 2**31 - 1

Unit: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Penalty: TypeAlias = Annotated[float, Meta(ge=-2, le=2)]
Natural: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_INT)]
Positive: TypeAlias = Annotated[float, Meta(gt=0, le=10)]
Bias: TypeAlias = Annotated[float, Meta(ge=-100, le=100)] | bool
"""What is added to a logit; `false` forbids the token (llama-server)."""

Text: TypeAlias = Annotated[str, Meta(min_length=1, max_length=1000)]


class SamplingControls(msgspec.Struct, kw_only=True):
    """What is left out, or null, is as `gateway.sampling` has it."""

    temperature: Annotated[float, Meta(ge=0, le=5)] | None = None
    dynatemp_range: Annotated[float, Meta(ge=0, le=5)] | None = None
    dynatemp_exponent: Positive | None = None
    top_p: Unit | None = None
    top_k: Natural | None = None
    min_p: Unit | None = None
    top_n_sigma: Annotated[float, Meta(ge=-1, le=100)] | None = None
    typical_p: Unit | None = None
    xtc_probability: Unit | None = None
    xtc_threshold: Unit | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    repeat_penalty: Positive | None = None
    repetition_penalty: Positive | None = None
    repeat_last_n: Natural | None = None
    dry_multiplier: Annotated[float, Meta(ge=0, le=100)] | None = None
    dry_base: Annotated[float, Meta(ge=1, le=100)] | None = None
    dry_allowed_length: Natural | None = None
    dry_penalty_last_n: Annotated[int, Meta(ge=-1, le=MAX_INT)] | None = None
    dry_sequence_breakers: Annotated[list[Text], Meta(min_length=1, max_length=16)] | None = None
    mirostat: Annotated[int, Meta(ge=0, le=2)] | None = None
    mirostat_tau: Annotated[float, Meta(ge=0, le=100)] | None = None
    mirostat_eta: Unit | None = None
    logit_bias: (
        Annotated[dict[str, Bias], Meta(max_length=1024)]
        | Annotated[list[tuple[Natural | str, Bias]], Meta(max_length=1024)]
        | None
    ) = None
    allowed_token_ids: Annotated[list[Natural], Meta(max_length=16_384)] | None = None
    bad_words: Annotated[list[Text], Meta(max_length=128)] | None = None
    ignore_eos: bool | None = None
    min_tokens: Natural | None = None
    include_stop_str_in_output: bool | None = None
