"""How requests may leave the store."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """How requests are written."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
