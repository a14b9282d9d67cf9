"""An engine process without a model: a measuring device, so that what is left to measure is the gateway.

`python -m bench.fake_engine OPTIONS` speaks the real protocol with the real worker, scheduler and chat
template; only the computing is fake: it answers at once, or after the delays that the environment gives it.
Its tokens are bytes and its answers the alphabet, so nobody can take them for a model's. No setting and no
command of the product leads here.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gateway.chat.template import ChatTemplate
from gateway.engine.backend import Batch
from gateway.engine.cache.entry import State
from gateway.engine.engine import Engine
from gateway.engine.logits.rules import LogitRules
from gateway.engine.options import EngineOptions
from gateway.engine.protocol import Message
from gateway.engine.worker import serve
from gateway.sampling import ChosenLogprob, Sampling, TokenLogprob
from telemetry.events import EngineConfig

BUILD = "bench.fake_engine (no model, no llama.cpp)"
ALPHABET = b"abcdefghijklmnopqrstuvwxyz "
END = 256
"""The one token that is no byte; never sampled, so that answers end at `max_tokens`."""

DEFAULT_N_CTX = 8192
TEMPLATE = "{% for message in messages %}<{{ message.role }}>{{ message.content }}\n{% endfor %}<assistant>"


@dataclass(frozen=True, slots=True)
class Script:
    """How long the fake takes: to load, for a step with prompt tokens, for a step with output tokens (a step
    with both takes both), and more for each `stall_every`th step with output tokens. `log` is where it says
    what it did.
    """

    load_s: float = 0.0
    prefill_s: float = 0.0
    step_s: float = 0.0
    stall_s: float = 0.0
    stall_every: int = 0
    log: str = ""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Script:
        """`FAKE_LOAD_MS`, `FAKE_PREFILL_MS`, `FAKE_STEP_MS`, `FAKE_STALL_MS`, `FAKE_STALL_EVERY`, `FAKE_LOG`;
        0 or none where they are missing.
        """
        load, prefill, step, stall = (
            float(env.get(f"FAKE_{name}_MS", "0")) / 1e3 for name in ("LOAD", "PREFILL", "STEP", "STALL")
        )
        return cls(load, prefill, step, stall, int(env.get("FAKE_STALL_EVERY", "0")), env.get("FAKE_LOG", ""))


def _scored(letter: int, count: int) -> ChosenLogprob:
    """The sampled letter is the likeliest one, with a logarithm of -1; the next ones have -2, -3, …."""
    ids = [letter, *(other for other in ALPHABET if other != letter)]
    top = tuple(TokenLogprob(one, -float(place), bytes((one,))) for place, one in enumerate(ids[:count], 1))
    return ChosenLogprob(TokenLogprob(letter, -1.0, bytes((letter,))), top)


class ByteTokens:
    """A vocabulary of the 256 bytes and one end token."""

    n_vocab = END + 1
    end_tokens = (END,)

    def tokenize(self, text: str) -> list[int]:
        return list(text.encode("utf-8", errors="replace"))

    def piece(self, token: int) -> bytes:
        return b"" if token == END else bytes((token,))

    def plain_tokens(self, text: str) -> list[int]:
        return self.tokenize(text)

    def sizes(self, tokens: list[int]) -> npt.NDArray[np.int64]:
        return np.ones(len(tokens), dtype=np.int64)

    def is_end(self, token: int) -> bool:
        return token == END


class FakeBackend:
    """Counts what each slot holds, waits as scripted, and samples the next letter of the alphabet."""

    keeps_idle = True
    trims = True
    kernel_min_rows = 0

    def __init__(self, script: Script) -> None:
        self._script = script
        self.logprobs: dict[int, list[ChosenLogprob]] = {}
        self._held: dict[int, int] = {}
        self._asked: dict[int, int | None] = {}
        self._decoded = 0

    def open(self, slot: int, _sampling: Sampling, sampler: object = None, *_more: object) -> None:
        """There is nothing to choose among; a sampler is the number of log-probabilities that are wanted."""
        self._asked[slot] = sampler if isinstance(sampler, int) else None

    def sampler(
        self,
        _sampling: Sampling,
        _prompt: Sequence[int],
        _rules: LogitRules | None,
        logprobs: int | None,
        /,
    ) -> int | None:
        return logprobs

    def compute(self, batch: Batch) -> dict[int, list[int]]:
        start_ns = time.monotonic_ns()
        self._wait(batch)
        if self._script.log:
            self._say(batch, start_ns)
        for part in batch.parts:
            self._held[part.slot] = self._held.get(part.slot, 0) + len(part.tokens) - part.drafted
        sampled = {part.slot: [self._letter(part.slot)] for part in batch.parts if part.sample}
        self.logprobs = {}
        for slot, (letter,) in sampled.items():
            if (count := self._asked.get(slot)) is not None:
                self.logprobs[slot] = [_scored(letter, count)]
        return sampled

    def _letter(self, slot: int) -> int:
        return ALPHABET[self._held[slot] % len(ALPHABET)]

    def use_threads(self, decode: int, batch: int) -> None:
        """The script says how long things take, with any number of threads."""

    def abort(self) -> None:
        """Nothing of it takes longer than the script says."""

    def close(self, slot: int) -> None:
        """There is nothing to free."""

    def trim(self, slot: int, tokens: int) -> bool:
        self._held[slot] = tokens
        return True

    def save(self, slot: int) -> State | None:
        return np.array([self._held.get(slot, 0)], dtype=np.int64).view(np.uint8)

    def restore(self, slot: int, state: State, tokens: int) -> bool:
        self._held[slot] = tokens
        return tokens <= int(state.view(np.int64)[0])

    def fork(self, source: int, target: int, tokens: int) -> bool:
        self._held[target] = tokens
        return tokens <= self._held.get(source, 0)

    def _wait(self, batch: Batch) -> None:
        """A sleep of nothing would still give the processor away."""
        prefill_s = self._script.prefill_s if batch.prefill_tokens else 0.0
        step_s = self._script.step_s if batch.decode_tokens else 0.0
        self._decoded += batch.decode_tokens > 0
        if self._script.stall_every and batch.decode_tokens and self._decoded % self._script.stall_every == 0:
            step_s += self._script.stall_s
        if prefill_s + step_s > 0:
            time.sleep(prefill_s + step_s)

    def _say(self, batch: Batch, start_ns: int) -> None:
        """One line: when the step began and ended (monotonic ns), and each part as slot, position, tokens,
        sampled or not.
        """
        parts = [(part.slot, part.position, len(part.tokens), part.sample) for part in batch.parts]
        with Path(self._script.log).open("a", encoding="utf-8") as log:
            log.write(json.dumps([start_ns, time.monotonic_ns(), parts]) + "\n")


def load_fake(options: EngineOptions, script: Script) -> Engine:
    """An engine that says of itself in every field that it is none."""
    time.sleep(script.load_s)
    return Engine(
        backend=FakeBackend(script),
        tokens=ByteTokens(),
        template=ChatTemplate(TEMPLATE, timeout_s=options.template_timeout_s),
        config=_config(options),
        chat_template=TEMPLATE,
        special_tokens={},
        prefill_token_ns=max(1, int(script.prefill_s * 1e9) // options.n_ubatch),
    )


def _config(options: EngineOptions) -> EngineConfig:
    n_ctx = options.n_ctx or DEFAULT_N_CTX
    return EngineConfig(
        config_id="fake",
        model=options.model,
        model_digest="fake",
        model_file=Path(options.path).name,
        model_size_bytes=0,
        architecture="fake",
        parameters=0,
        quantisation="none",
        kv_type_k="none",
        kv_type_v="none",
        kv_unified=False,
        flash_attention="off",
        threads=0,
        threads_batch=0,
        n_ctx=n_ctx,
        n_ctx_train=n_ctx,
        slots=options.slots,
        n_batch=max(options.n_batch, options.slots),
        n_ubatch=options.n_ubatch,
        gpu_layers=0,
        llama_cpp_build=BUILD,
    )


def _load(options: EngineOptions, _send: Callable[[Message], None]) -> Engine:
    return load_fake(options, Script.from_env(os.environ))


if __name__ == "__main__":
    serve(_load, sys.argv[1])
