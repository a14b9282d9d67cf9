"""What may have been meant by a name that is not known: a setting, a flag, a variable, a model."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

MOST = 3
"""Suggestions."""

ALIKE = 0.75
"""How alike two spellings must be (`difflib` ratio) for one to be a slip of the other."""

ELSEWHERE: Mapping[str, str] = {
    "ctx size": "engine.n_ctx",
    "context": "engine.n_ctx",
    "context length": "engine.n_ctx",
    "max model len": "engine.n_ctx",
    "num ctx": "engine.n_ctx",
    "parallel": "engine.slots",
    "np": "engine.slots",
    "max num seqs": "engine.slots",
    "num parallel": "engine.slots",
    "n gpu layers": "engine.gpu_layers",
    "ngl": "engine.gpu_layers",
    "batch size": "engine.n_batch",
    "ubatch size": "engine.n_ubatch",
    "cache type k": "engine.kv_type_k",
    "cache type v": "engine.kv_type_v",
    "flash attn": "engine.flash_attention",
    "fa": "engine.flash_attention",
    "lora": "engine.adapters",
    "model draft": "engine.draft_model",
    "verbose": "telemetry.log_level",
    "database": "store.url",
}
"""What other servers (llama-server, vLLM, Ollama) call a setting → what it is here."""


def nearest(given: str, known: Iterable[str]) -> list[str]:
    """The known names that `given` may have meant, the likeliest first, or none. Names are words, however
    they are joined.

    A name that ends as `given` does (`slots`: `engine.slots`) is likelier than one that is spelled alike
    (`slotz`).
    """
    wanted = _words(given)
    by_words = {name: _words(name) for name in known}
    if not wanted:
        return []
    ending = [name for name, words in by_words.items() if words[-len(wanted) :] == wanted]
    elsewhere = _words(ELSEWHERE.get(" ".join(wanted), ""))
    meant = ending or [name for name, words in by_words.items() if elsewhere and words == elsewhere]
    return (meant or _alike(wanted, by_words))[:MOST]


def did_you_mean(found: Sequence[str], otherwise: str) -> str:
    """The end of a message: the suggestions, or where to look where there are none."""
    return f"did you mean {' or '.join(found)}?" if found else otherwise


def _alike(wanted: Sequence[str], known: Mapping[str, Sequence[str]]) -> list[str]:
    """Names that are spelled like `wanted`, as a whole or without their first word."""
    scored = [
        (max(_likeness(wanted, words), _likeness(wanted, words[1:])), name) for name, words in known.items()
    ]
    best = max((score for score, _ in scored), default=0.0)
    return [name for score, name in scored if score >= ALIKE and score == best]


def _likeness(one: Sequence[str], other: Sequence[str]) -> float:
    return difflib.SequenceMatcher(None, " ".join(one), " ".join(other)).ratio() if other else 0.0


def _words(name: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\W_]+", name.lower()))
