"""Properties of the parser: any text, any split, any format."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import chain, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.chat.formats.constraint import Json, Maybe, Pattern, Piece, Text, Until, constraint
from gateway.chat.formats.families import FORMATS
from gateway.chat.formats.format import Format, steps_of
from gateway.chat.parsing.events import Event, Message, message_of
from gateway.chat.parsing.parser import Parser

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city"],
            },
        },
    },
    {"type": "function", "function": {"name": "now"}},
]
JSON_PARTS = (
    '{"name": "get_weather", "arguments": {"city": "Paris"}}',
    '{"name": "now", "parameters": {}}',
    '{"city": "Pa\\"r{is", "days": 3}',
    '{city:<|"|>x<|"|>}',
    "[get_weather(city='x', days=1), now()]",
    '"',
    "{",
    "}",
    "[",
    "]",
    ", ",
    "get_weather",
    "now",
    "city",
    "Paris",
    "\n",
    " ",
    "\\",
    "to=functions.now",
    "analysis",
    "final",
)
CASES = pytest.mark.parametrize("chosen", FORMATS, ids=lambda chosen: chosen.name)
BOTH = pytest.mark.parametrize("eager", [False, True], ids=["held", "eager"])


def marks_of(chosen: Format) -> list[str]:
    """All literal texts of a format."""
    spans = (*chosen.reasoning, *chosen.sections)
    found = [*chosen.ignored, *chosen.trailing, *(span.open for span in spans)]
    found += chain.from_iterable(span.closes for span in spans)
    for sample in chain.from_iterable((way.sample, way.parameter) for way in chosen.calls):
        found += [step.text for step in steps_of(sample)]
    if channels := chosen.channels:
        found += [channels.start, channels.channel, channels.message, channels.end]
    return [text for text in found if text]


def texts(chosen: Format) -> st.SearchStrategy[str]:
    """Texts of the format's marks, parts of them, parts of calls, and anything."""
    marks = st.sampled_from(marks_of(chosen))
    halves = st.builds(lambda mark, length: mark[:length], marks, st.integers(1, 12))
    parts = st.one_of(marks, marks, halves, st.sampled_from(JSON_PARTS), st.text(max_size=4))
    return st.lists(parts, max_size=14).map("".join)


def run(chosen: Format, pieces: Iterable[str], *, prompt: str = "", eager: bool = False) -> list[Event]:
    parser = Parser(chosen, tools=TOOLS, prompt=prompt, eager=eager)
    return [event for piece in pieces for event in parser.feed(piece)] + parser.finish()


def split(text: str, cuts: Iterable[int]) -> list[str]:
    """The text, cut at those places."""
    places = sorted({0, *(cut % (len(text) + 1) for cut in cuts), len(text)})
    return [text[begin:end] for begin, end in pairwise(places)]


def is_object(text: str) -> bool:
    return isinstance(json.loads(text), dict)


@CASES
@BOTH
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_split_gives_what_the_whole_gives(chosen: Format, data: st.DataObject, *, eager: bool) -> None:
    """In pieces of any size, and in single characters, and whether or not the prompt began to think."""
    text = data.draw(texts(chosen))
    cuts = data.draw(st.lists(st.integers(0, 200), max_size=12))
    prompt = data.draw(st.sampled_from(["", *(span.open for span in chosen.reasoning)]))
    whole = message_of(run(chosen, [text], prompt=prompt, eager=eager))
    for pieces in (split(text, cuts), list(text)):
        assert message_of(run(chosen, pieces, prompt=prompt, eager=eager)) == whole


@CASES
@BOTH
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_no_character_is_lost_or_said_twice(chosen: Format, data: st.DataObject, *, eager: bool) -> None:
    """The sources of all events are the text; what is said of it is part of it; complete calls have arguments
    that are JSON.
    """
    text = data.draw(texts(chosen))
    events = run(chosen, split(text, data.draw(st.lists(st.integers(0, 200), max_size=6))), eager=eager)
    assert "".join(event.source for event in events) == text
    message = message_of(events)
    assert all(is_object(call.arguments) for call in message.calls if not call.reason)
    assert eager or not any(call.reason for call in message.calls)


