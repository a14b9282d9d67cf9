"""What the pages say of a busy engine, and of one that was killed: a real gateway, a real scheduler,
nothing computed.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil

from tests.e2e.serving import FakeServed, frames, until

SLOW = {"FAKE_STEP_MS": "50", "FAKE_PREFILL_MS": "1500"}


def told(served: FakeServed, page: str) -> str:
    """A page's text as it is now."""
    return httpx.get(f"{served.base_url}/dashboard{page}", timeout=30).text


def live(served: FakeServed, wanted: Callable[[str], bool]) -> str:
    """The live page once it says what is wanted."""

    def shown() -> str:
        page = told(served, "/live")
        return page if wanted(page) else ""

    return str(until(shown, 30, "the live page"))


def slots(page: str) -> tuple[int, ...]:
    """Decode, prefill and idle slots; () where none are shown."""
    found = re.search(r'aria-label="Slots: (\d+) decode, (\d+) prefill, (\d+) idle"', page)
    return tuple(map(int, found.groups())) if found else ()


def phases(page: str) -> list[str]:
    """Of the requests that run."""
    return re.findall(r'data-label="Phase"><span class="phase phase-(\w+)"', page)


def test_pages_and_engine_agree_from_prefill_to_the_engines_death(tmp_path: Path) -> None:
    """Three prompts, of which two at least are computed together. Then they decode, and a page of one has its
    whole waterfall. After `kill -9` nothing of the engine is shown until it is there again, idle.
    """
    served = FakeServed(tmp_path / "home", env=SLOW).start()
    with contextlib.ExitStack() as streams:
        answers = [
            streams.enter_context(
                served.stream("word " * 250 + str(number), request_id=f"r{number}", max_tokens=4000)
            )
            for number in range(3)
        ]
        page = live(served, lambda shown: phases(shown).count("prefill") > 1)
        assert slots(page)[:2] == (phases(page).count("decode"), phases(page).count("prefill"))
        streaming = [frames(answer) for answer in answers]
        for stream in streaming:
            next(stream)
            next(stream)
        page = live(served, lambda shown: phases(shown) == ["decode"] * 3)
        assert slots(page)[:2] == (3, 0)
        own = told(served, "/requests/r0")
        for lane in ("admit", "queue", "prefill", "decode", "stream"):
            assert f'id="lane-{lane}"' in own
        (engine,) = psutil.Process(served.pid).children()
        os.kill(engine.pid, signal.SIGKILL)
        assert list(streaming[0])[-1]["error"]["code"] == "engine_unavailable"
        page = live(served, lambda shown: not slots(shown))
        assert phases(page) == []
        assert re.findall(r'<dt>(\w+)</dt><dd><span class="unknown">', page)[:2] == ["queue", "memory"]
    page = live(served, lambda shown: bool(slots(shown)))
    assert slots(page)[:2] == (0, 0)
    assert served.stop() == 0
