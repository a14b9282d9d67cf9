"""The disk tier: what is written is found again, what is damaged or foreign is not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gateway.engine.cache.disk import file, thread
from tests.engine.cache.caches import KEY, Disk, prompt, state

Disks = Callable[..., Disk]


def test_what_is_written_is_found_by_the_next_process(disks: Disks) -> None:
    """Tokens, state and pin come back as they were."""
    one = disks()
    one.keep(prompt(1), pinned=True)
    one.flush()
    again = disks()
    found = again.on_disk(prompt(1))
    assert found is not None
    assert found.pinned
    assert again.load(found)
    kept = again.ram.state(found)
    assert kept is not None
    assert np.array_equal(kept, state())


def test_the_same_prompt_twice_keeps_its_file(disks: Disks) -> None:
    """Two entries with the same tokens have the same file name: the first one's end must not take the
    second one's file.
    """
    one = disks()
    one.store(prompt(1))
    second = one.store(prompt(1))
    path = one.tier.path(second)
    assert path is not None
    assert path.exists()
    assert disks().on_disk(prompt(1)) is not None


def test_the_same_state_is_not_written_again(disks: Disks) -> None:
    """The second entry takes the first one's file over as it is."""
    one = disks()
    one.store(prompt(1))
    [path] = one.files()
    os.utime(path, (0, 0))
    one.store(prompt(1))
    assert path.stat().st_mtime == 0


def test_a_state_of_other_kernels_replaces_the_file(disks: Disks) -> None:
    """Equal tokens that were computed otherwise are another state under the same name: the last one
    written has the file.
    """
    one = disks()
    first = one.store(prompt(1))
    one.keep(prompt(1), batched_kernel_mask=True)
    one.flush()
    assert (one.tier.path(first), len(one.files())) == (None, 1)
    found = disks().on_disk(prompt(1))
    assert found is not None
    assert found.batched_kernel_mask.all()


def test_a_longer_prompt_replaces_the_file_of_its_beginning(disks: Disks) -> None:
    """The next turn of a chat has all that the one before had: one file stays."""
    one = disks()
    one.store(prompt(1, 100))
    one.store(prompt(1, 200))
    assert len(one.files()) == 1
    assert disks().on_disk(prompt(1, 200)) is not None


