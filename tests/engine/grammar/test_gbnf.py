"""GBNF, as llama.cpp's users write it."""

from __future__ import annotations

import ctypes

import llama_cpp.llama_cpp as llama
import numpy as np
import pytest
from llguidance import LLTokenizer

from gateway.engine.grammar.compiler import GrammarCompiler
from gateway.engine.grammar.constraint import Gbnf
from gateway.engine.llama.model import LlamaModel

ARITHMETIC = """
# what llama.cpp's README begins with, nearly
root  ::= (expr "=" ws term "\\n")+
expr  ::= term ([-+*/] term)*
term  ::= ident | num | "(" ws expr ")" ws
ident ::= [a-z] [a-z0-9_]* ws
num   ::= [0-9]+ ws
ws    ::= [ \\t\\n]*
"""

LIST = 'root ::= item{2,3}\nitem ::= "- " [^\\r\\n\\x0b\\u2028]+ "\\n"'

CASES = [
    (ARITHMETIC, "a +(1*b2)=  7\n", True),
    (ARITHMETIC, "a + = 7\n", False),
    (LIST, "- one\n- zwei, drei\n", True),
    (LIST, "- one\n", False),
    (LIST, "- a\u2028b\n- c\n", False),
    ('root ::= "\\u00e9" | "\\U0001F31E" | "\\u0022"', "é", True),
    ('root ::= "\\u00e9" | "\\U0001F31E" | "\\u0022"', "🌞", True),
    ('root ::= "\\u00e9" | "\\U0001F31E" | "\\u0022"', '"', True),
    ('root ::= [\\u00e0-\\u00ff]+ "\\\\u0041"', "éà\\u0041", True),
    ('root ::= [a-z]+ "end" "ing"? "."?', "spendending.", True),
    ('root ::= "a&b" [&&~~*--]+ .', "a&b~&+-\n", True),
    ('root ::= my-Rule | other_rule\nmy-Rule ::= "x"\nother_rule ::= "y" my-Rule?', "yx", True),
]


@pytest.mark.parametrize(("grammar", "text", "whole"), CASES)
def test_a_grammar_takes_its_texts(
    compiler: GrammarCompiler,
    byte_tokenizer: LLTokenizer,
    grammar: str,
    text: str,
    whole: bool,
) -> None:
    """And no others: escapes of characters are those characters."""
    matcher = compiler.compile(Gbnf(grammar))
    tokens = byte_tokenizer.tokenize_str(text)
    taken = matcher.validate(tokens)
    for token in tokens[:taken]:
        matcher.consume(token)
    assert (taken == len(tokens) and matcher.accepting) is whole


class LlamaGrammar:
    """llama.cpp's own reading of a grammar, as a mask."""

    def __init__(self, model: LlamaModel, grammar: str) -> None:
        self._sampler = llama.llama_sampler_init_grammar(model.vocab, grammar.encode(), b"root")
        assert self._sampler
        fields = [("id", np.int32), ("logit", np.float32), ("p", np.float32)]
        self._data = np.zeros(model.n_vocab, dtype=fields)

    def allowed(self) -> list[int]:
        """The tokens that may come next."""
        self._data["id"], self._data["logit"] = np.arange(len(self._data)), 0
        pointer = self._data.ctypes.data_as(ctypes.POINTER(llama.llama_token_data))
        array = llama.llama_token_data_array(data=pointer, size=len(self._data), selected=-1, sorted=False)
        llama.llama_sampler_apply(self._sampler, ctypes.byref(array))
        return [int(token) for token in np.flatnonzero(np.isfinite(self._data["logit"]))]

    def accept(self, token: int) -> None:
        llama.llama_sampler_accept(self._sampler, token)

    def free(self) -> None:
        llama.llama_sampler_free(self._sampler)


GRAMMARS = [
    ARITHMETIC,
    LIST,
    'root ::= [a-z]+ "end" "ing"? "."? | "{" [^}]* "}"',
    'root ::= ("yes" | "no") (" " root)?',
]


@pytest.mark.parametrize("grammar", GRAMMARS, ids=range(len(GRAMMARS)))
def test_a_grammar_allows_what_llama_cpp_allows(
    demo_model: LlamaModel,
    demo_compiler: GrammarCompiler,
    grammar: str,
) -> None:
    """The whole mask, at each token of a random walk, of tokens that are whole characters, or that end.

    llama.cpp also allows control tokens for their names, refuses the character 0, and some halves of
    characters beside those that a class excludes.
    """
    theirs, ours = LlamaGrammar(demo_model, grammar), demo_compiler.compile(Gbnf(grammar))
    random = np.random.default_rng(5)
    compared = {token for token in range(demo_model.n_vocab) if is_plain(demo_model, token)}
    bits = np.zeros(-(-demo_model.n_vocab // 32), dtype=np.int32)
    for _ in range(25):
        ours.fill(bits)
        allowed = np.flatnonzero(np.unpackbits(bits.view(np.uint8), bitorder="little")).tolist()
        common = sorted(compared & set(allowed))
        assert common == sorted(compared & set(theirs.allowed()))
        token = int(random.choice(common))
        if demo_model.is_end(token):
            break
        ours.consume(token)
        theirs.accept(token)
    theirs.free()


def is_plain(model: LlamaModel, token: int) -> bool:
    """True for an end token, and for one that is whole characters, none of them 0."""
    piece = model.piece(token)
    whole = bool(piece) and b"\0" not in piece and "\ufffd" not in piece.decode(errors="replace")
    return model.is_end(token) or whole
