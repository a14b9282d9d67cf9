"""Compiling: what is kept, what is refused and in which words."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from llguidance import LLTokenizer

from gateway.engine.grammar.compiler import GrammarCompiler
from gateway.engine.grammar.constraint import Choice, Constraint, Gbnf, JsonObject, JsonSchema, Lark, Regex
from gateway.engine.grammar.errors import GrammarRefusedError
from gateway.engine.grammar.limits import GrammarLimits


def refusal(compiler: GrammarCompiler, constraint: Constraint) -> GrammarRefusedError:
    with pytest.raises(GrammarRefusedError) as caught:
        compiler.compile(constraint)
    return caught.value


def of_schema(compiler: GrammarCompiler, schema: Any) -> GrammarRefusedError:
    return refusal(compiler, JsonSchema(json.dumps(schema)))


REFUSED = {
    "a keyword": (
        {"properties": {"a": {"items": {"not": {}}}}},
        "/properties/a/items",
        "not",
        "Unimplemented keys",
    ),
    "in a definition": (
        {"$ref": "#/$defs/a~b", "$defs": {"a~b": {"if": {}}}},
        "/$defs/a~0b",
        "if",
        "Unimplemented keys",
    ),
    "an option": (
        {"anyOf": [{"type": "null"}, {"format": "int32"}]},
        "/anyOf/1",
        "format",
        "Unknown format: int32",
    ),
    "a pattern": ({"items": {"pattern": "(?=a)"}}, "/items", "pattern", "look-around"),
    "a union": (
        {"properties": {"x/y": {"oneOf": [{}, {}]}}},
        "/properties/x~1y",
        "oneOf",
        "oneOf constraints",
    ),
    "a reference": ({"items": {"$ref": "#/nowhere"}}, "/items", "$ref", "does not exist"),
    "afar": ({"$ref": "http://localhost/other"}, "", "$ref", "http://localhost/other"),
    "a type": ({"type": "text"}, "", "type", "Invalid type: text"),
    "a bound": ({"type": "number", "maximum": -1e300}, "", "maximum", "regex for float range"),
    "many keys": ({"minProperties": 3, "required": ["a"]}, "", "minProperties", "minProperties"),
    "no double": ({"items": {"const": 2**53 + 1}}, "/items", "const", "2^53"),
    "in an enum": ({"enum": [[{"a": 10**400}]]}, "", "enum", "2^53"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_names_place_and_keyword(compiler: GrammarCompiler, name: str) -> None:
    """In the library's words, where they are the library's."""
    schema, path, keyword, words = REFUSED[name]
    error = of_schema(compiler, schema)
    assert (error.path, error.keyword) == (path, keyword)
    assert words in error.words
    assert keyword in str(error)
    assert path in str(error)


NO_SCHEMAS = [
    "",
    "{",
    "[1]",
    '{"minimum": 1e999}',
    '{"const": "\\ud800"}',
    "1",
    '"a"',
    '{"minimum": NaN}',
    '{"a": ' * 100_000,
    "[" * 100_000,
    '{"items":' * 101 + "{}" + "}" * 101,
]


@pytest.mark.parametrize("text", NO_SCHEMAS, ids=lambda text: text[:9])
def test_what_is_no_schema_is_refused(compiler: GrammarCompiler, text: str) -> None:
    """And nothing recurses into it."""
    refusal(compiler, JsonSchema(text))


def test_true_is_any_document_and_false_none(compiler: GrammarCompiler) -> None:
    """As JSON Schema has it."""
    assert compiler.compile(JsonSchema("true")).validate(b"[1,2]") == 5
    assert "schema is false" in str(refusal(compiler, JsonSchema("false")))


BAD: dict[str, Constraint] = {
    "regex": Regex("(a"),
    "look-around": Regex("(?=a)a"),
    "no choice": Choice(()),
    "lark": Lark("start: nothing"),
    "lark that is JSON": Lark('{"grammars": []}'),
    "gbnf": Gbnf("root ::= ("),
    "gbnf without root": Gbnf('a ::= "b"'),
    "gbnf that nests": Gbnf("root ::= " + "(" * 9000),
    "gbnf with half a character": Gbnf('root ::= "\\ud800"'),
    "too long": Regex("a" * 200_000),
    "long gbnf": Gbnf('root ::= "a"' + "#" * 40_000),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_grammars_are_refused(compiler: GrammarCompiler, name: str) -> None:
    """With a reason, and without harm to the next."""
    assert str(refusal(compiler, BAD[name]))
    assert compiler.compile(Choice(("fine",))).forced_tokens() == list(b"fine")


def test_a_schema_cannot_loosen_how_it_is_compiled(compiler: GrammarCompiler) -> None:
    """The library takes options from the schema itself; ours stand."""
    loose = {"lenient": True, "coerce_one_of": True, "whitespace_flexible": True}
    assert of_schema(compiler, {"not": {}, "x-guidance": loose}).keyword == "not"
    matcher = compiler.compile(JsonSchema(json.dumps({"type": "array", "x-guidance": loose})))
    assert matcher.validate(b"[ ]") == 1


def test_white_space_has_an_end(compiler: GrammarCompiler) -> None:
    """Where it is allowed at all."""
    matcher = compiler.compile(JsonObject(compact=False))
    indented = b'{\n    "a": 1,\n    "b": 2\n}'
    assert matcher.validate(indented) == len(indented)
    assert matcher.validate(b"{" + b" " * 50) < 30
    assert compiler.compile(JsonObject()).validate(b"{ ") == 1


def test_equal_constraints_are_compiled_once(compiler: GrammarCompiler) -> None:
    """And each matcher is its own."""
    first, second = (compiler.compile(Choice(("abc", "abd"))) for _ in range(2))
    assert (first.counts.cached, second.counts.cached) == (False, True)
    assert first.forced_tokens() == list(b"ab")
    assert second.validate(b"abd") == 3
    assert compiler.kept[0] == 1


def test_what_is_kept_has_bounds(byte_tokenizer: LLTokenizer) -> None:
    """In number and in bytes; the least recently used goes first."""
    compiler = GrammarCompiler(byte_tokenizer, most_grammars=3, most_bytes=500)
    for text in ("a", "b", "c", "a", "d"):
        compiler.compile(Choice((text,)))
    assert compiler.kept[0] == 3
    assert compiler.compile(Choice(("a",))).counts.cached
    assert not compiler.compile(Choice(("b",))).counts.cached
    compiler.compile(Choice(("x" * 480,)))
    assert compiler.kept[0] < 3
    assert compiler.kept[1] <= 500


def test_refused_constraints_are_not_kept(compiler: GrammarCompiler) -> None:
    """They say the same again."""
    assert str(of_schema(compiler, {"not": {}})) == str(of_schema(compiler, {"not": {}}))
    assert compiler.kept == (0, 0)


def test_a_compilation_has_a_deadline(byte_tokenizer: LLTokenizer) -> None:
    """And while one that missed it is still under way, no other begins."""
    many = Lark("start: " + " | ".join(f'"{number}"' for number in range(20_000)))
    compiler = GrammarCompiler(byte_tokenizer, GrammarLimits(compile_s=0.0, source_bytes=2**20))
    assert "within 0 s" in str(refusal(compiler, many))
    assert "still being compiled" in str(refusal(compiler, Choice(("a",))))
    late = compiler._native._thread
    assert late is not None
    late.join()


CHAIN = """
import json
from llguidance import LLTokenizer
from gateway.engine.grammar.compiler import GrammarCompiler
from gateway.engine.grammar.constraint import JsonSchema

def link(number):
    return {"type": "object", "properties": {"x": {"$ref": f"#/$defs/a{number + 1}"}}}

links = {f"a{number}": link(number) for number in range(1500)} | {"a1500": {"type": "null"}}
schema = {"$ref": "#/$defs/a0", "$defs": links}
matcher = GrammarCompiler(LLTokenizer("byte")).compile(JsonSchema(json.dumps(schema)))
print(bytes(matcher.forced_tokens()).decode())
"""


def test_a_long_chain_of_references_does_not_end_the_process() -> None:
    """The library alone would: its compiler outgrows the usual stack. In a process of its own, for the same
    reason.
    """
    command = [sys.executable, "-c", CHAIN]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == "{"
