"""The folders of all keys: one budget over them, the oldest goes first, and never one that an engine uses."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.engine.cache.disk.file import DiskKey
from gateway.engine.cache.disk.folders import About, hold, key_folders, make_room, remove, remove_remains
from tests.engine.cache.caches import KEY, OTHER_BUILD, OTHER_MODEL, Disk, prompt

Disks = Callable[..., Disk]


def used(folder: Path, at: float) -> None:
    """Make it look last used at a time."""
    for path in folder.iterdir():
        os.utime(path, (at, at))


def left_by(root: Path, key: DiskKey, *, at: float, prompts: int = 3) -> Path:
    """What an engine that is gone has left, last used at a time."""
    one = Disk(root, key)
    for first in range(prompts):
        one.store(prompt(first))
    one.thread.close()
    used(one.folder, at)
    return one.folder


def test_what_is_there_is_told(tmp_path: Path, disks: Disks) -> None:
    """Key, model, files, bytes, last use, and whether an engine runs with it; the last used first."""
    old = left_by(tmp_path, OTHER_BUILD, at=1000.0)
    one = disks(model="chat")
    first, second = key_folders(tmp_path)
    assert (first.path, first.about, first.in_use) == (one.folder, About(KEY, "chat"), True)
    assert (second.path, second.files, second.used_at, second.in_use) == (old, 3, 1000.0, False)
    assert second.size_bytes == sum(path.stat().st_size for path in old.glob("*.kv"))
    assert second.name == OTHER_BUILD.name


def test_a_folder_of_an_older_version_tells_by_its_files(tmp_path: Path) -> None:
    """Without `about.json` the key is in a file's header; with nothing readable, nothing is told, and it
    can go all the same.
    """
    folder = left_by(tmp_path, OTHER_BUILD, at=1000.0)
    (folder / "about.json").write_text("{")
    [found] = key_folders(tmp_path)
    assert found.about == About(OTHER_BUILD, "")
    for path in folder.glob("*.kv"):
        path.write_bytes(b"FTKV1\n")
    [found] = key_folders(tmp_path)
    assert found.about is None
    assert remove(folder)
    assert key_folders(tmp_path) == []


def test_the_oldest_key_goes_first_and_only_as_far_as_needed(tmp_path: Path, disks: Disks) -> None:
    """Three keys beside one's own, two of which fit."""
    keys = [DiskKey("a" * 64, f"build {number}", "f16", "f16", 8) for number in range(3)]
    folders = [left_by(tmp_path, key, at=1000.0 + number) for number, key in enumerate(keys)]
    size = key_folders(tmp_path)[0].size_bytes
    disks(disk_bytes=int(2.5 * size))
    assert [folder.exists() for folder in folders] == [False, True, True]


def test_what_is_written_makes_room_among_the_others(tmp_path: Path, disks: Disks) -> None:
    """One's own files grow up to the whole budget; what nobody uses makes way for them, and the sum is
    within it all the time.
    """
    left_by(tmp_path, OTHER_MODEL, at=1000.0)
    left_by(tmp_path, OTHER_BUILD, at=2000.0)
    one = disks(disk_bytes=15_000)
    for first in range(20):
        one.store(prompt(first))
        assert sum(folder.size_bytes for folder in key_folders(tmp_path)) <= 15_000
    assert [folder.path for folder in key_folders(tmp_path)] == [one.folder]
    assert not OTHER_MODEL.folder(tmp_path).parent.exists()


def test_engines_that_run_share_the_budget(disks: Disks) -> None:
    """One that has filled it alone gives up what is above its half when another one needs it."""
    one = disks(disk_bytes=20_000)
    for first in range(20):
        one.store(prompt(first))
    alone = len(one.files())
    other = disks(OTHER_BUILD, disk_bytes=20_000)
    for first in range(20):
        other.store(prompt(first))
        one.store(prompt(100 + first))
    sizes = [folder.size_bytes for folder in key_folders(one.folder.parent.parent)]
    assert sum(sizes) <= 20_000
    assert min(sizes) > 5000
    assert len(one.files()) < alone


def test_what_is_in_use_stays(tmp_path: Path, disks: Disks) -> None:
    """It is neither removed for room nor on demand; once its engine is gone it is."""
    one = disks()
    one.store(prompt(1))
    assert not remove(one.folder)
    assert make_room(tmp_path, OTHER_BUILD.folder(tmp_path), 100) == 50, "at least an equal share"
    assert one.files()
    one.thread.close()
    make_room(tmp_path, OTHER_BUILD.folder(tmp_path), 100)
    assert not one.folder.exists()


def test_a_killed_engine_uses_nothing(tmp_path: Path) -> None:
    """The lock ends with the process, however that ends; and it is seen from another one."""
    script = (
        "import sys, time; from pathlib import Path; from tests.engine.cache.caches import KEY; from"
        f" gateway.engine.cache.disk.folders import *\nheld = hold(KEY.folder(Path({str(tmp_path)!r})),"
        " About(KEY, 'demo')); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdout is not None
        assert engine.stdout.readline() == "held\n"
        [folder] = key_folders(tmp_path)
        assert folder.in_use
        assert not remove(folder.path)
        engine.kill()
        engine.wait()
    assert remove(folder.path)


def test_what_cannot_be_removed_counts_as_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The budget is kept by having less oneself; nothing is raised."""
    folder = left_by(tmp_path, OTHER_BUILD, at=1000.0)
    size = key_folders(tmp_path)[0].size_bytes

    def fail(*_given: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", fail)
    assert make_room(tmp_path, KEY.folder(tmp_path), size + 1000, 5000) == max(1000, (size + 1000) // 2)
    assert folder.exists()


def test_an_interrupted_removal_is_finished(tmp_path: Path, disks: Disks) -> None:
    """What was renamed and not deleted goes at the next start."""
    folder = left_by(tmp_path, OTHER_BUILD, at=1000.0)
    grave = folder.rename(folder.with_name(f"{folder.name}.123.removed"))
    assert key_folders(tmp_path) == []
    disks()
    assert not grave.exists()
    remove_remains(tmp_path)


def test_a_folder_that_is_removed_while_it_is_taken_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for the lock of a folder on its way out gets a new one, not one without a name."""
    from gateway.engine.cache.disk import folders

    folder = KEY.folder(tmp_path)
    lock = folders._lock
    removed: list[bool] = []

    def removing(file: object, *, exclusive: bool) -> bool:
        if not removed and not exclusive:
            removed.append(remove(folder))
        return lock(file, exclusive=exclusive)  # type: ignore[arg-type]  # passed on as it is

    monkeypatch.setattr(folders, "_lock", removing)
    held = hold(folder, About(KEY, "demo"))
    assert removed == [True]
    assert (folder / "lock").exists()
    assert not remove(folder)
    held.close()
