"""Numbers as people read them."""

from __future__ import annotations

import json
import shlex

import pytest

from dashboard.words import formats
from dashboard.words.curl import curl


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "not measured"),
        (0.0, "0.00 ms"),
        (0.424, "0.42 ms"),
        (18.34, "18.3 ms"),
        (950.4, "950 ms"),
        (1240, "1.24 s"),
        (12_400, "12.4 s"),
        (125_000, "2 min 05 s"),
    ],
)
def test_milliseconds(value: float | None, expected: str) -> None:
    """Three significant digits or so; None is not measured."""
    assert formats.milliseconds(value) == expected


@pytest.mark.parametrize(
    "form",
    [
        formats.milliseconds,
        formats.rate,
        formats.count,
        formats.short_count,
        formats.size_bytes,
        formats.text,
        formats.seconds,
    ],
)
def test_none_is_not_measured(form: object) -> None:
    """Every format tells what was not measured, and none calls it zero."""
    assert form(None) == "not measured"  # type: ignore[operator]
    assert form(0) != "not measured"  # type: ignore[operator]


@pytest.mark.parametrize(
    ("left", "shown"),
    [
        (None, "not measured"),
        (1.0, "100%"),
        (0.4, "40%"),
        (0.00005, "0.005%"),
        (0.0, "used up"),
        (-0.12, "used up (12% over)"),
        (-4.92, "used up (4.9 times over)"),
        (-99.99, "used up (100 times over)"),
        (-1234.5, "used up (1,234 times over)"),
    ],
)
def test_a_budget_is_left_or_used_up(left: float | None, shown: str) -> None:
    """No share of it is negative."""
    assert formats.budget(left) == shown


@pytest.mark.parametrize(
    ("age_s", "shown"),
    [(0, "just now"), (4.9, "just now"), (12.4, "10 s ago"), (119, "115 s ago"), (150, "2 min ago")],
)
def test_an_age_moves_in_steps(age_s: float, shown: str) -> None:
    """A page that shows it is not sent anew every second."""
    assert formats.ago(age_s) == shown


def test_curl_quotes_for_the_shell() -> None:
    """A model's name cannot leave its argument, and API names are used."""
    words = shlex.split(
        curl("http://h", "it's $(rm)", "chat.completions", {"stop_sequences": ["x"], "top_k": 1}, stream=True)
    )
    assert words[:3] == ["curl", "-N", "http://h/v1/chat/completions"]
    assert '"model": "it\'s $(rm)"' in words[-1]
    assert '"stop": ["x"]' in words[-1]


@pytest.mark.parametrize(
    ("api", "path", "field"),
    [
        ("chat.completions", "/v1/chat/completions", "messages"),
        ("embeddings", "/v1/embeddings", "input"),
        ("rerank", "/v1/rerank", "documents"),
    ],
)
def test_curl_speaks_the_api_of_the_request(api: str, path: str, field: str) -> None:
    """Each API has its address and its content; one that is not known has no command."""
    words = shlex.split(curl("http://h", "m", api, {"dimensions": 8}))
    assert words[1] == f"http://h{path}"
    assert set(json.loads(words[-1])) == {"model", field, "dimensions"} | (
        {"query"} if api == "rerank" else set()
    )
    assert curl("http://h", "m", "audio.speech") == ""


def test_code_is_marked_and_escaped() -> None:
    """Backticks become code elements; markup stays text, inside and outside."""
    assert formats.coded("a `<b>` & c") == "a <code>&lt;b&gt;</code> &amp; c"
