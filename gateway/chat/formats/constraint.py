"""How a call to each tool is written, piece by piece: for whoever constrains a model's sampling. Pure data.

For `required`, and for a named tool, the answer is to be one of the calls (after the reasoning, if the model
thinks). For `auto` it is free until a call's `trigger` was written; from there on it is to be one of the
calls with that trigger.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from gateway.chat.formats.format import Format, Span, Step, Syntax, steps_of
from gateway.errors import InvalidRequestError

WRONG_CHOICE = "tool_choice must be auto, none, required or a tool of the request"


class Text(NamedTuple):
    """A fixed text."""

    text: str


class Pattern(NamedTuple):
    """Any text that the regular expression fits."""

    regex: str


class Json(NamedTuple):
    """A JSON value that the schema allows."""

    schema: Mapping[str, Any]


class Until(NamedTuple):
    """Any text without `stop` in it: raw values, and notations that no schema describes."""

    stop: str


class Maybe(NamedTuple):
    """These pieces, or nothing: a parameter that is not required."""

    pieces: tuple[Piece, ...]


Piece = Text | Pattern | Json | Until | Maybe


class CallShape(NamedTuple):
    """How a call to one tool is written. The pieces begin with a text, and that with the trigger."""

    tool: str
    trigger: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Constraint:
    """What an answer with tools may be. `begin` and `end` stand around all calls together, `between` between
    them; `parallel`: more than one is allowed, and can be written.
    """

    mode: Literal["free", "auto", "forced"]
    calls: tuple[CallShape, ...] = ()
    begin: str = ""
    end: str = ""
    between: str = ""
    parallel: bool = True
    reasoning: tuple[Span, ...] = ()
    """What the model may think in before; nothing is constrained there."""

    bare: bool = False
    """Nothing begins a call but its own text: the call is the whole answer."""


def constraint(
    chosen: Format,
    tools: Sequence[Mapping[str, Any]],
    tool_choice: str | Mapping[str, Any],
    *,
    template: str = "",
    parallel: bool = True,
) -> Constraint:
    """The constraint of a request with these tools and this `tool_choice`, both in OpenAI's form. `template`
    is the model's chat template: a format that is written in several ways is written in the template's.

    Raises:
        InvalidRequestError: `tool_choice` names no tool of the request, or is none of its values.
    """
    functions = [tool.get("function", tool) for tool in tools]
    if tool_choice == "none" or not functions:
        return Constraint("free")
    if isinstance(tool_choice, Mapping):
        functions = [function for function in functions if function["name"] == _chosen_name(tool_choice)]
    if not functions or not (isinstance(tool_choice, Mapping) or tool_choice in ("auto", "required")):
        raise InvalidRequestError(WRONG_CHOICE, param="tool_choice")
    way = None if chosen.channels else _way(chosen, template)
    shapes = tuple(_shape(chosen, way, function) for function in functions)
    section = next((span for span in chosen.sections if span.open in template), None)
    section = section or next(iter(chosen.sections), None)
    return Constraint(
        "auto" if tool_choice == "auto" else "forced",
        shapes,
        begin=section.open + chosen.between if section else "",
        end=chosen.between + section.closes[0] if section else "",
        between=chosen.between,
        parallel=parallel and not isinstance(tool_choice, Mapping) and way is not None and not way.is_guess,
        reasoning=_reasoning(chosen),
        bare=way is not None and not way.opener,
    )


def is_held(chosen: Format, tool_choice: str | Mapping[str, Any], template: str = "") -> bool:
    """Whether all that the parser would read as a call is held to the format by the constraint: each of a
    forced answer, but for notations that no schema describes; with `auto`, only where one way to write calls
    is read.
    """
    if chosen.channels:
        return tool_choice != "auto"
    way = _way(chosen, template)
    if any(step.hole in ("object", "pythonic") for step in way.steps):
        return False
    if tool_choice != "auto":
        return True
    return not (chosen.calls_in_reasoning or chosen.bare) and chosen.openers == (way.opener,)


def _reasoning(chosen: Format) -> tuple[Span, ...]:
    """What the model may think in; in channels that is a message, behind which another one is begun."""
    channels = chosen.channels
    if channels is None:
        return chosen.reasoning
    close = f"{channels.end}{channels.start}assistant"
    names = channels.reasoning
    return tuple(Span(f"{channels.channel}{name}{channels.message}", (close,)) for name in names)


def _chosen_name(tool_choice: Mapping[str, Any]) -> str | None:
    """The tool that `{"type": "function", "function": {"name": …}}` names."""
    function = tool_choice.get("function", tool_choice)
    return function.get("name") if isinstance(function, Mapping) else None


def _way(chosen: Format, template: str) -> Syntax:
    """The way to write a call that has most of its marks in the template; of equals the first."""
    ways = [way for way in chosen.calls if not way.lenient]
    return max(ways, key=lambda way: (_known(way, template), -way.is_guess, -ways.index(way)))


def _known(way: Syntax, template: str) -> int:
    """How many of its marks the template has; none counts where one is missing."""
    texts = [step.text for step in way.steps if step.text]
    return len(texts) if all(text in template for text in texts) else 0


def _shape(chosen: Format, way: Syntax | None, function: Mapping[str, Any]) -> CallShape:
    """The shape of a call to this function."""
    name = function["name"]
    if way is None:
        assert chosen.channels
        channels = chosen.channels
        trigger = f"{channels.channel}commentary to="
        begin = f"{trigger}{channels.recipient}{name} <|constrain|>json{channels.message}"
        return CallShape(name, trigger, (Text(begin), Json(_schema(function))))
    pieces = tuple(_merged(_pieces(way, function)))
    first = pieces[0]
    assert isinstance(first, Text)
    return CallShape(name, way.opener or first.text, pieces)


def _schema(function: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a function's arguments, which are an object; without one it has none."""
    schema = function.get("parameters") or {"properties": {}, "additionalProperties": False}
    return schema if "type" in schema else {"type": "object", **schema}


