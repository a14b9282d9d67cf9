"""Where llguidance compiles: on a thread with a large stack, and with a deadline.

Its compiler recurses once per rule or reference, some 8 kB each: a chain of a thousand `$ref`s ends a process
whose threads have the usual 8 MiB. Nor can it be stopped: a compilation that takes too long is left alone on
its thread, and until it has ended nothing else is compiled.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from llguidance import LLMatcher, LLTokenizer

from gateway.engine.grammar.errors import GrammarRefusedError
from gateway.engine.grammar.limits import GrammarLimits

STACK_BYTES = 512 * 2**20
"""Address space; memory is used only as deep as the recursion goes."""

_starting = threading.Lock()


class NativeCompiler:
    """Makes matchers from llguidance's own texts. To be used by one thread."""

    def __init__(self, tokenizer: LLTokenizer, limits: GrammarLimits) -> None:
        self._tokenizer = tokenizer
        self._parser_limits = limits.parser()
        self._compile_s = limits.compile_s
        self._thread: threading.Thread | None = None

    def matcher(self, source: str) -> LLMatcher:
        """A matcher at its start, which may be in an error state.

        Raises:
            GrammarRefusedError: it took too long, or another one has and is still not done.
        """
        if self._thread is not None and self._thread.is_alive():
            raise GrammarRefusedError(
                "another grammar is still being compiled, after its time; try again later",
            )
        made: list[LLMatcher | BaseException] = []
        self._thread = _start(lambda: made.append(self._make(source)))
        self._thread.join(self._compile_s)
        if not made:
            raise GrammarRefusedError(f"the grammar was not compiled within {self._compile_s:g} s")
        self._thread.join()
        if isinstance(made[0], BaseException):
            raise GrammarRefusedError(f"the compiler failed: {made[0]}")
        return made[0]

    def _make(self, source: str) -> LLMatcher | BaseException:
        try:
            return LLMatcher(self._tokenizer, source, log_level=0, limits=self._parser_limits)
        except BaseException as error:  # a panic of the library is none of Exception's
            return error


def _start(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, name="grammar", daemon=True)
    with _starting:
        usual = threading.stack_size(STACK_BYTES)
        try:
            thread.start()
        finally:
            threading.stack_size(usual)
    return thread
