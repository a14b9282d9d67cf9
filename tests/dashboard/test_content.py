"""What was said in a request, on its page: bounded, escaped, and where its text parted from the nearest
known prompt.
"""

from __future__ import annotations

import zlib
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncSession

from dashboard.words.content import (
    DIFFERENT_CHARS,
    MAX_SHOWN_CHARS,
    MAX_SHOWN_MESSAGES,
    Difference,
    content_view,
    difference,
)
from telemetry.events import Phase, PhaseTiming, Scalar
from telemetry.store import phases
from telemetry.store.contents import StoredContent, StoredText
from telemetry.store.models import ContentRow, PhasesRow, RequestRow
from telemetry.store.queries.requests import Nearest
from tests.dashboard.conftest import Pages
from tests.dashboard.samples import MS, NOW, finished_record, row

EVIL = "<img src=x onerror=alert(1)>\"'&{{ 7*7 }}"


def said(*texts: str, answer: str | None = None) -> StoredContent:
    """Texts of system, user, assistant, user and so on in turn."""
    roles = ["system", *["user", "assistant"] * len(texts)]
    stored = tuple(StoredText(role, text) for role, text in zip(roles, texts, strict=False))
    return StoredContent(stored, None if answer is None else StoredText("assistant", answer))


async def add(pages: Pages, request: RequestRow, content: StoredContent | None, **lookup: Scalar) -> None:
    """A recorded request, what was said in it, and what its cache lookup noted."""
    made = finished_record()
    made.phases.append(
        PhaseTiming(
            Phase.CACHE_LOOKUP, 1 * MS, 2 * MS, {"messages": "system:100 user:812", "matched": 90, **lookup}
        )
    )
    made.phases = [
        timing for timing in made.phases if timing.phase is not Phase.CACHE_LOOKUP or timing.attributes
    ]
    async with AsyncSession(pages.site.engine, expire_on_commit=False) as session:
        request.engine_config_id = None
        session.add(request)
        await session.flush()
        session.add(PhasesRow(seq=request.seq, phases=phases.encode(made)))
        if content is not None:
            stored = zlib.compress(msgspec.json.encode(content))
            session.add(ContentRow(seq=request.seq, size_bytes=len(stored), content=stored))
        await session.commit()


def test_what_was_said_is_escaped(pages: Pages) -> None:
    """Roles and texts of prompt, answer and the nearest known prompt are text, whatever is in them."""
    first, second = row(NOW - timedelta(seconds=9), 1), row(NOW, 2)
    known = said(f"{EVIL} one", "question", answer=EVIL)
    pages.run(add(pages, first, known))
    evil = StoredContent(
        (StoredText(EVIL, f"{EVIL} two"), StoredText("user", EVIL)), StoredText("assistant", EVIL)
    )
    pages.run(add(pages, second, evil, divergence_token=7, divergence_message=0, nearest=str(first.seq)))
    shown = pages.get(f"/requests/{second.id}").text
    assert "<img" not in shown
    assert shown.count("&lt;img src=x onerror=alert(1)&gt;") >= 4
    assert "49" not in shown.split("content_kept")[1].split("</section>")[0]


def test_both_texts_stand_beside_the_cache_map(pages: Pages) -> None:
    """The excerpt names the other request and how each goes on; without what it said, how this one's
    message begins.
    """
    first, second, third = (row(NOW - timedelta(seconds=9 - number), number) for number in (1, 2, 3))
    pages.run(add(pages, first, said("Today is Monday.", "Hi")))
    pages.run(
        add(
            pages,
            second,
            said("Today is Tuesday.", "Hi"),
            divergence_token=3,
            divergence_message=0,
            nearest=str(first.seq),
        )
    )
    pages.run(add(pages, third, said("Today is Friday.", "Hi"), divergence_token=3, divergence_message=0))
    shown = pages.get(f"/requests/{second.id}").text
    assert "Today is <mark>Tuesday.</mark>" in shown
    assert 'Today is <mark class="other">Monday.</mark>' in shown
    assert f'<a href="/dashboard/requests/{first.id}">' in shown
    alone = pages.get(f"/requests/{third.id}").text
    assert "is not kept. Here, message 1 (system)" in alone
    assert "parted from the nearest known prompt at message 1" in alone


