"""The places where a prompt has the texts of control tokens, and which of them are only text because a client
wrote them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.chat.marked import Run, runs_of

LONG = 16_384
"""Characters from which on a prompt is divided where a control token begins: llama.cpp takes quadratic time
for many of them.
"""


@dataclass(frozen=True, slots=True)
class Strip:
    """White space that a control token takes with it: what stands before it, what follows it."""

    before: bool = False
    after: bool = False


@dataclass(frozen=True, slots=True)
class PromptPart:
    """A part of a prompt; with `control`, the texts of control tokens in it mean those tokens."""

    text: str
    control: bool


class ControlText:
    """The control tokens of a vocabulary, by their texts."""

    def __init__(self, tokens: Mapping[str, Strip]) -> None:
        self._tokens = tokens
        self._pattern = re.compile(_pattern(tokens)) if tokens else None

    def parts(self, text: str) -> list[PromptPart]:
        """The parts of a rendered prompt that are to be tokenised one by one: all of it, if it is short and
        no client wrote a control token.

        Parts end where a control token of the template begins or ends, and a tokenizer begins anew anyway: so
        what stands around a text that is no control token becomes the tokens that it would become around any
        other.
        """
        plain = str.__str__(text)
        parts: list[PromptPart] = []
        reached = start = 0
        before = ""
        for begin, token, forged in self._stretches(plain, runs_of(text)):
            if forged:
                written = self._stripped(before, plain[start:begin], token)
                parts.append(PromptPart(plain[reached:start], control=True))
                parts.append(PromptPart(written, control=False))
                reached = begin
            elif begin - reached > LONG and token and not self._tokens[token].before:
                parts.append(PromptPart(plain[reached:begin], control=True))
                reached = begin
            start, before = begin + len(token), token
        return [part for part in (*parts, PromptPart(plain[reached:], control=True)) if part.text]

    def starts_with(self, text: str, token: str) -> bool:
        """True where a prompt begins with this control token, and not with a client's text that looks like
        it.
        """
        return bool(token) and text.startswith(token) and not _Writers(runs_of(text)).wrote(token, 0)

    def _stretches(self, text: str, runs: tuple[Run, ...]) -> Iterable[tuple[int, str, bool]]:
        """The template's control tokens and where they begin, and whether a client wrote one since the last;
        then the end.
        """
        writers, at, forged = _Writers(runs), 0, False
        if self._pattern is None or not (runs or len(text) > LONG):
            return
        while (match := self._pattern.search(text, at)) is not None:
            if writers.wrote(match.group(), match.start()):
                forged, at = True, match.start() + 1
            else:
                yield match.start(), str(match.group()), forged
                forged, at = False, match.end()
        yield len(text), "", forged

    def _stripped(self, before: str, text: str, after: str) -> str:
        """The text between two control tokens, without the white space that they take with them."""
        text = text.lstrip() if before and self._tokens[before].after else text
        return text.rstrip() if after and self._tokens[after].before else text


class _Writers:
    """Says of one place of a text after the other whether a client wrote it."""

    def __init__(self, runs: tuple[Run, ...]) -> None:
        self._runs = runs
        self._first = 0
        self._known: dict[tuple[str, tuple[str, ...]], bool] = {}

    def wrote(self, token: str, start: int) -> bool:
        """True where a client wrote this text, or a part of it; places come in ascending order."""
        while self._first < len(self._runs) and self._runs[self._first].end <= start:
            self._first += 1
        for run in self._runs[self._first : self._first + len(token)]:
            if run.start >= start + len(token):
                return False
            if not run.sources or self._is_in(token, run.sources):
                return True
        return False

    def _is_in(self, token: str, sources: tuple[str, ...]) -> bool:
        """True where they wrote this anywhere: it is not known what of a text a client wrote."""
        key = (token, sources)
        if key not in self._known:
            self._known[key] = any(token in source for source in sources)
        return self._known[key]


def _pattern(texts: Iterable[str]) -> str:
    """A pattern for the longest of these texts at a place, which looks at each character once however many
    they are.
    """
    tree: dict[str, Any] = {}
    for text in texts:
        node = tree
        for character in text:
            node = node.setdefault(character, {})
        node[""] = {}
    return _branch(tree)


def _branch(node: dict[str, Any]) -> str:
    options = [re.escape(character) + _branch(inner) for character, inner in node.items() if character]
    if not options:
        return ""
    if "" in node:
        return f"(?:{'|'.join(options)})?"
    return options[0] if len(options) == 1 else f"(?:{'|'.join(options)})"
