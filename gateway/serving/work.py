"""What is asked of a model, and what comes back: free of any API's names and of any engine's messages.

Every API parses its bodies into `Work`, every handle turns that into what its engine understands and answers
with `Event`s. A field here is there for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import msgspec

from gateway.chat.ending import Ending
from gateway.chat.parsing.events import CallArguments, CallBegin, CallEnd, Content, Message, Note, Reasoning
from gateway.engine.grammar.constraint import Constraint
from gateway.errors import ApiError
from gateway.sampling import DEFAULT_SAMPLING, NO_RULES, ChosenLogprob, Sampling, TokenRules
from telemetry.events import CacheOutcome, PhaseTiming, PrefillChunk, RequestDelay, Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The base of all that can be asked. `model` is the name that the client used; `caller` shares the engine
    with others fairly; `conversation` names the chat that this is a turn of; `params` (numbers and words of a
    closed list) and `ignored` (fields that are not obeyed) are for the record.
    """

    operation: ClassVar[str]
    """`gen_ai.operation.name`."""

    model: str
    caller: str = ""
    conversation: str | None = None
    params: Mapping[str, Scalar] = field(default_factory=dict)
    ignored: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate(Work):
    """Answer these messages, or go on with this `prompt` (text or tokens) as it is. `max_tokens` None means
    up to the end of the context.

    `stream`: pieces of the answer are read as they come, and with `progress` how the prompt is computed;
        `background` lets all others pass; `cache` False neither uses the prefix cache nor stays in it, `pin`
        keeps it there; `truncate` drops whole oldest turns where the prompt is too long; `ending` says where
        the answer begins (`gateway.chat.ending`).

    `rules` say which tokens may be chosen; `keep_stop` leaves the stop string in the answer; `logprobs` asks
    for the log-probability of each token and of so many of the likeliest at its place (None: of none).

    `tools` (functions in OpenAI's form) may be called as `tool_choice` says: auto, none, required, or an
    object that names one. `constraint` is the form that the answer must have, and `constraint_param` the
    field that asked for it. `choice` is which of several answers to the same request this is.
    """

    operation = "chat"

    messages: list[dict[str, Any]]
    prompt: str | list[int] | None = None
    sampling: Sampling = DEFAULT_SAMPLING
    rules: TokenRules = NO_RULES
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    stop_tokens: tuple[int, ...] = ()
    keep_stop: bool = False
    logprobs: int | None = None
    stream: bool = False
    progress: bool = False
    background: bool = False
    cache: bool = True
    pin: bool = False
    truncate: bool = False
    ending: Ending = "generation_prompt"
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: str | dict[str, Any] = "auto"
    parallel_tool_calls: bool = True
    constraint: Constraint | None = None
    constraint_param: str = ""
    choice: int = 0


class Queued(NamedTuple):
    """The request waits: how many are before it, and when its first token is expected (milliseconds from
    now; None: unknown).
    """

    ahead: int
    predicted_ttft_ms: float | None


class Prefilled(NamedTuple):
    """So many of the prompt's tokens are in the context, of which the cache had `cached`, after so many
    milliseconds.
    """

    done: int
    total: int
    cached: int
    elapsed_ms: float


class Scored(NamedTuple):
    """Some text of the answer with the log-probabilities of its tokens; without text, those of tokens that a
    reader took for something else than text.
    """

    text: str
    logprobs: Sequence[ChosenLogprob]


Delta = Scored | Content | Reasoning | CallBegin | CallArguments | CallEnd | Note | Queued | Prefilled
"""What an answer goes on with: text, thinking, a piece of a tool call, or a word about what was meant as one;
before all that, where it was asked for, how the waiting goes.
"""


class Piece(NamedTuple):
    """A delta of one of a request's answers."""

    choice: int
    delta: Delta


class Answer(NamedTuple):
    """A whole answer, and why it ended: stop, length or tool_calls."""

    message: Message
    finish_reason: str | None
    logprobs: Sequence[ChosenLogprob] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Embed(Work):
    """Turn texts (or tokens) into vectors; `dimensions` is how many of each vector's numbers will be kept
    (None: all).
    """

    operation = "embeddings"

    inputs: list[str | list[int]]
    dimensions: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerank(Work):
    """Score each document for a query."""

    operation = "embeddings"

    query: str
    documents: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The prompt is rendered and tokenised and waits. `predicted_ttft_ms` counts from now; what was left out
    of the prompt: indexes of messages, and their tokens. `prompt_end` are its last characters, by which
    thinking may be open.
    """

    prompt_tokens: int
    predicted_ttft_ms: float | None = None
    dropped_messages: Sequence[int] = ()
    dropped_tokens: int | None = None
    prompt_end: str = ""
    phases: Sequence[PhaseTiming] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefilling:
    """Prefill begins; `cache` is what the lookup found."""

    phases: Sequence[PhaseTiming] = ()
    cache: CacheOutcome | None = None


class Progress(msgspec.Struct, frozen=True, gc=False):
    """What was computed since the last word, as of the monotonic `at_ns`: new text, and output and prompt
    tokens so far.
    """

    text: str
    completion_tokens: int
    prefilled_tokens: int
    at_ns: int
    logprobs: Sequence[ChosenLogprob] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """An answer is over. `finish_reason` is stop or length, None where it was cancelled or failed (`error`
    says why); `text` is what was held back. `gaps_us`: microseconds between tokens; `bursts`: how many came
    at a time (empty: one each).
    """

    finish_reason: str | None
    text: str = ""
    logprobs: Sequence[ChosenLogprob] = ()
    error: ApiError | None = None
    completion_tokens: int = 0
    first_token_ns: int | None = None
    last_token_ns: int | None = None
    gaps_us: Sequence[int] = ()
    bursts: Sequence[int] = ()
    chunks: Sequence[PrefillChunk] = ()
    phases: Sequence[PhaseTiming] = ()
    cache: CacheOutcome | None = None
    delayed_by: Sequence[RequestDelay] = ()
    delayed: Sequence[RequestDelay] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """All inputs are computed: rows of `dimensions` 32-bit floats (little-endian), in order; scores are
    rows of one.
    """

    data: bytes
    dimensions: int
    phases: Sequence[PhaseTiming] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """The request cannot be served. `prompt_tokens` is there where they were counted to the end."""

    error: ApiError
    prompt_tokens: int | None = None
    phases: Sequence[PhaseTiming] = ()


Event = Accepted | Prefilling | Progress | Done | Vectors | Declined
"""In this order: Accepted, Prefilling, any number of Progress, then one of the last three, of which any
may come at once.
"""
