"""The folders of the disk tier, one for each `DiskKey`: who uses them, and one budget over all.

An engine holds a lock on the folder that it uses for as long as it lives; the system takes it back however it
ends. What nobody holds may be removed: by an engine that needs the room, by `firsttoken cache clear`. A
folder is renamed under the lock and then deleted, so that nobody begins to use one that is on its way out.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from gateway.engine.cache.disk.file import DamagedError, DiskKey, read_head

try:
    import fcntl
except ImportError:  # Windows, where a folder with an open file cannot be renamed
    fcntl = None  # type: ignore[assignment]  # the platform has none

LOCK = "lock"
ABOUT = "about.json"
MAX_TRIES = 10
"""To use a folder that somebody is removing; each time it is made anew."""


class About(msgspec.Struct, frozen=True):
    """What a folder says of itself: its key, and the model's name when it was last used."""

    key: DiskKey
    model: str


@dataclass(frozen=True, slots=True)
class KeyFolder:
    """One key's files. `about` is None where nothing tells; `used_at` is the last use in seconds since 1970;
    `in_use` says that an engine runs with it now.
    """

    path: Path
    about: About | None
    files: int
    size_bytes: int
    used_at: float
    in_use: bool

    @property
    def name(self) -> str:
        """What people call it by."""
        return self.path.name


def hold(folder: Path, about: About) -> BinaryIO:
    """Make a key's folder where it is missing, and have it in use until the returned file is closed.

    Raises:
        OSError: it cannot be made or written to.
    """
    for _ in range(MAX_TRIES):
        with contextlib.suppress(FileNotFoundError):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = (folder / LOCK).open("ab")
            if _is_held(file, folder / LOCK):
                _describe(folder, about)
                return file
    raise FileNotFoundError(f"{folder} is removed again and again")


def key_folders(root: Path) -> list[KeyFolder]:
    """All keys' folders, the one used last first; what cannot be read is left out."""
    found = []
    for path in root.glob("*/*"):
        with contextlib.suppress(OSError):
            if path.is_dir() and not path.name.endswith(".removed"):
                found.append(_read(path))
    return sorted(found, key=lambda folder: -folder.used_at)


def remove(folder: Path) -> bool:
    """Delete a key's folder, unless an engine uses it; returns whether it is gone.

    Raises:
        OSError: it cannot be deleted.
    """
    grave = folder.with_name(f"{folder.name}.{os.getpid()}.removed")
    try:
        with (folder / LOCK).open("ab") as file:
            if not _lock(file, exclusive=True):
                return False
            folder.rename(grave)
    except FileNotFoundError:
        return True
    shutil.rmtree(grave)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()  # if it was the model's last
    return True


def remove_remains(root: Path) -> None:
    """Finish removals that were interrupted."""
    for grave in root.glob("*/*.removed"):
        shutil.rmtree(grave, ignore_errors=True)


def make_room(root: Path, own: Path, budget_bytes: int, need_bytes: int = 0) -> int:
    """Keep all keys' folders within one budget, though `own` is to grow by `need_bytes`: of those that no
    engine uses, what was unused for longest goes. Returns what `own` may have: what other engines leave, at
    least an equal share. What cannot be deleted counts like what is in use.
    """
    others = [folder for folder in key_folders(root) if folder.path != own]
    staying = [folder for folder in others if folder.in_use]
    wanted = min(_size(_files(own)) + need_bytes, _share(budget_bytes, staying))
    total = wanted + sum(folder.size_bytes for folder in others)
    for folder in reversed([folder for folder in others if not folder.in_use]):
        if total <= budget_bytes:
            break
        if _is_removed(folder.path):
            total -= folder.size_bytes
        else:
            staying.append(folder)
    return _share(budget_bytes, staying)


def _share(budget_bytes: int, others: list[KeyFolder]) -> int:
    """What others leave of a budget, at least an equal share."""
    return max(budget_bytes - sum(folder.size_bytes for folder in others), budget_bytes // (1 + len(others)))


def _is_removed(folder: Path) -> bool:
    try:
        return remove(folder)
    except OSError:
        return False


def _is_held(file: BinaryIO, path: Path) -> bool:
    """Share a lock; returns whether its file is still there then, or else closes it."""
    with contextlib.suppress(FileNotFoundError):
        _lock(file, exclusive=False)
        if os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return True
    file.close()
    return False


def _describe(folder: Path, about: About) -> None:
    os.utime(folder / LOCK)
    if _about(folder, []) != about:
        (folder / ABOUT).write_bytes(msgspec.json.encode(about))


def _read(path: Path) -> KeyFolder:
    files = _files(path)
    kept = [file for file in sorted(files) if file.suffix == ".kv"]
    used_at = max((stat.st_mtime for stat in files.values()), default=path.stat().st_mtime)
    return KeyFolder(path, _about(path, kept), len(kept), _size(files), used_at, _in_use(path))


def _files(folder: Path) -> dict[Path, os.stat_result]:
    """What is in a folder that others change meanwhile."""
    found = {}
    with contextlib.suppress(FileNotFoundError):
        for file in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                found[file] = file.stat()
    return found


def _size(files: Mapping[Path, os.stat_result]) -> int:
    """Bytes of prefixes, half written ones too."""
    return sum(stat.st_size for file, stat in files.items() if file.name not in (LOCK, ABOUT))


def _about(folder: Path, files: list[Path]) -> About | None:
    """What a folder says, or else what its first whole file does, which knows no name."""
    try:
        return msgspec.json.decode((folder / ABOUT).read_bytes(), type=About)
    except (OSError, msgspec.MsgspecError):
        heads = (head for file in files if (head := _key(file)) is not None)
        key = next(heads, None)
        return None if key is None else About(key, "")


def _key(file: Path) -> DiskKey | None:
    try:
        return read_head(file, None)[0].key
    except DamagedError:
        return None


def _in_use(folder: Path) -> bool:
    try:
        with (folder / LOCK).open("rb") as file:
            return not _lock(file, exclusive=True)
    except FileNotFoundError:
        return False


def _lock(file: BinaryIO, *, exclusive: bool) -> bool:
    """Share a lock, waiting for it, or have it alone, if nobody else has it; returns whether it worked. Where
    a file system has no locks, nothing is known to be in use, and an engine whose files go computes again.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB if exclusive else fcntl.LOCK_SH)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