def test_without_content_the_page_says_what_keeps_it(pages: Pages) -> None:
    """One line with the setting, and the divergence by its position as ever."""
    request = row(NOW, 1)
    pages.run(add(pages, request, None, divergence_token=3, divergence_message=0, nearest="1"))
    shown = pages.get(f"/requests/{request.id}").text
    assert "Prompts and answers are not kept. The setting capture.content" in shown
    assert "parted from the nearest known prompt at message 1 (system), token 4" in shown
    assert 'class="difference"' not in shown


def test_a_damaged_content_is_told(pages: Pages) -> None:
    """The page says that the store could not be read, and why."""
    request = row(NOW, 1)
    pages.run(add(pages, request, said("x")))

    async def damage() -> None:
        async with AsyncSession(pages.site.engine, expire_on_commit=False) as session:
            found = await session.get(ContentRow, request.seq)
            assert found is not None
            found.content = b"\x00damaged"
            await session.commit()

    pages.run(damage())
    response = pages.get(f"/requests/{request.id}")
    assert (response.status_code, "is damaged" in response.text) == (503, True)


def test_long_content_is_shown_in_part() -> None:
    """The page stays small; what is left out is counted, by why it is."""
    many = StoredContent(
        tuple(StoredText("user", str(number)) for number in range(MAX_SHOWN_MESSAGES + 5)), None
    )
    view = content_view(many)
    assert view is not None
    assert (view.left_out, len(view.messages), view.messages[0].text, view.messages[0].number) == (
        5,
        MAX_SHOWN_MESSAGES,
        "5",
        6,
    )
    long = content_view(StoredContent((StoredText("user", "x" * (MAX_SHOWN_CHARS + 7), left_out=3),), None))
    assert long is not None
    assert (len(long.messages[0].text), long.messages[0].kept, long.messages[0].lost) == (
        MAX_SHOWN_CHARS,
        7,
        3,
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (said("s", "one two"), said("s", "one three"), (2, "one t", "wo", "hree", False)),
        (said("s", "q", "a", "new"), said("s", "q", answer="a"), (4, "", "new", "", False)),
        (said("s", "q", "changed", "new"), said("s", "q", answer="a"), (3, "", "changed", "a", False)),
        (said("s", "q"), said("s", "q"), (2, "", "", "", True)),
        (said("s"), said("s and more"), (1, "s", "", " and more", False)),
        (said("s", "q", " a ", "new"), said("s", "q", answer="a"), (4, "", "new", "", False)),
    ],
)
def test_first_difference(ours: StoredContent, theirs: StoredContent, expected: tuple[object, ...]) -> None:
    """By message and by character; the answer of the known request is its last message."""
    found = difference(ours, Nearest("other", theirs), 0)
    assert found is not None
    assert (found.number, found.shared, found.ours, found.theirs, found.same) == expected


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=300))
def test_excerpts_are_of_the_texts(common: str, first: str, second: str) -> None:
    """What is shown as shared is in both texts, what is shown of each is in that one, and all is short."""
    found = difference(said(common + first), Nearest("other", said(common + second)), 0)
    assert isinstance(found, Difference)
    assert found.same == ((common + first).strip() == (common + second).strip())
    shared = found.shared.removeprefix("… ")
    ours, theirs = found.ours.removesuffix(" …"), found.theirs.removesuffix(" …")
    assert shared + ours in common + first
    assert shared + theirs in common + second
    assert max(len(found.ours), len(found.theirs)) <= DIFFERENT_CHARS + 2
    assert found.same or ours[:1] != theirs[:1]
