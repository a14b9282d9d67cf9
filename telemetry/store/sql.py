"""Pieces of SQL that both databases take."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Integer, literal_column


def constant(number: int) -> ColumnElement[int]:
    """A number in the statement's text: PostgreSQL takes two
    bound parameters for two different expressions in GROUP BY.
    """
    return literal_column(str(number), Integer)
