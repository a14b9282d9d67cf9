"""How large a grammar may be, and how much work: fixed numbers, since whoever may send a request may send
a grammar.
"""

from __future__ import annotations

from dataclasses import dataclass

from llguidance import LLParserLimits

from gateway.engine.grammar.errors import GrammarRefusedError


@dataclass(frozen=True, slots=True, kw_only=True)
class GrammarLimits:
    """Bounds on a constraint and on its compiled grammar. `source_bytes` of text, `gbnf_bytes` where Python
    converts it; `compile_s` is the wall time that a compilation may take. The rest is the library's own,
    which counts work: 50,000 of `compile_fuel` and 14,000 of `step_fuel` are about a millisecond,
    `lexer_states` take 1 or 2 kB each.
    """

    source_bytes: int = 128 * 1024
    gbnf_bytes: int = 32 * 1024
    compile_s: float = 5.0
    compile_fuel: int = 2_000_000
    step_fuel: int = 200_000
    step_items: int = 50_000
    lexer_states: int = 50_000
    grammar_size: int = 500_000

    def parser(self) -> LLParserLimits:
        """The limits as llguidance takes them; its errors tell nothing of the grammar's inside."""
        return LLParserLimits(
            initial_lexer_fuel=self.compile_fuel,
            step_lexer_fuel=self.step_fuel,
            step_max_items=self.step_items,
            max_lexer_states=self.lexer_states,
            max_grammar_size=self.grammar_size,
            verbose_errors=False,
        )

    def check_size(self, text: str, *, most: int | None = None) -> None:
        """Raise GrammarRefusedError for a text that is too long (`most` bytes; by default `source_bytes`)."""
        most = self.source_bytes if most is None else most
        if (size := len(text.encode("utf-8", errors="replace"))) > most:
            raise GrammarRefusedError(f"the grammar has {size} bytes, and {most} are allowed")
