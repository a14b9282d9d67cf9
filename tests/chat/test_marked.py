"""Marked texts behave as plain ones do, and know which of their characters clients wrote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.chat.marked import Marked, Run, concat, derived, following, of_client, of_messages, runs_of

OURS, THEIRS = "aA \n<", "bB\t>|"
"""Letters of the template and of clients: whose a character is can be seen."""

TEXTS = st.lists(
    st.one_of(st.text(OURS, max_size=4), st.text(THEIRS, min_size=1, max_size=4)), max_size=6
).map(
    lambda pieces: concat([of_client(piece) if piece and piece[0] in THEIRS else piece for piece in pieces])
)


def plain(text: str) -> str:
    """The same text without its runs."""
    return str.__str__(text)


def check(text: str) -> None:
    """Clients wrote exactly the characters that the runs say."""
    theirs = {index for run in runs_of(text) for index in range(run.start, run.end)}
    assert not any(run.sources for run in runs_of(text))
    assert theirs == {index for index, character in enumerate(plain(text)) if character in THEIRS}


EXACT: dict[str, Callable[[str, Any], Any]] = {
    "strip": lambda text, _: text.strip(),
    "lstrip letters": lambda text, other: text.lstrip(other or "x"),
    "rstrip letters": lambda text, other: text.rstrip(other or "x"),
    "first": lambda text, _: text[:1],
    "from the end": lambda text, _: text[-3:],
    "one character": lambda text, _: text[-1] if text else "",
    "split": lambda text, _: text.split(),
    "split at": lambda text, other: text.split(other or "a", 2),
    "rsplit": lambda text, _: text.rsplit(None, 1),
    "rsplit at": lambda text, other: text.rsplit(other or "a", 1),
    "lines": lambda text, _: text.splitlines(),
    "lines with ends": lambda text, _: text.splitlines(keepends=True),
    "partition": lambda text, other: text.partition(other or "a"),
    "rpartition": lambda text, other: text.rpartition(other or "a"),
    "replace": lambda text, other: text.replace("a", other),
    "replace some": lambda text, other: text.replace("ab", other, 1),
    "remove prefix": lambda text, other: text.removeprefix(other),
    "remove suffix": lambda text, other: text.removesuffix(other),
    "add": lambda text, other: text + other,
    "add before": lambda text, other: other + text,
    "join": lambda text, other: text.join([other, "a", other]),
    "upper": lambda text, _: text.upper(),
    "lower": lambda text, _: text.lower(),
    "characters": lambda text, _: list(text),
    "text": lambda text, _: str(text),
}


@pytest.mark.parametrize("name", EXACT)
@given(TEXTS, TEXTS)
def test_operations_give_what_a_text_gives_and_keep_whose_it_is(name: str, text: str, other: str) -> None:
    """Each of them, on texts of both and with texts of both."""
    operation = EXACT[name]
    found, expected = operation(following(text), other), operation(plain(text), plain(other))
    assert found == expected
    assert type(found) is type(expected) or isinstance(found, str)
    for part in [found] if isinstance(found, str) else found:
        check(part)


@given(TEXTS, st.integers(-9, 9), st.integers(-9, 9), st.sampled_from([1, 2, -1]))
def test_slices(text: str, start: int, stop: int, step: int) -> None:
    """Whole ones are exact; what skips characters is a client's if any of it was."""
    found = text[start:stop:step]
    assert plain(found) == plain(text)[start:stop:step]
    if step == 1:
        check(found)
    elif runs_of(text) and found:
        assert runs_of(found)[0].sources == (text,)


def test_what_is_made_in_other_ways_is_unsure() -> None:
    """The whole result may be a client's, and its sources are remembered."""
    theirs = of_client("b<|x|>")
    made = derived(f"a{theirs}a", (["a", {"k": theirs}],))
    assert made == "ab<|x|>a"
    assert runs_of(made) == (Run(0, 8, (theirs,)),)
    assert runs_of(derived("a", ("a", 1, None))) == ()


def test_messages_are_marked_but_for_their_roles() -> None:
    """Everything else that a client sends is theirs, however deep; a role that is none of ours is too."""
    call = {"function": {"name": "f", "arguments": {"city": "b"}}}
    marked = of_messages(
        [{"role": "user", "content": "b", "tool_calls": [call]}, {"role": "im_end", "content": ""}]
    )
    assert marked == [
        {"role": "user", "content": "b", "tool_calls": [call]},
        {"role": "im_end", "content": ""},
    ]
    assert runs_of(marked[0]["role"]) == ()
    assert runs_of(marked[0]["content"])
    inner = marked[0]["tool_calls"][0]["function"]["arguments"]
    assert all(runs_of(key) and runs_of(value) for key, value in inner.items())
    assert runs_of(marked[1]["role"])


def test_neighbouring_runs_are_one() -> None:
    """A text that was taken apart and put together has one run again."""
    text = of_client("some words of a client")
    assert runs_of(concat(list(text))) == runs_of(text) == (Run(0, 22),)
    assert isinstance(concat(["a", text]), Marked)
    assert type(concat(["a", "b"])) is str
