"""Energy and cost on the pages: figures where they were measured, reasons where they were not."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from dashboard.words import formats
from dashboard.words.energy import energy_facts, pending_energy, request_energy
from dashboard.words.facts import Fact
from telemetry.cost import Prices
from telemetry.energy.sources import Report
from telemetry.store.queries.statistics import Totals
from telemetry.store.rollup_models import RollupRow, SeriesRow
from tests.dashboard.conftest import Pages
from tests.dashboard.samples import MODEL, NOW, fill_requests, row, running_records
from tests.dashboard.site import NO_RAPL

READ = Report(("RAPL package-0",))
EUR = Prices(per_kwh=0.3, currency="EUR")
FIRST = "req_000000000000000000000000"


def facts(found: tuple[Fact, ...]) -> dict[str, str]:
    return {fact.name: fact.value for fact in found}


def notes(found: tuple[Fact, ...]) -> str:
    return " | ".join(fact.note for fact in found)


@pytest.mark.parametrize(
    ("changed", "prices", "expected"),
    [
        ({"energy_j": 32.0}, Prices(), {"energy": "32 J", "energy per output token": "0.5 J"}),
        (
            {"energy_j": 32.0, "cost": 0.0123456},
            EUR,
            {"energy": "32 J", "energy per output token": "0.5 J", "cost": "0.0123 EUR"},
        ),
        (
            {"energy_j": 812.0, "completion_tokens": None},
            Prices(),
            {"energy": "812 J", "energy per prompt token": "1 J"},
        ),
        (
            {"energy_j": 0.0, "completion_tokens": None, "prompt_tokens": None},
            Prices(),
            {"energy": "0 J", "energy per token": "not measured"},
        ),
        ({}, Prices(), {"energy": "not measured", "energy per token": "not measured"}),
        ({}, EUR, {"energy": "not measured", "energy per token": "not measured", "cost": "not measured"}),
        (
            {"cost": 2.5},
            Prices(),
            {"energy": "not measured", "energy per token": "not measured", "cost": "2.50"},
        ),
    ],
)
def test_a_request(changed: dict[str, Any], prices: Prices, expected: dict[str, str]) -> None:
    """Joules, joules per token, and a cost where anything has a price or had one."""
    assert facts(request_energy(row(NOW, **changed), NO_RAPL, prices)) == expected


def test_reasons() -> None:
    """What was looked for; that it was not read then; what has a price and no figure; that it comes later."""
    assert "/sys/class/powercap" in notes(request_energy(row(NOW), NO_RAPL, Prices()))
    assert "not read while it ran" in notes(request_energy(row(NOW), READ, Prices()))
    assert "energy has a price and was not measured" in notes(request_energy(row(NOW), NO_RAPL, EUR))
    assert "nothing had a price when it ended" in notes(request_energy(row(NOW, energy_j=1.0), READ, EUR))
    assert "from RAPL package-0" in notes(request_energy(row(NOW, energy_j=1.0), READ, EUR))
    assert facts(pending_energy(READ)) == {"energy": "not yet"}
    assert facts(pending_energy(NO_RAPL)) == {"energy": "not measured"}


def test_sums_say_of_how_many() -> None:
    """Groups are summed; requests without a figure are not taken for 0."""
    groups = [
        Totals(requests=3, energy_requests=2, energy_j=1000.0, energy_tokens=50, cost_requests=1, cost=0.5),
        Totals(requests=7),
    ]
    found = energy_facts(groups, READ, EUR)
    assert facts(found) == {"energy": "1 kJ", "energy per output token": "20 J", "cost": "0.500 EUR"}
    assert "of 2 of 10 requests" in notes(found)
    assert "of 1 of 10 requests" in notes(found)
    assert facts(energy_facts([Totals(requests=7)], NO_RAPL, Prices())) == {
        "energy": "not measured",
        "energy per output token": "not measured",
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "not measured"),
        (0.0, "0 J"),
        (0.0004, "0.4 mJ"),
        (0.5, "0.5 J"),
        (42.34, "42.3 J"),
        (1234.0, "1.23 kJ"),
        (4e6, "4 MJ"),
    ],
)
def test_joules(value: float | None, shown: str) -> None:
    """Three significant digits in the unit that fits."""
    assert formats.joules(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0.00 €"), (0.00001234, "0.0000123 €"), (0.5, "0.500 €"), (1234.5, "1,234.50 €")],
)
def test_amounts(value: float, shown: str) -> None:
    """Small amounts keep three significant digits; never 1e-05."""
    assert formats.amount(value, "€") == shown
    assert formats.amount(value, "") == shown.removesuffix(" €")


def test_pages_without_a_source(busy: Pages) -> None:
    """Request (stored and running) and Models read "not measured" with what was looked for, and show no
    cost.
    """
    running = running_records(busy.site.sink, busy.site.now_ns or 0)
    for url in (f"/requests/{FIRST}", f"/requests/{running[0].request_id}", "/models"):
        page = busy.get(url).text
        assert re.search(
            r"energy <small>[^<]*/sys/class/powercap[^<]*</small></dt><dd><span class=\"unknown\">not"
            r" measured",
            page,
        ), url
        assert "Energy and cost" not in page


def test_pages_with_figures(pages: Pages) -> None:
    """The request's own, and the model's sum over the window."""
    pages.site.energy, pages.site.prices = READ, EUR
    pages.run(fill_requests(pages.site.engine, 1))
    pages.run(_charge(pages))
    request = pages.get(f"/requests/{FIRST}").text
    assert "Energy and cost" in request
    assert "32 J" in request
    assert "0.00250 EUR" in request
    models = pages.get("/models").text
    assert "640 J" in models
    assert "of 20 of 30 requests" in models
    assert "0.0500 EUR" in models


async def _charge(pages: Pages) -> None:
    """Give the newest request, and a minute of the model, figures."""
    async with AsyncSession(pages.site.engine) as session:
        charged = row(NOW, 500, id=FIRST, energy_j=32.0, cost=0.0025)
        session.add(charged)
        session.add(SeriesRow(id=1, model=MODEL, engine_config_id="", context_bucket="0-512"))
        await session.flush()
        session.add(
            RollupRow(
                minute=int(NOW.timestamp()) // 60,
                series_id=1,
                requests=30,
                errors=0,
                cancelled=0,
                prompt_tokens=0,
                cached_tokens=0,
                completion_tokens=0,
                energy_requests=20,
                energy_j=640.0,
                energy_tokens=1280,
                cost_requests=20,
                cost=0.05,
            )
        )
        await session.commit()
