"""Constraints as data: what an answer must be, as it travels to the engine process in msgpack.

Schemas and grammars travel as text, as the client wrote them: the order of properties is part of a
constraint, and numbers of any size survive.
"""

from __future__ import annotations

import hashlib

import msgspec


class _Constraint(msgspec.Struct, frozen=True, tag_field="kind"):
    """The base of all kinds; the tag is the kind's name, also in telemetry."""


class JsonSchema(_Constraint, frozen=True, tag="json_schema"):
    """A JSON document that this JSON Schema (its text) validates. `compact`: without white space between
    tokens of JSON, so that more of them are forced; otherwise a blank, or a line break and an indentation,
    may stand there.
    """

    schema: str
    compact: bool = True


class JsonObject(_Constraint, frozen=True, tag="json_object"):
    """Any JSON object. `compact` as in `JsonSchema`."""

    compact: bool = True


class Regex(_Constraint, frozen=True, tag="regex"):
    """A text that the whole of this regular expression matches (Rust's syntax, without look-around and
    back-references).
    """

    pattern: str


class Choice(_Constraint, frozen=True, tag="choice"):
    """One of these texts, and nothing else."""

    options: tuple[str, ...]


class Lark(_Constraint, frozen=True, tag="lark"):
    """A text of this grammar in llguidance's dialect of Lark."""

    grammar: str


class Gbnf(_Constraint, frozen=True, tag="gbnf"):
    """A text of this grammar in llama.cpp's GBNF."""

    grammar: str


class ToolCalls(_Constraint, frozen=True, tag="tool_calls"):
    """An answer with tool calls, in the form of the model's family (`gateway.engine.grammar.calls`); Lark."""

    grammar: str


class StructuralTag(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an answer with a form of its own, such as a tool call: `trigger` opens it wherever it is
    said, `begin` (which starts with the trigger) and `end` stand around `content`.
    """

    trigger: str
    begin: str
    content: JsonSchema | Regex | Lark
    end: str


class StructuralTags(_Constraint, frozen=True, tag="structural_tags"):
    """Free text until a trigger is said, then that tag's form. `required`: no text, at least one tag at once,
    and `separator` between two. Not `several`: one tag ends the answer.
    """

    tags: tuple[StructuralTag, ...]
    required: bool = False
    several: bool = True
    separator: str = ""


Constraint = JsonSchema | JsonObject | Regex | Choice | Lark | Gbnf | StructuralTags | ToolCalls


def kind(constraint: Constraint) -> str:
    """The name of a constraint's kind: json_schema, json_object, regex, choice, lark, gbnf,
    structural_tags or tool_calls.
    """
    return str(constraint.__struct_config__.tag)


def digest(constraint: Constraint) -> str:
    """32 hexadecimal digits that name a constraint: equal ones have equal digests, in every process."""
    return hashlib.blake2b(msgspec.msgpack.encode(constraint), digest_size=16).hexdigest()
