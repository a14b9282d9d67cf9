"""What the program makes is its owner's alone: the home folder holds requests, prompts' states and logs."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from gateway.cli.output import CommandError

OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""Rights of everybody but the owner."""


def keep_private() -> None:
    """From now on folders are made 0700 and files 0600, by this process and by those that it starts (the
    database's own files and an engine's cache among them).
    """
    os.umask(OTHERS)


def make_home(home: Path) -> None:
    """Create the home folder, if it is not there.

    Raises:
        CommandError: it cannot be created.
    """
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        message = (
            f"cannot create the home folder {home}: {error.strerror}; choose another with --home or"
            " FIRSTTOKEN_HOME"
        )
        raise CommandError(message) from None


def open_to_others(path: Path) -> bool:
    """Whether anybody but the owner may do something with a file or folder; what is not there is not."""
    try:
        return os.name == "posix" and bool(path.stat().st_mode & OTHERS)
    except OSError:
        return False
