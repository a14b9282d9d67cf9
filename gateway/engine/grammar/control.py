"""The control tokens of a vocabulary, by their texts: a grammar must name them, since no text makes them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from llguidance import LLTokenizer


class ControlTokens:
    """Those of one vocabulary; reads all of it. `ends` are the tokens that end an answer."""

    def __init__(self, tokenizer: LLTokenizer) -> None:
        special = filter(tokenizer.is_special_token, range(tokenizer.vocab_size))
        self._ids = {text: token for token in special if (text := tokenizer.decode_str([token]))}
        self._texts = {token: text for text, token in self._ids.items()}
        longest_first = sorted(self._ids, key=len, reverse=True)
        self._any = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        self._ends = frozenset(tokenizer.eos_tokens)

    def parts(self, text: str) -> list[str | int]:
        """Plain texts, none of them empty, and control tokens, in their order."""
        found: list[str | int] = []
        at = 0
        for match in self._any.finditer(text):
            found += [text[at : match.start()], self._ids[match[0]]]
            at = match.end()
        return [part for part in (*found, text[at:]) if part != ""]

    def text(self, part: str | int) -> str:
        """The text of a part."""
        return part if isinstance(part, str) else self._texts[part]

    def spelled(self, text: str) -> str:
        """A text in Lark."""
        return " ".join(
            named((part,)) if isinstance(part, int) else json.dumps(part, ensure_ascii=False)
            for part in self.parts(text)
        )

    def others(self, taken: Iterable[int]) -> list[int]:
        """All but these, and but those that end an answer; in order."""
        return sorted(set(self._ids.values()) - set(taken) - self._ends)

    def shown(self, texts: Iterable[str]) -> dict[int, bytes]:
        """Control tokens in these texts, with their own texts, but for those that end an answer."""
        whole = "\0".join(texts)
        found = {self._ids[match[0]]: match[0].encode() for match in self._any.finditer(whole)}
        return {token: text for token, text in found.items() if token not in self._ends}


def named(tokens: Iterable[int]) -> str:
    """Any one of these tokens, in Lark; "" for none."""
    ranges: list[list[int]] = []
    for token in sorted(tokens):
        if ranges and ranges[-1][1] == token - 1:
            ranges[-1][1] = token
        else:
            ranges.append([token, token])
    texts = (f"{first}-{last}" if last > first else str(first) for first, last in ranges)
    return f"<[{','.join(texts)}]>" if ranges else ""
