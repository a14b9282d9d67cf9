"""What gateway and engine say to each other: msgpack structs; `gateway.engine.frames` puts them on the pipe.

Times are CLOCK_MONOTONIC nanoseconds, which both processes share. `id` is the request's `seq` as text.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.chat.ending import Ending
from gateway.engine.grammar.constraint import Constraint
from gateway.engine.schedule.truncation import Truncation
from gateway.engine.tuning import Tuning
from gateway.engine.vocab_info import VocabInfo
from gateway.sampling import NO_RULES, ChosenLogprob, Sampling, TokenRules
from telemetry.events import DelayCause, EngineConfig, EngineSample, Scalar


class Message(msgspec.Struct, frozen=True, tag=True):
    """The base of everything on the pipe; its class name is the tag."""


class Submit(Message, frozen=True, kw_only=True):
    """Answer this chat, or go on with this `prompt`. `max_tokens` None means up to the end of the context.

    `caller` shares the engine with others fairly; `conversation` names the chat that this is a turn of; a
    `background` request lets all others pass; `cache` False neither uses the prefix cache nor stays in it,
    `pin` keeps it there; `truncate` drops whole oldest turns where the prompt is too long for the context;
    `ending` says where the answer begins (see `gateway.chat.ending`); `adapter` is the LoRA adapter to answer
    with ("": none). Nobody reads the text of an answer that is not `streamed` before its end, so it need not
    be sent piece by piece. `rules` say which tokens may be chosen; `keep_stop` leaves the stop string in the
    answer; `logprobs` asks for that of each token and of so many of the likeliest at its place (None: of
    none).
    """

    id: str
    messages: list[dict[str, Any]]
    prompt: str | list[int] | None = None
    sampling: Sampling
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    stop_tokens: tuple[int, ...] = ()
    caller: str = ""
    conversation: str = ""
    background: bool = False
    cache: bool = True
    pin: bool = False
    truncate: bool = False
    ending: Ending = "generation_prompt"
    adapter: str = ""
    streamed: bool = True
    constraint: Constraint | None = None
    tools: list[dict[str, Any]] = []
    tool_choice: str | dict[str, Any] = "auto"
    parallel_tool_calls: bool = True
    constraint_param: str = ""
    rules: TokenRules = NO_RULES
    keep_stop: bool = False
    logprobs: int | None = None


class Embed(Message, frozen=True, kw_only=True):
    """Embed these inputs, each a text or tokens; with a `query`, score each text for it instead.

    `caller` shares the engine with others fairly; `dimensions` is how many of each vector's numbers will be
    kept (None: all).
    """

    id: str
    inputs: list[str | list[int]]
    query: str | None = None
    caller: str = ""
    dimensions: int | None = None


class Cancel(Message, frozen=True):
    """Stop working on a request; answered by `Finished` with reason `cancelled`, unless it has ended
    already.
    """

    id: str


class Share(Message, frozen=True):
    """So many engines of this gateway have work now (`parts`), and this one is number `part` of them, from 0:
    the cores are divided.
    """

    part: int
    parts: int


class Shutdown(Message, frozen=True):
    """End the process; running requests are dropped."""


class Loading(Message, frozen=True):
    """The model is being loaded: what is done now, and how far (0..1) where that is known."""

    what: str
    progress: float | None = None


class Ready(Message, frozen=True, kw_only=True):
    """The model is loaded. `load_ms` from process start; `special_tokens` by role (bos, eos, eot, pad);
    `tuning` is what was chosen by measurement, now or earlier; `task` is what this engine can do: chat,
    embeddings or rerank; `threads_limit` says in words what decided the number of threads.
    """

    config: EngineConfig
    load_ms: float
    chat_template: str | None
    special_tokens: dict[str, str]
    prefill_token_ns: int
    tuning: Tuning | None = None
    task: str = "chat"
    threads_limit: str = ""
    vocab: VocabInfo | None = None


class LoadFailed(Message, frozen=True):
    """The model cannot be served; starting again would not help."""

    message: str


class Timing(msgspec.Struct, frozen=True):
    """One phase, as `telemetry.events.PhaseTiming`."""

    phase: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Scalar] = {}


class Admitted(Message, frozen=True, kw_only=True):
    """The prompt is rendered and tokenised and waits for a slot. `timings` holds render and tokenize;
    `predicted_ttft_ms` is how long the first token will take from now; `truncation` says what was left out.
    """

    id: str
    prompt_tokens: int
    timings: list[Timing]
    predicted_ttft_ms: float | None = None
    truncation: Truncation | None = None
    prompt_end: str = ""


class Refused(Message, frozen=True, kw_only=True):
    """The request cannot be served: an error `code` of the API, the offending `param`, numbers for the
    caller. `at_least`: the prompt's tokens were not counted to the end.
    """

    id: str
    code: str
    message: str
    param: str | None = None
    details: dict[str, int] = {}
    at_least: bool = False
    timings: list[Timing] = []


class Started(Message, frozen=True):
    """Prefill begins; the phases before it: cache_lookup with what was found, queue, and cache_restore if
    there was one.
    """

    id: str
    timings: list[Timing]


class Delta(msgspec.Struct, frozen=True, array_like=True):
    """What a step, and those before it that were not told, gave one request: new text (may be empty while it
    could still become a stop string) and the number of output tokens so far; during prefill, `prefilled`
    prompt tokens and no text. `logprobs` are those of the tokens whose text this is, where they were asked
    for.
    """

    id: str
    text: str
    tokens: int
    prefilled: int
    logprobs: list[ChosenLogprob] = []


class Step(Message, frozen=True):
    """Results of the engine step that ended at `end_ns`, as far as they are told now
    (`gateway.engine.outbox`).
    """

    end_ns: int
    deltas: list[Delta]


class Chunk(msgspec.Struct, frozen=True, array_like=True):
    """One step's share of a prompt, as `telemetry.events.PrefillChunk`."""

    start_ns: int
    end_ns: int
    tokens: int
    sequences: int


