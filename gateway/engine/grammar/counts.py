"""What a grammar did for one request: counted where it happens, told once at the end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class GrammarCounts:
    """`resamples`: tokens that were sampled again because the grammar refused the first; `masks` that were
    filled for that, in `mask_ns`; `forced_tokens` that were not sampled. `compile_ms` is 0 where the grammar
    was `cached`.
    """

    kind: str = ""
    compile_ms: float = 0.0
    cached: bool = False
    resamples: int = 0
    masks: int = 0
    mask_ns: int = 0
    forced_tokens: int = 0

    def attributes(self) -> dict[str, str | int | float | bool]:
        """For a phase of the request; `mask_us` is the mean of one mask, in microseconds."""
        return {
            "grammar_kind": self.kind,
            "grammar_compile_ms": round(self.compile_ms, 3),
            "grammar_cached": self.cached,
            "grammar_resamples": self.resamples,
            "grammar_forced_tokens": self.forced_tokens,
            "grammar_mask_us": round(self.mask_ns / max(1, self.masks) / 1e3, 3),
        }
