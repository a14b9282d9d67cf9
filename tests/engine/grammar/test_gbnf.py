"""GBNF, as llama.cpp's users write it."""

from __future__ import annotations

import pytest
from llguidance import LLTokenizer

from gateway.engine.grammar.compiler import GrammarCompiler
from gateway.engine.grammar.constraint import Gbnf

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
    compiler: GrammarCompiler, byte_tokenizer: LLTokenizer, grammar: str, text: str, whole: bool
) -> None:
    """And no others: escapes of characters are those characters."""
    matcher = compiler.compile(Gbnf(grammar))
    tokens = byte_tokenizer.tokenize_str(text)
    taken = matcher.validate(tokens)
    for token in tokens[:taken]:
        matcher.consume(token)
    assert (taken == len(tokens) and matcher.accepting) is whole
