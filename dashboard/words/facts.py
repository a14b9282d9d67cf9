"""A fact: a name, a value in words, and help."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """A named value, already in words, with help in `note`."""

    name: str
    value: str
    note: str = ""