class DelayTotal(msgspec.Struct, array_like=True):
    """Time lost to (or taken from) the request `other`, as `telemetry.events.RequestDelay`."""

    cause: DelayCause
    other: str
    total_ns: int
    times: int
    longest_ns: int
    longest_at_ns: int


class Finished(Message, frozen=True, kw_only=True):
    """A request is over and its slot is free. `reason`: stop, length, cancelled or error; `text` is what was
    held back, with its `logprobs`.

    `completion_tokens` counts tokens of the answer, without the end-of-generation token; `gaps_us` are the
    microseconds between its sampled tokens, and `bursts` how many of them came with each step (empty: one
    with each). `delayed_by` are the requests that held it up, `delayed` those that it held up.
    """

    id: str
    reason: str
    text: str = ""
    logprobs: list[ChosenLogprob] = []
    message: str = ""
    completion_tokens: int = 0
    first_token_ns: int | None = None
    last_token_ns: int | None = None
    gaps_us: list[int] = []
    bursts: list[int] = []
    chunks: list[Chunk] = []
    timings: list[Timing] = []
    delayed_by: list[DelayTotal] = []
    delayed: list[DelayTotal] = []


class Embedded(Message, frozen=True, kw_only=True):
    """All inputs are computed: their vectors of `dimensions` 32-bit floats each, in order, one behind the
    other. `timings` holds prefill; `steps` is how many batches had a part in it.
    """

    id: str
    vectors: bytes
    dimensions: int
    steps: int
    timings: list[Timing]


class Heartbeat(Message, frozen=True):
    """Sent every second from a thread of its own; `step_age_s` is how long the step in progress has run."""

    sample: EngineSample
    step_age_s: float


Request = Submit | Embed | Cancel | Share | Shutdown
Reply = Loading | Ready | LoadFailed | Admitted | Refused | Started | Step | Finished | Embedded | Heartbeat
