"""llama.cpp's GBNF as a Lark grammar that takes the same texts.

llguidance reads GBNF too (`gbnf_to_lark`), but makes terminals of rules, and its lexer takes the longest one:
after `num ::= [0-9]+ ws` a line break that the grammar wants next is already eaten as white space, and the
text can never end. Here every character is a terminal of its own, as it is for llama.cpp: slower, and the
same language. Parsed is with the library's parser.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from llguidance.gbnf_to_lark import (
    AlternativeNode,
    ASTNode,
    GrammarParser,
    LiteralNode,
    RegexNode,
    RepetitionNode,
    RuleRefNode,
    SequenceNode,
)

from gateway.engine.grammar.errors import GrammarRefusedError

ROOT = "root"
ANY = r"/(.|\n)/"

_UNICODE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|.)", re.DOTALL)
_CHARACTER = re.compile(r"\\x([0-9A-Fa-f]{2})|\\(.)|(.)", re.DOTALL)
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t"}

Names = Mapping[str, str]
"""GBNF's names of rules, and ours."""


def gbnf_lark(grammar: str) -> str:
    """The grammar in Lark.

    Raises:
        GrammarRefusedError: it is no GBNF; in the words of the library's parser.
    """
    try:
        rules = GrammarParser().parse(_UNICODE.sub(_unescaped, grammar))
        names = {name: "start" if name == ROOT else f"rule_{number}" for number, name in enumerate(rules)}
        lines = [f"{names[name]}: {_lark(rule.alternatives, names)}" for name, rule in rules.items()]
    except GrammarRefusedError:
        raise
    except Exception as error:  # the parser raises whatever comes, a RecursionError too
        raise GrammarRefusedError(str(error)) from None
    if ROOT not in rules:
        raise GrammarRefusedError(f"the grammar has no rule {ROOT}")
    return "%llguidance {}\n" + "\n".join(lines) + "\n"


def _lark(node: ASTNode, names: Names) -> str:
    match node:
        case LiteralNode(value):
            return " ".join(_literal(value)) or '""'
        case RegexNode(rx):
            return ANY if rx == "." else f"/{_plain_class(rx)}/"
        case RuleRefNode(name):
            if name not in names:
                raise GrammarRefusedError(f"Rule '{name}' not found")
            return names[name]
        case RepetitionNode(inner, least, most):
            return f"({_lark(inner, names)}){_times(least, most)}"
        case SequenceNode(nodes):
            return " ".join(_lark(one, names) for one in nodes) or '""'
        case AlternativeNode(alternatives):
            return "(" + " | ".join(_lark(one, names) for one in alternatives) + ")"
    raise GrammarRefusedError(f"{type(node).__name__} is not supported")


def _times(least: int, most: int | None) -> str:
    plain = {(0, None): "*", (1, None): "+", (0, 1): "?"}
    return plain.get((least, most)) or f"{{{least},{'' if most is None else most}}}"


def _literal(value: str) -> list[str]:
    """One Lark string per character."""
    found = _CHARACTER.finditer(value)
    return [json.dumps(_character(one), ensure_ascii=False) for one in found]


def _character(found: re.Match[str]) -> str:
    digits, escaped, plain = found.groups()
    if digits is not None:
        return chr(int(digits, 16))
    return plain if escaped is None else _CONTROLS.get(escaped, escaped)


def _plain_class(characters: str) -> str:
    """A class of characters without what only Rust's regular expressions know: `&&`, `--` and `~~` are set
    operations.
    """
    return re.sub(r"(?<!\\)([&~])", r"\\\1", characters).replace("--", r"-\-")


def _unescaped(escape: re.Match[str]) -> str:
    r"""A `\u` or `\U` escape as the character itself, or as `\x` where ASCII may mean something to the
    grammar.

    The library's parser strips leading zeros of such escapes, and what is left is another character, or none.
    """
    digits = escape[1] or escape[2]
    if digits is None:
        return escape[0]
    code = int(digits, 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise GrammarRefusedError(f"{escape[0]} is no character")
    return f"\\x{code:02x}" if code < 0x80 else chr(code)
