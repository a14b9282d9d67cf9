"""A disk that fails costs the disk tier, and only that, and not for ever."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.engine.cache.disk import file, thread
from tests.engine.cache.caches import Disk, prompt

Disks = Callable[..., Disk]


def failing(code: int) -> OSError:
    return OSError(code, os.strerror(code), "somewhere")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("where", ["mkdir", "unlink", "write"])
def test_a_disk_that_fails_turns_the_tier_off(
    disks: Disks, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, where: str, code: int
) -> None:
    """No error of it gets out: there is a reason, a count and one line in the log; RAM goes on as before."""

    def fail(*_given: object, **_more: object) -> None:
        raise failing(code)

    if where == "mkdir":
        monkeypatch.setattr(Path, "mkdir", fail)
    one = disks()
    if where == "write":
        monkeypatch.setattr(thread, "write_file", fail)
    entry = one.keep(prompt(1))
    one.thread.run_once(0)
    one.flush()
    if where == "unlink":
        monkeypatch.setattr(Path, "unlink", fail)
        one.cache.forget(entry)
        entry = one.keep(prompt(2))
    with caplog.at_level(logging.WARNING):
        one.thread.run_once(0)
        one.flush()
    assert os.strerror(code) in one.tier.off
    assert one.cache.discarded == {"disk_off": 1}
    assert one.ram.holds(entry)
    assert one.cache.tiers()[2].entries == 0
    one.cache.check_integrity()


def test_an_unexpected_error_is_the_tiers_own_too(disks: Disks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is raised on the disk thread is logged and ends the tier, not the engine."""

    def fail(*_given: object) -> int:
        raise MemoryError

    one = disks()
    one.keep(prompt(1))
    monkeypatch.setattr(thread, "write_file", fail)
    one.flush()
    assert "MemoryError" in one.tier.off


def test_a_file_for_which_there_is_no_memory_stays(disks: Disks, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not damaged: the prompt is computed, and the file is there for the next one."""

    def fail(*_given: object) -> None:
        raise MemoryError

    disks().store(prompt(1))
    again = disks()
    found = again.on_disk(prompt(1))
    assert found is not None
    monkeypatch.setattr(thread, "read_file", fail)
    assert not again.load(found)
    monkeypatch.undo()
    assert again.load(found)


def test_a_tier_that_was_off_is_tried_again(disks: Disks, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while it opens anew: files that were there are found, those whose entry is still in RAM by
    that one.
    """
    one = disks()
    kept, written = one.keep(prompt(1)), one.store(prompt(2))
    one.flush()
    write = file.write_file

    def fail(*_given: object) -> int:
        raise failing(errno.ENOSPC)

    monkeypatch.setattr(thread, "write_file", fail)
    new = one.keep(prompt(3))
    one.flush()
    assert one.tier.off
    assert one.on_disk(prompt(2)) is None
    monkeypatch.setattr(thread, "write_file", write)
    one.thread.run_once(0)
    assert one.tier.off, "not at once"
    monkeypatch.setattr(thread, "CHECK_S", 0.0)
    one.thread._retry_s = 0.0
    one.thread.run_once(0)
    one.cache.check_integrity()
    assert one.tier.off == ""
    assert one.tier.holds(kept)
    assert one.tier.holds(written)
    one.flush()
    assert one.tier.holds(new)
    assert one.cache.tiers()[2].entries == 3
