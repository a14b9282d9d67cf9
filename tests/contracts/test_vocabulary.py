"""A word of a vocabulary (a phase, a cache reason, an error's code) is known wherever it is shown.

Every test says which file does not have it. The recipes are in docs/where-to-add.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum

import pytest

from dashboard.assets import assets
from dashboard.words import explain
from dashboard.words.delays import HELD_UP, WAITED_FOR
from gateway.errors import ApiError
from grafana.sources.panels import OUTCOME_COLOURS, PHASE_COLOURS
from telemetry.events import CacheReason, CacheSource, DelayCause, Phase, Status
from telemetry.outcomes import REJECTIONS, Outcome
from telemetry.record import ENGINE_PHASES
from telemetry.semconv import SERVER_FAILURES, SPAN_NAMES
from telemetry.store.models import Base
from tests.contracts.sources import ROOT

COLUMNS: tuple[tuple[str, Iterable[str]], ...] = (
    ("requests.status", Status),
    ("requests.error_type", (*REJECTIONS, *SERVER_FAILURES)),
    ("requests.cache_source", CacheSource),
    ("requests.cache_reason", CacheReason),
    ("rollup_cache.source", CacheSource),
    ("rollup_cache.reason", CacheReason),
    ("rollup_phases.phase", Phase),
    ("request_delays.cause", DelayCause),
)

GATEWAY_PHASES = frozenset({Phase.ADMIT, Phase.STREAM})
"""Those that are the gateway's own work, which `firsttoken.overhead.duration` is made of."""

NO_MODEL_ASKED = frozenset({"store_unavailable"})
"""Codes of failures of ours that answer no request for a model, so that no objective is about them."""


@pytest.mark.parametrize(("column", "words"), COLUMNS, ids=[column for column, _ in COLUMNS])
def test_words_fit_their_column(column: str, words: Iterable[str]) -> None:
    """PostgreSQL refuses a longer one, and no migration would say so."""
    table, _, name = column.partition(".")
    limit = getattr(Base.metadata.tables[table].c[name].type, "length", None)
    assert limit is not None
    too_long = [word for word in words if len(word) > limit]
    advice = "shorten it, or widen the column with a migration"
    assert not too_long, f"{column} takes {limit} characters, {too_long} have more: {advice}"


@pytest.mark.parametrize("phase", Phase)
def test_a_phase_is_known_everywhere(phase: Phase) -> None:
    """Span, colours, whose time it is, and the trace of a request; pages' words are checked with them."""
    style = assets()["app.css"].content.decode()
    ours = (phase in ENGINE_PHASES) != (phase in GATEWAY_PHASES)
    missing = [
        *_unless(phase in SPAN_NAMES, "telemetry/semconv.py: SPAN_NAMES"),
        *_unless(ours, "telemetry/record.py: ENGINE_PHASES (or GATEWAY_PHASES here)"),
        *_unless(f".phase-{phase} {{" in style, f"dashboard/static/app.css: a rule .phase-{phase}"),
        *_unless(phase in PHASE_COLOURS, "grafana/sources/panels.py: PHASE_COLOURS, then `make grafana`"),
        *_unless(phase.value in _traced(), "ARCHITECTURE.md: the trace of one request, in bold"),
    ]
    assert not missing, f"the phase {phase.value} is missing in {'; '.join(missing)}"


def test_every_outcome_has_its_colour() -> None:
    """On Grafana's dashboards."""
    assert set(OUTCOME_COLOURS) == set(Outcome), "grafana/sources/panels.py: OUTCOME_COLOURS has each outcome"


NOBODY = frozenset({DelayCause.MODEL_LOAD, DelayCause.CONTENTION})
"""Causes that are no request, so that there is no page to say it on from the other side."""


def test_a_cause_of_delays_has_its_words() -> None:
    """On the page of the request that waited, and on that of the one that it waited for."""
    assert set(WAITED_FOR) == set(DelayCause), "dashboard/words/delays.py: WAITED_FOR has each cause"
    advice = "dashboard/words/delays.py: HELD_UP has each cause but those of NOBODY here"
    assert set(HELD_UP) == set(DelayCause) - NOBODY, advice


def test_a_tier_has_its_name() -> None:
    """On the pages of the cache and of requests."""
    named = {source.value for source in CacheSource}
    assert set(explain.CACHE_SOURCES) == named, "dashboard/words/explain.py: CACHE_SOURCES has each tier"


def _traced() -> set[str]:
    """Phases that the trace of a request names: words in bold, several of them joined by commas."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    bold = re.findall(r"\*\*([\w, ]+)\*\*", text.partition("## The trace of one request")[2])
    return set(", ".join(bold).split(", "))


def _unless(there: object, where: str) -> list[str]:
    return [] if there else [where]


def _errors(kind: type[ApiError] = ApiError) -> Iterator[type[ApiError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _errors(child)


def test_failures_of_ours_count_as_failures() -> None:
    """Objectives, `firsttoken.requests` and the roll-ups count the codes of SERVER_FAILURES."""
    ours = {kind.default_code for kind in _errors() if kind.status >= 500}
    forgotten = ours - {*SERVER_FAILURES} - NO_MODEL_ASKED
    advice = "put it into SERVER_FAILURES of telemetry/semconv.py, or into NO_MODEL_ASKED here"
    assert not forgotten, f"{sorted(forgotten)}: {advice}"


def test_failures_of_ours_are_explained() -> None:
    """The page of such a request says what it means and what to do."""
    silent = set(SERVER_FAILURES) - set(explain.ERRORS)
    assert not silent, f"say what {sorted(silent)} means in ERRORS of dashboard/words/explain.py"


@pytest.mark.parametrize("vocabulary", [Phase, CacheReason, CacheSource, DelayCause, Status])
def test_words_are_labels(vocabulary: type[StrEnum]) -> None:
    """They are labels of metrics, names of CSS classes and values in SQL: small letters and underscores."""
    odd = [word.value for word in vocabulary if not re.fullmatch(r"[a-z]+(_[a-z]+)*", word.value)]
    assert not odd, f"{odd}: small letters, words joined by underscores"