@CASES
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_eager_differs_only_where_something_is_noted(chosen: Format, data: st.DataObject) -> None:
    """Where nothing is wrong with any call, it says the same."""
    text = data.draw(texts(chosen))
    held, eager = (message_of(run(chosen, [text], eager=eager)) for eager in (False, True))
    assert held == eager or eager.notes


@CASES
@settings(max_examples=20, deadline=None)
@given(text=st.text(alphabet=st.characters(exclude_characters="<[{`", exclude_categories=["Cs"])))
def test_a_text_without_marks_is_content(chosen: Format, text: str) -> None:
    """All of it, as it stands."""
    if "to=" not in text:
        assert message_of(run(chosen, split(text, [3, 7]))) == Message(content=text)


@CASES
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_what_a_constraint_allows_is_a_call(chosen: Format, data: st.DataObject) -> None:
    """A call that is written as the constraint of a forced call wants it is that call, with the arguments
    that were written.
    """
    shape = data.draw(st.sampled_from(constraint(chosen, TOOLS, "required").calls))
    cities = st.text('aé"\\ {', min_size=1)
    wanted = data.draw(st.fixed_dictionaries({"city": cities}, optional={"days": st.integers()}))
    wanted = wanted if shape.tool == "get_weather" else {}
    text = written(shape.pieces, wanted)
    message = message_of(run(chosen, [text]))
    assert text.startswith(shape.trigger)
    assert [(call.name, json.loads(call.arguments)) for call in message.calls] == [(shape.tool, wanted)], text
    assert (message.content, message.notes) == ("", [])


@CASES
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_calls_one_after_the_other_leave_only_the_text(chosen: Format, data: st.DataObject) -> None:
    """No mark of them is content; where a format cannot have more than one call, there is one."""
    wanted = constraint(chosen, TOOLS, "required")
    number = data.draw(st.integers(1, 3)) if wanted.parallel else 1
    calls = [written(wanted.calls[0].pieces, {"city": f"c{index}"}) for index in range(number)]
    texts_before = [""] if chosen.bare or chosen.channels else ["", "Let me see.", "a < b"]
    before = data.draw(st.sampled_from(texts_before))
    between = "<|call|><|start|>assistant" if chosen.channels else wanted.between
    text = f"{before}{wanted.begin}{between.join(calls)}{wanted.end}"
    message = message_of(run(chosen, split(text, data.draw(st.lists(st.integers(0, 400), max_size=9)))))
    assert (message.content, message.notes) == (before, [])
    found = [json.loads(call.arguments)["city"] for call in message.calls]
    assert found == [f"c{index}" for index in range(number)]


def written(pieces: Iterable[Piece], arguments: Mapping[str, object]) -> str:
    """The text that a model writes under a constraint, for these arguments."""
    text = ""
    for piece in pieces:
        match piece:
            case Text():
                text += piece.text
            case Pattern():
                text += "0"
            case Json():
                value = arguments if piece.schema.get("type") == "object" else arguments["days"]
                text += json.dumps(value, ensure_ascii=False)
            case Until():
                text += free(piece.stop, arguments)
            case Maybe():
                text += written(piece.pieces, arguments) if "days" in arguments else ""
    return text


def free(stop: str, arguments: Mapping[str, object]) -> str:
    """What stands where anything may: a raw value, or arguments in Gemma's or Python's notation."""
    if stop == ")]":
        return ", ".join(f"{key}={value!r}" for key, value in arguments.items())
    if stop.startswith("}"):
        quoted = {key: f'<|"|>{value}<|"|>' if key == "city" else value for key, value in arguments.items()}
        return ",".join(f"{key}:{value}" for key, value in quoted.items())
    return str(arguments["city"])
