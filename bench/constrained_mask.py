"""What a grammar costs per token: masks, and the whole of choosing a token, with 1 and 8 sequences.

Without a model: documents are random walks through the grammar, and a sampler is an argmax. `python -m
bench.constrained_mask VOCABULARY` measures one vocabulary and prints JSON; the scenario starts it as a
process of its own. A token that takes 10 ms to compute may cost 0.3 ms more (3 %).
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
    p50 = {what: percentile(values, 0.5) for what, values in times.items()}
    rows = [_row(f"{name}: {what}, p50", value_us, _bound(what)) for what, value_us in p50.items()]
    longest = _row(f"{name}: mask, longest", max(times["mask"]))
    return [*rows, _row(f"{name}: mask, p99", percentile(times["mask"], 0.99)), longest]


def _row(name: str, value_us: float, most_us: float | None = None) -> Row:
    return Row(name, "µs", [value_us], most=most_us)


def _bound(what: str) -> float | None:
    return MOST_US if what.startswith("choose") else None


def _measured(name: str) -> Times:
    command = [sys.executable, "-m", "bench.constrained_mask", name]
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    done = subprocess.run(command, stdout=pipe, stderr=nowhere, timeout=TIMEOUT_S, check=True)
    return msgspec.json.decode(done.stdout, type=Times)


class _Walker:
    """Documents without end, on one vocabulary."""

    def __init__(self, name: str) -> None:
        from gateway.engine.grammar.compiler import GrammarCompiler  # noqa: PLC0415 - native code
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
        self.note("compile, cached" if matcher.counts.cached else "compile", matcher.counts.compile_ms * 1e3)
        return matcher

    def note(self, what: str, took_us: float) -> None:
        """Add to the times."""
        self.times.setdefault(what, []).append(took_us)

    def row(self) -> Any:
        """Logits of one position."""
        return self.random.random(self.n_vocab, dtype=np.float32)

    def timed(self, what: str, call: Any, *arguments: Any) -> Any:
        """Call, and note how long it took."""
        begun_s = time.perf_counter()
        given = call(*arguments)
        self.note(what, _us(begun_s))
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
    from gateway.engine.grammar.masks import Masks  # noqa: PLC0415 - native code

    masks = Masks(walker.n_vocab, rows=sequences, threads=threads)
    ways = f"{sequences} at once" + (f", {threads} threads" if threads > 1 else "")
    matchers = [walker.matcher(number) for number in range(sequences)]
    for step in range(TOKENS // sequences):
        for number, matcher in enumerate(matchers):
            if step % DOCUMENT_TOKENS == 0 or matcher.stopped:
                matchers[number] = walker.matcher(number)
        copies = [matcher.deep_copy() for matcher in matchers]
        rows = [walker.row() for _ in matchers]
        liked = [row.copy() for row in rows]
        tokens = _chosen(walker, f"choose, refused at first, {ways}", rows, matchers, masks)
        for row, token in zip(liked, tokens, strict=True):
            row[token] = 2.0
        _chosen(walker, f"choose, never refused, {ways}", liked, copies, masks)


def _chosen(walker: _Walker, what: str, rows: list[Any], matchers: list[Any], masks: Any) -> list[int]:
    from gateway.engine.grammar.choose import Candidate, choose  # noqa: PLC0415 - native code

    begun_s = time.perf_counter()
    candidates = [Candidate(_Argmax(), row, matcher) for row, matcher in zip(rows, matchers, strict=True)]
    tokens = choose(candidates, masks)
    walker.note(what, _us(begun_s) / len(rows))
    return [token for token in tokens if token is not None]


class _Argmax:
    def draw(self, logits: Any) -> int:
        return int(np.argmax(logits))

    def accept(self, _token: int) -> None:
        """Nothing to remember."""


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(measure(sys.argv[1])))
