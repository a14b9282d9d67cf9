"""The Request page on who held up whom."""

from __future__ import annotations

import re
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


def delay(
    of: RequestRow, rank: int, cause: str, by: int | None, model: str | None = None, total_us: int = 420_000
) -> DelayRow:
    return DelayRow(
        seq=of.seq,
        rank=rank,
        cause=cause,
        by_seq=by,
        model=model,
        total_us=total_us,
        times=6,
        longest_us=130_000,
        longest_at_us=1_240_000,
    )


def test_both_ways(pages: Pages) -> None:
    """Each request links to the other, with what was lost, why and where."""
    long, waiting = (row(NOW - timedelta(seconds=9 - number), number) for number in (1, 2))
    pages.run(
        add(
            pages,
            long,
            waiting,
            delay(waiting, 0, "prefill", long.seq),
            delay(waiting, 1, "model_load", None, "other-model"),
        )
    )
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


def test_what_was_lost_to_whom_comes_first(pages: Pages) -> None:
    """Before the waterfall, as a part of the request's time, the largest first; nothing where nothing was
    lost.
    """
    long, waiting = (
        row(NOW - timedelta(seconds=90 - number), number, total_ms=50_000.0) for number in (1, 2)
    )
    pages.run(
        add(
            pages,
            long,
            waiting,
            delay(waiting, 0, "prefill", long.seq, total_us=46_600_000),
            delay(waiting, 1, "contention", None),
        )
    )
    shown = " ".join(re.sub(r"<[^>]+>", "", pages.get(f"/requests/{waiting.id}").text).split())
    assert "Lost to others: 47.0 s of 50.0 s." in shown
    assert (
        f"46.6 s to {long.id}: its prompt was computed in the same steps (estimated); 420 ms to other"
        " programs" in shown
    )
    assert shown.index("Lost to others") < shown.index("Where the time went")
    assert "Lost to others" not in pages.get(f"/requests/{long.id}").text


def test_a_wait_for_several_is_lost_once(pages: Pages) -> None:
    """Eight hold the slots at the same time: the request lost what it was queued, not eight times that."""
    waiting = row(NOW, 1, total_ms=2000.0, queue_ms=500.0)
    rows = [delay(waiting, rank, "slots", rank, total_us=500_000) for rank in range(8)]
    pages.run(add(pages, waiting, *rows, delay(waiting, 8, "prefill", 9, total_us=100_000)))
    assert "Lost to others: 600 ms of 2.00 s." in pages.get(f"/requests/{waiting.id}").text
