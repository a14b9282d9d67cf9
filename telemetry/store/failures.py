"""What a database's error means for the events that were to be written."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.exc import DisconnectionError, OperationalError


def locked(error: Exception) -> bool:
    """Whether waiting may help: another process holds SQLite's write lock."""
    return "locked" in str(getattr(error, "orig", "")).lower()


def is_of_a_value(error: Exception) -> bool:
    """Whether other events may be written although these cannot: not where the database itself is at fault."""
    return not isinstance(error, OperationalError | DisconnectionError | OSError) and not getattr(error, "connection_invalidated", False)


def first_line(error: Exception) -> str:
    """What the driver said, without the statement and its values."""
    lines: Sequence[str] = str(getattr(error, "orig", None) or error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
