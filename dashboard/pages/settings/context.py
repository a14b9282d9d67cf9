"""The context of the Settings page's template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Protocol


class Setting(Protocol):
    """One setting as it may be shown: the composition root gives it without secrets."""

    @property
    def section(self) -> str:
        """The group it belongs to."""

    @property
    def name(self) -> str:
        """`section.key`, or a variable's name."""

    @property
    def value(self) -> str:
        """The value in effect."""

    @property
    def source(self) -> str:
        """built-in, file, environment or flag."""

    @property
    def origin(self) -> str:
        """The file or variable itself."""

    @property
    def description(self) -> str:
        """The effect that it has."""

    @property
    def variable(self) -> str:
        """The environment variable that changes it."""

    @property
    def flag(self) -> str:
        """The flag that changes it, '' where there is none."""


@dataclass(frozen=True, slots=True)
class SettingGroup:
    """The settings of one section that the filter lets through."""

    section: str
    settings: tuple[Setting, ...]


@dataclass(frozen=True, slots=True)
class SettingsContext:
    """Every setting in effect."""

    groups: Annotated[tuple[SettingGroup, ...], "Settings by section, as filtered."]
    wanted: Annotated[str, "What the filter field holds."]
    changed: Annotated[bool, "Only settings that differ from what is built in."]
    shown: Annotated[int, "How many settings the filter lets through."]
    total: Annotated[int, "How many settings there are."]
