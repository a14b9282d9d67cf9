"""Errors of a database: what they mean for the events that were
to be written, and how they are put in one line.
"""

from __future__ import annotations

from sqlalchemy.exc import DisconnectionError, InterfaceError, OperationalError

from telemetry.store.instances import LeaseLostError
from telemetry.store.migrate import StoreVersionError

VALUE_CLASSES = ("0A", "21", "22", "23", "54")
"""SQLSTATE classes (PostgreSQL, appendix A) of what is wrong with
a value: not supported, cardinality, data, integrity, too large.
"""

_OF_THE_DATABASE = (
    OperationalError,
    InterfaceError,
    DisconnectionError,
    OSError,
    LeaseLostError,
    StoreVersionError,
)


def is_value_error(error: Exception) -> bool:
    """True where other events may be written although these cannot. Otherwise the database is at fault
    (locked, full, gone, of another version), and the same events may be written later.
    """
    if getattr(error, "connection_invalidated", False):
        return False
    cause = _cause(error)
    if state := getattr(cause, "sqlstate", None):
        return str(state)[:2] in VALUE_CLASSES
    # asyncpg's refusal of an argument, which SQLAlchemy takes for one of the interface
    if isinstance(cause, ValueError):
        return True
    return not isinstance(error, _OF_THE_DATABASE)


def is_driver_error(error: Exception) -> bool:
    """True where PostgreSQL's driver raised it itself, as it does
    while it connects (a server that starts, a wrong password).
    """
    return getattr(error, "sqlstate", None) is not None


def _cause(error: Exception) -> BaseException:
    """The driver's own error, below SQLAlchemy's and its dialect's."""
    own: BaseException = getattr(error, "orig", None) or error
    return own.__cause__ or own


def first_line(error: Exception, *, with_type: bool = False) -> str:
    """The driver's words, without the statement and its values;
    `with_type` after the name of the error's type.
    """
    if isinstance(error, TimeoutError) and not str(error):
        return "the database did not answer in time"
    cause = getattr(error, "orig", None) or error
    lines = str(cause).splitlines()
    if not lines:
        return type(error if with_type else cause).__name__
    return f"{type(error).__name__}: {lines[0]}" if with_type else lines[0]
