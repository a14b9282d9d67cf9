"""Random walks: texts that nobody but the grammar steered."""

from __future__ import annotations

import json
from decimal import Context, Decimal, setcontext
from typing import Any

import jsonschema
import numpy as np
from llguidance import LLTokenizer

from gateway.engine.grammar.choose import Candidate, choose
from gateway.engine.grammar.masks import Masks
from gateway.engine.grammar.matcher import Logits, Matcher

ENDINGS = (b'"', b"}", b"]", b'"}', b'"]', b"}}", b"]}", b"0", b"e", b"l", b"null", b"true", b"@", b"Z")
MOST_TOKENS = 1500

setcontext(Context(prec=2 * MOST_TOKENS))  # as many digits as a walk may write


class RandomSampler:
    """Draws uniformly among what logits leave; tokens that end something become likelier with each token."""

    def __init__(self, tokenizer: LLTokenizer, seed: int, patience: int = 20) -> None:
        self.accepted: list[int] = []
        self._random = np.random.default_rng(seed)
        self._patience = patience
        ends = [tokens[0] for text in ENDINGS if len(tokens := tokenizer.tokenize_bytes(text)) == 1]
        self._ends = np.array([*ends, *tokenizer.eos_tokens])

    def logits(self, n_vocab: int) -> Logits:
        """One row, as a model would give it."""
        row = self._random.random(n_vocab, dtype=np.float32)
        urgency = len(self.accepted) / self._patience
        row[self._ends] += (self._random.random(len(self._ends)) < urgency / 4) * np.float32(urgency)
        return row

    def draw(self, logits: Logits) -> int:
        return int(np.argmax(logits))

    def accept(self, token: int) -> None:
        self.accepted.append(token)


def walk(matcher: Matcher, tokenizer: LLTokenizer, seed: int, *, forced: bool = False) -> bytes | None:
    """The text of a walk to the end of the grammar; None if it is too long. `forced`: what is forced is
    not sampled.
    """
    masks = Masks(tokenizer.vocab_size, rows=1)
    sampler = RandomSampler(tokenizer, seed)
    tokens = matcher.forced_tokens() if forced else []
    while len(tokens) < MOST_TOKENS and not matcher.stopped:
        (token,) = choose([Candidate(sampler, sampler.logits(tokenizer.vocab_size), matcher)], masks)
        assert token is not None, matcher.failure
        if token in tokenizer.eos_tokens:
            break
        tokens.append(token)
        tokens += matcher.forced_tokens() if forced else []
    return tokenizer.decode_bytes(tokens) if matcher.stopped or matcher.accepting else None


def invalid(schema: Any, document: bytes, draft: Any = jsonschema.Draft202012Validator) -> str:
    """Why a document (its text) does not conform to a schema; "" if it does. Numbers are exact."""
    exact = json.loads(json.dumps(schema), parse_float=Decimal)
    instance = json.loads(document, parse_float=Decimal)
    return next((error.message for error in draft(exact).iter_errors(instance)), "")
