"""Compiling constraints, each only once: what was compiled is kept by digest, within bounds, and copied
for each sequence.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property

from llguidance import LLMatcher, LLTokenizer

from gateway.engine.grammar.constraint import Constraint, JsonSchema, digest, kind
from gateway.engine.grammar.control import ControlTokens
from gateway.engine.grammar.counts import GrammarCounts
from gateway.engine.grammar.errors import GrammarRefusedError
from gateway.engine.grammar.limits import GrammarLimits
from gateway.engine.grammar.located import located
from gateway.engine.grammar.matcher import DETAILS, Matcher
from gateway.engine.grammar.native import NativeCompiler
from gateway.engine.grammar.schema import Schema, compilable, read_schema
from gateway.engine.grammar.source import source

MOST_GRAMMARS = 256
MOST_BYTES = 8 * 2**20
"""Of the kept grammars' texts: the library does not tell what a compiled one takes."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A matcher at its start, which is only ever copied, and the size of the text that it came from."""

    start: LLMatcher
    size_bytes: int


class GrammarCompiler:
    """Compiles for one vocabulary. To be used by one thread (intake): the library's objects are not to be
    shared while in use.

    At most `most_grammars` with `most_bytes` of text are kept; those that were used last stay.
    """

    def __init__(
        self,
        tokenizer: LLTokenizer,
        limits: GrammarLimits | None = None,
        *,
        most_grammars: int = MOST_GRAMMARS,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._tokenizer = tokenizer
        self._limits = limits or GrammarLimits()
        self._native = NativeCompiler(tokenizer, self._limits)
        self._kept: OrderedDict[str, _Compiled] = OrderedDict()
        self._most_grammars = most_grammars
        self._most_bytes = most_bytes

    @cached_property
    def control(self) -> ControlTokens:
        """The control tokens of the vocabulary."""
        return ControlTokens(self._tokenizer)

    @property
    def kept(self) -> tuple[int, int]:
        """Grammars that are kept, and bytes of their texts."""
        return len(self._kept), sum(one.size_bytes for one in self._kept.values())

    def compile(self, constraint: Constraint) -> Matcher:
        """A matcher at its start, of its own, which counts for one sequence.

        Raises:
            GrammarRefusedError: the constraint cannot be compiled, or not within the limits.
        """
        begun_ns, name = time.monotonic_ns(), digest(constraint)
        found = self._kept.get(name)
        compiled = self._compile(constraint) if found is None else found
        self._keep(name, compiled)
        counts = GrammarCounts(kind=kind(constraint), cached=found is not None)
        matcher = Matcher(compiled.start.deep_copy(), counts)
        counts.compile_ms = (time.monotonic_ns() - begun_ns) / 1e6
        return matcher

    def _compile(self, constraint: Constraint) -> _Compiled:
        try:
            text = source(constraint, self._limits, self._is_special)
            start = self._native.matcher(text)
        except ValueError as error:  # of the library's conversions; half characters are one too
            raise GrammarRefusedError(str(error)) from None
        if start.is_error():
            raise self._refused(constraint, start.get_error())
        return _Compiled(start, len(text.encode()))

    def _keep(self, name: str, compiled: _Compiled) -> None:
        self._kept[name] = compiled
        self._kept.move_to_end(name)
        while len(self._kept) > 1 and self._are_too_many():
            self._kept.popitem(last=False)

    def _are_too_many(self) -> bool:
        number, size_bytes = self.kept
        return number > self._most_grammars or size_bytes > self._most_bytes

    def _refused(self, constraint: Constraint, words: str) -> GrammarRefusedError:
        words = words.partition(DETAILS)[0].strip()
        if isinstance(constraint, JsonSchema):
            return located(read_schema(constraint.schema), words, self._failure)
        return GrammarRefusedError(words)

    def _failure(self, schema: Schema) -> str:
        try:
            text = LLMatcher.grammar_from_json_schema(compilable(schema, compact=True))
            return self._native.matcher(text).get_error()
        except GrammarRefusedError as error:
            return str(error)

    def _is_special(self, text: str) -> bool:
        """Whether a text is one control token of this vocabulary."""
        tokens = self._tokenizer.tokenize_str(text, parse_special=True)
        return len(tokens) == 1 and self._tokenizer.is_special_token(tokens[0])
