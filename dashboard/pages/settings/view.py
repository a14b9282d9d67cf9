"""`/dashboard/settings`: every setting in effect, its origin and how to change it; without secrets."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Self

from dashboard.deps import DashboardDeps
from dashboard.page import PageView, Query
from dashboard.pages.settings.context import Setting, SettingGroup, SettingsContext

BUILT_IN = "built-in"


@dataclass(slots=True)
class SettingsView(PageView):
    """All settings, or those that a filter lets through; `changed` leaves out those that are as built in."""

    deps: DashboardDeps
    wanted: str
    changed: bool

    @classmethod
    def from_query(cls, deps: DashboardDeps, query: Query) -> Self:
        """The filter that an address names."""
        return cls(deps, query["q"], bool(query["changed"]))

    def context(self) -> SettingsContext:
        found = [setting for setting in self.deps.settings if self._shows(setting)]
        groups = []
        for section, own in groupby(found, key=lambda setting: setting.section):
            groups.append(SettingGroup(section, tuple(own)))
        return SettingsContext(tuple(groups), self.wanted, self.changed, len(found), len(self.deps.settings))

    def _shows(self, setting: Setting) -> bool:
        """True where the filter lets a setting through."""
        return matches(setting, self.wanted) and not (self.changed and setting.source == BUILT_IN)


def matches(setting: Setting, wanted: str) -> bool:
    """True where every word of the filter is somewhere in what the page tells of a setting."""
    told = (setting.name, setting.value, setting.source, setting.description, setting.variable, setting.flag)
    text = " ".join(told).lower()
    return all(word in text for word in wanted.lower().split())
