"""Formats in which requests leave the store."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """The format of a file of requests."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
