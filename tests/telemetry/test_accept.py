"""Accept headers, and the format of `/metrics` that follows from one."""

from __future__ import annotations

import pytest

from telemetry.accept import names, quality
from telemetry.metrics.prometheus import PrometheusBackend, UnacceptableError

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.1"
)
OPEN, TEXT = "application/openmetrics-text", "text/plain"


@pytest.mark.parametrize(
    ("accept", "media_type", "expected"),
    [
        ("", "text/plain", None),
        ("*/*", "text/plain", 1.0),
        ("text/*;q=0.3, */*;q=0.8", "text/plain", 0.3),
        ("text/plain;q=0, text/*", "text/plain", 0.0),
        ("TEXT/Plain ; Q=0.25", "text/plain", 0.25),
        ("text/plain;q=much", "text/plain", 1.0),
        ("text/plain;q=nan", "text/plain", 1.0),
        ("nonsense, text/html", "text/plain", None),
    ],
)
def test_the_most_specific_range_counts(accept: str, media_type: str, expected: float | None) -> None:
    """RFC 9110, 12.5.1: precedence by precision, not by q; what is no q is none."""
    assert quality(accept, media_type) == expected


def test_a_type_is_named_or_only_covered() -> None:
    """`*/*` asks for nothing in particular, and q=0 for the opposite."""
    assert names("text/event-stream", "text/event-stream")
    assert not names("*/*", "text/event-stream")
    assert not names("text/event-stream;q=0", "text/event-stream")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html", TEXT),
        (OPEN, OPEN),
        (f"{OPEN};q=0", TEXT),
        (f"{TEXT}, {OPEN};q=0", TEXT),
        (f"{OPEN};q=0.000, */*", TEXT),
        (f"{TEXT};q=0, */*", OPEN),
        (f"{TEXT};q=0.9, {OPEN};q=0.1", TEXT),
        (f"{TEXT};q=0.1, {OPEN};q=0.9", OPEN),
        (f"{OPEN};version=0.0.1", OPEN),
        (f"{OPEN};version=abc", OPEN),
        (f"{OPEN};version=99", OPEN),
        (f"{TEXT};version=abc", TEXT),
        (PROMETHEUS_2, OPEN),
        (PROMETHEUS_3, OPEN),
    ],
)
def test_the_format_of_metrics(accept: str, expected: str) -> None:
    """OpenMetrics to whoever names it and likes it at least as well; q=0 excludes; versions that are none
    break nothing.
    """
    body, content_type = PrometheusBackend().render(accept)
    assert content_type.startswith(expected)
    assert body.endswith(b"# EOF\n") == (expected == OPEN)
    assert "version=99" not in content_type
    assert "abc" not in content_type


@pytest.mark.parametrize("accept", [f"{TEXT};q=0", "*/*;q=0", f"{OPEN};q=0, {TEXT};q=0"])
def test_nothing_acceptable(accept: str) -> None:
    """Whoever rules out both gets neither."""
    with pytest.raises(UnacceptableError):
        PrometheusBackend().render(accept)
