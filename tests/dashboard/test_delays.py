"""The Request page on who held up whom."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from telemetry.store import phases
from telemetry.store.models import DelayRow, PhasesRow, RequestRow
from tests.dashboard.conftest import Pages
from tests.dashboard.samples import NOW, finished_record, row


async def add(pages: Pages, *rows: RequestRow | DelayRow) -> None:
    async with AsyncSession(pages.site.engine, expire_on_commit=False) as session:
        for one in rows:
            if isinstance(one, RequestRow):
                session.add(PhasesRow(seq=one.seq, phases=phases.encode(finished_record())))
        session.add_all(rows)
        await session.commit()


def delay(of: RequestRow, rank: int, cause: str, by: int | None, model: str | None = None) -> DelayRow:
    return DelayRow(
        seq=of.seq, rank=rank, cause=cause, by_seq=by, model=model, total_us=420_000, times=6, longest_us=130_000, longest_at_us=1_240_000
    )


def test_both_ways(pages: Pages) -> None:
    """Each request links to the other, with what was lost, why and where."""
    long, waiting = (row(NOW - timedelta(seconds=9 - number), number) for number in (1, 2))
    pages.run(add(pages, long, waiting, delay(waiting, 0, "prefill", long.seq), delay(waiting, 1, "model_load", None, "other-model")))
    shown = pages.get(f"/requests/{waiting.id}").text
    assert f'href="/dashboard/requests/{long.id}"' in shown
    assert "its prompt was computed in the same steps (estimated)" in shown
    assert "model other-model" in shown
    for figure in ("420 ms", "130 ms", "1.24 s"):
        assert figure in shown
    other = pages.get(f"/requests/{long.id}").text
    assert "Requests that waited for this one" in other
    assert f'href="/dashboard/requests/{waiting.id}"' in other
    assert "No other request held this one up" in other


def test_a_request_that_is_not_kept_any_more(pages: Pages) -> None:
    """The line stays, and says that there is nothing to link to."""
    waiting = row(NOW, 1)
    pages.run(add(pages, waiting, delay(waiting, 0, "slots", 7)))
    shown = pages.get(f"/requests/{waiting.id}").text
    assert "it held a slot" in shown
    assert "not kept" in shown
