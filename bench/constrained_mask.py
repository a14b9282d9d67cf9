"""What a grammar costs per token: masks, and the whole of choosing a token, with 1 and 8 sequences.

Without a model: documents are random walks through the grammar, and a sampler is an argmax. `python -m bench.constrained_mask
VOCABULARY` measures one vocabulary and prints JSON; the scenario starts it as a process of its own. A token that takes 10 ms to
compute may cost 0.3 ms more (3 %).
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import msgspec
import numpy as np

from bench.comparison import Comparison, Row
from bench.figures import percentile
from bench.vocabularies import DEMO, TEKKEN, tekken_file, tokenizer

NAME = "constrained-mask"
ABOUT = "what a grammar costs per token, by size of the vocabulary (no model)"
SEQUENCES = 8
TOKENS = 400
DOCUMENT_TOKENS = 80
TIMEOUT_S = 120.0
MOST_US = 300.0

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 40},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "mail": {"type": "string", "format": "email"},
        "roles": {"type": "array", "items": {"enum": ["reader", "writer", "owner"]}, "maxItems": 4},
        "friends": {"type": "array", "items": {"$ref": "#"}, "maxItems": 3},
        "code": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{4}(-[a-z]+)?$"},
    },
    "required": ["name", "age", "code"],
    "additionalProperties": False,
}

Times = dict[str, list[float]]
"""Microseconds of each call, by what was called."""


def run() -> Comparison:
    """Both vocabularies, one after the other."""
    there = (DEMO, TEKKEN) if tekken_file() is not None else (DEMO,)
    rows = [row for name in there for row in _rows(name, _measured(name))]
    about = ABOUT if TEKKEN in there else f"{ABOUT}; {TEKKEN}: not measured without mistral-common"
    return Comparison(NAME, about, rows, sides=("µs", ""))


def _rows(name: str, times: Times) -> list[Row]:
    rows = [Row(f"{name}: {what}, p50", "µs", [percentile(values, 0.5)], most=_bound(what)) for what, values in times.items()]
    return [*rows, Row(f"{name}: mask, p99", "µs", [percentile(times["mask"], 0.99)]), Row(f"{name}: mask, longest", "µs", [max(times["mask"])])]


def _bound(what: str) -> float | None:
    return MOST_US if what.startswith("choose") else None


def _measured(name: str) -> Times:
    command = [sys.executable, "-m", "bench.constrained_mask", name]
    found = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=TIMEOUT_S, check=True).stdout
    return msgspec.json.decode(found, type=Times)


class _Walker:
    """Documents without end, on one vocabulary."""

    def __init__(self, name: str) -> None:
        from gateway.engine.grammar.compiler import GrammarCompiler  # noqa: PLC0415 - native code only in its own process
        from gateway.engine.grammar.constraint import JsonSchema  # noqa: PLC0415

        begun_s = time.perf_counter()
        self.tokenizer, self._kept = tokenizer(name)
        self.times: Times = {"tokenizer": [_us(begun_s)]}
        self.n_vocab = int(self.tokenizer.vocab_size)
        self._compiler, self._constraint = GrammarCompiler(self.tokenizer), JsonSchema
        self.random = np.random.default_rng(1)

    def matcher(self, number: int = 0) -> Any:
        """At the start; each number is a schema of its own, compiled once."""
        schema = msgspec.json.encode(PERSON | {"title": str(number)}).decode()
        matcher = self._compiler.compile(self._constraint(schema))
        self.times.setdefault("compile, cached" if matcher.counts.cached else "compile", []).append(matcher.counts.compile_ms * 1e3)
        return matcher

    def row(self) -> Any:
        """Logits of one position."""
        return self.random.random(self.n_vocab, dtype=np.float32)

    def timed(self, what: str, call: Any, *arguments: Any) -> Any:
        """Call, and note how long it took."""
        begun_s = time.perf_counter()
        given = call(*arguments)
        self.times.setdefault(what, []).append(_us(begun_s))
        return given


def _us(begun_s: float) -> float:
    return (time.perf_counter() - begun_s) * 1e6


def measure(name: str) -> Times:
    """Every call by itself, then choosing as the engine does."""
    walker = _Walker(name)
    for number in range(20):
        walker.matcher(number)
    _calls(walker)
    for sequences in (1, SEQUENCES):
        for threads in (1, 2) if sequences > 1 else (1,):
            _choosing(walker, sequences, threads)
    return walker.times


def _calls(walker: _Walker) -> None:
    from gateway.engine.grammar.masks import refuse  # noqa: PLC0415

    bits = np.zeros(-(-walker.n_vocab // 32), dtype=np.int32)
    matcher = walker.matcher()
    for number in range(TOKENS):
        if number % DOCUMENT_TOKENS == 0 or matcher.stopped:
            matcher = walker.matcher()
        logits = walker.row()
        walker.timed("mask", matcher.fill, bits)
        walker.timed("put into logits", refuse, logits, bits)
        token = int(np.argmax(logits))
        walker.timed("validate", matcher.validate, [token])
        walker.timed("consume", matcher.consume, token)
        walker.timed("copy", matcher.deep_copy)
        walker.timed("forced tokens", matcher.forced_tokens)


def _choosing(walker: _Walker, sequences: int, threads: int) -> None:
    """All refused at first, as a bad model would have it; then none, as a good one. Per sequence."""
    from gateway.engine.grammar.choose import Candidate, choose  # noqa: PLC0415
    from gateway.engine.grammar.masks import Masks  # noqa: PLC0415

    masks = Masks(walker.n_vocab, rows=sequences, threads=threads)
    ways = f"{sequences} at once" + (f", {threads} threads" if threads > 1 else "")
    matchers = [walker.matcher(number) for number in range(sequences)]
    for step in range(TOKENS // sequences):
        matchers = [
            walker.matcher(number) if step % DOCUMENT_TOKENS == 0 or matcher.stopped else matcher
            for number, matcher in enumerate(matchers)
        ]
        copies = [matcher.deep_copy() for matcher in matchers]
        rows = [walker.row() for _ in matchers]
        liked = [row.copy() for row in rows]
        begun_s = time.perf_counter()
        tokens = choose([Candidate(_Argmax(), row, one) for row, one in zip(rows, matchers, strict=True)], masks)
        walker.times.setdefault(f"choose, refused at first, {ways}", []).append(_us(begun_s) / sequences)
        for row, token in zip(liked, tokens, strict=True):
            row[token] = 2.0
        begun_s = time.perf_counter()
        choose([Candidate(_Argmax(), row, one) for row, one in zip(liked, copies, strict=True)], masks)
        walker.times.setdefault(f"choose, never refused, {ways}", []).append(_us(begun_s) / sequences)


class _Argmax:
    def draw(self, logits: Any) -> int:
        return int(np.argmax(logits))

    def accept(self, _token: int) -> None:
        """Nothing to remember."""


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(measure(sys.argv[1])))