def _pieces(way: Syntax, function: Mapping[str, Any]) -> Iterator[Piece]:
    """The pieces of a call that is written so."""
    name, schema = function["name"], _schema(function)
    for step in way.steps:
        if step.hole == "name":
            yield Text(name)
        elif step.hole == "id":
            yield Pattern("[0-9]+")
        elif step.hole == "arguments":
            yield Json(schema)
        elif step.hole in ("call", "calls"):
            in_list = step.hole == "calls" and not way.is_guess
            begin = f'{{"{way.name_key}": {json.dumps(name, ensure_ascii=False)}, "{way.arguments_key}": '
            yield from (Text(f"[{begin}" if in_list else begin), Json(schema), Text("}]" if in_list else "}"))
        elif step.hole == "parameters":
            yield from _parameters(way, schema)
        elif step.hole == "object":
            yield from (Text("{"), Until("}" + way.tail[0]), Text("}"))
        elif step.hole == "pythonic":
            yield from (Text(f"[{name}("), Until(")]"), Text(")]"))
        else:
            yield Text(step.text or step.space)


def _parameters(way: Syntax, schema: Mapping[str, Any]) -> Iterator[Piece]:
    """A tag for each property, in the schema's order."""
    required = schema.get("required") or ()
    named = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
    for key, kind in (schema.get("properties") or {}).items():
        pieces = tuple(_merged(_tag(way, key, {**named, **kind} if isinstance(kind, Mapping) else {})))
        yield from pieces if key in required else (Maybe(pieces),)


def _tag(way: Syntax, key: str, schema: Mapping[str, Any]) -> Iterator[Piece]:
    """The pieces of one parameter."""
    steps = steps_of(way.parameter)
    is_text = schema.get("type") == "string"
    for step in steps:
        if step.hole == "key":
            yield Text(key)
        elif step.hole == "type":
            yield Text(_type(way, schema, is_text=is_text))
        elif step.hole == "value" and is_text and "enum" in schema:
            yield Pattern("|".join(re.escape(str(choice)) for choice in schema["enum"]))
        elif step.hole == "value":
            yield Until(_closer(steps)) if is_text else Json(schema)
        else:
            yield Text(step.text or step.space)


def _closer(steps: Sequence[Step]) -> str:
    """What ends a raw value: all that the models write behind it, up to the mark."""
    value = next(index for index, step in enumerate(steps) if step.hole == "value")
    mark = next(index for index in range(value, len(steps)) if steps[index].text)
    return "".join(step.text or step.space for step in steps[value + 1 : mark + 1])


def _type(way: Syntax, schema: Mapping[str, Any], *, is_text: bool) -> str:
    """What stands in the `{type}` of a tag: a type, or, where the sample asks whether it is a text, that."""
    if 'string="{type}"' in way.parameter:
        return "true" if is_text else "false"
    declared = schema.get("type")
    return declared if isinstance(declared, str) else "object"


def _merged(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """The same pieces, texts that follow each other in one, and no empty ones."""
    text = ""
    for piece in pieces:
        if isinstance(piece, Text):
            text += piece.text
            continue
        if text:
            yield Text(text)
        text = ""
        yield piece
    if text:
        yield Text(text)