def test_a_copy_that_goes_while_it_is_written_leaves_no_orphan(
    disks: Disks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The RAM copy is evicted in the middle of writing: the file is known, counted, found, and deleted
    when its turn comes.
    """
    one = disks(ram_bytes=1500, disk_bytes=4000)
    entry = one.keep(prompt(1))
    write = file.write_file

    def evicting(*given: object) -> int:
        size = write(*given)  # type: ignore[arg-type]  # passed on as they are
        monkeypatch.setattr(thread, "write_file", write)
        one.keep(prompt(2))
        return size

    monkeypatch.setattr(thread, "write_file", evicting)
    one.flush()
    assert not one.ram.holds(entry)
    one.cache.check_integrity()
    assert one.on_disk(prompt(1)) is entry
    for first in range(3, 9):
        one.store(prompt(first))
    assert sum(path.stat().st_size for path in one.files()) <= 4000
    assert len(one.files()) == one.cache.tiers()[2].entries


def test_a_forgotten_entry_that_was_being_written_leaves_no_file(
    disks: Disks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is deleted at once."""
    one = disks()
    entry = one.keep(prompt(1))
    write = file.write_file

    def forgetting(*given: object) -> int:
        size = write(*given)  # type: ignore[arg-type]  # passed on as they are
        one.cache.forget(entry)
        return size

    monkeypatch.setattr(thread, "write_file", forgetting)
    one.flush()
    assert one.files() == []


def test_a_budget_is_kept(disks: Disks) -> None:
    """However much is written, the files stay within the budget, and each of them is known."""
    one = disks(disk_bytes=6000)
    for first in range(12):
        one.store(prompt(first))
        assert sum(path.stat().st_size for path in one.files()) <= 6000
    assert len(one.files()) == one.cache.tiers()[2].entries > 1


def test_what_the_budget_has_no_room_for_is_not_written_again_and_again(
    disks: Disks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry that stays in RAM and whose file was the first to go is left alone until it is used."""
    written: list[Path] = []
    write = file.write_file

    def counting(path: Path, *given: object) -> int:
        written.append(path)
        return write(path, *given)  # type: ignore[arg-type]  # passed on as they are

    monkeypatch.setattr(thread, "write_file", counting)
    one = disks(disk_bytes=1000)
    entry = one.keep(prompt(1))
    for _ in range(3):
        one.thread._write_one(entry.used_ns)
    assert len(written) == 1
    one.cache.touch(entry, entry.used_ns)
    one.thread._write_one(entry.used_ns)
    assert len(written) == 2


@pytest.mark.parametrize("keep", [0, 5, 40, 300, 700, -1])
def test_a_truncated_file_is_counted_and_goes(disks: Disks, keep: int) -> None:
    """Cut anywhere: the file is no use, is deleted, and costs nothing else."""
    one = disks()
    one.store(prompt(1))
    [path] = one.files()
    path.write_bytes(path.read_bytes()[:keep])
    again = disks()
    assert again.on_disk(prompt(1)) is None
    assert again.cache.discarded == {"corrupt": 1}
    assert again.files() == []


def test_a_file_that_is_damaged_after_the_start_is_found_when_it_is_read(disks: Disks) -> None:
    """A flipped byte of the state: counted, deleted, and whoever wanted it computes."""
    one = disks()
    one.store(prompt(1))
    again = disks()
    [path] = again.files()
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(data)
    found = again.on_disk(prompt(1))
    assert found is not None
    assert not again.load(found)
    assert again.cache.discarded == {"corrupt": 1}
    again.thread.run_once(0)
    assert again.files() == []


def test_a_file_that_somebody_deleted_is_computed_again(disks: Disks) -> None:
    """`rm -rf` of the folder beside a running engine: reads miss, and the next write makes the folder
    again.
    """
    one = disks()
    one.store(prompt(1))
    again = disks()
    for path in again.folder.iterdir():
        path.unlink()
    again.folder.rmdir()
    found = again.on_disk(prompt(1))
    assert found is not None
    assert not again.load(found)
    again.store(prompt(2))
    assert again.tier.off == ""
    assert len(again.files()) == 1


def test_a_foreign_file_goes(disks: Disks) -> None:
    """A file of another key that lies in this one's folder is not used."""
    tokens, batched_kernel_mask = prompt(1), np.zeros(100, dtype=np.bool_)
    other = file.DiskKey("another", "build", "f16", "f16", 1)
    one = disks()
    header = file.make_header(other, "", tokens, batched_kernel_mask, state(), pinned=False)
    file.write_file(one.folder / "x.kv", header, tokens, batched_kernel_mask, state())
    again = disks()
    assert again.cache.discarded == {"foreign": 1}
    assert again.files() == []


def test_interrupted_writes_are_cleared_away(disks: Disks) -> None:
    """What a killed process left half written is deleted at the start."""
    one = disks()
    (one.folder / "x.1-2.partial").write_bytes(b"half")
    disks()
    assert not list(one.folder.glob("*.partial"))


def test_no_budget_touches_no_disk(tmp_path: Path, disks: Disks) -> None:
    """A tier that is not wanted makes no folder, and is not called off."""
    one = disks(disk_bytes=0)
    one.store(prompt(1))
    one.thread.run_once(0)
    assert not list(tmp_path.iterdir())
    assert one.tier.off == ""


def test_files_are_for_their_owner_only(tmp_path: Path, disks: Disks) -> None:
    """Prompts can be read from them."""
    one = disks()
    one.store(prompt(1))
    assert one.folder.stat().st_mode & 0o777 == 0o700
    assert one.files()[0].stat().st_mode & 0o777 == 0o600
    assert KEY.folder(tmp_path) == one.folder
