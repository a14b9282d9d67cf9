"""`/dashboard/settings`: every setting in effect, where it came from and how to change it. Read-only, without secrets."""

from __future__ import annotations

from itertools import groupby

from litestar import Response, get
from litestar.params import FromQuery

from dashboard.deps import Deps
from dashboard.layout import Layout
from dashboard.pages.settings.context import Setting, SettingGroup, SettingsContext
from dashboard.render import PageRequest, respond

BUILT_IN = "built-in"


def matches(setting: Setting, wanted: str) -> bool:
    """Whether every word of the filter is somewhere in the setting's name, value, source or description."""
    text = f"{setting.name} {setting.value} {setting.source} {setting.description} {setting.variable} {setting.flag}".lower()
    return all(word in text for word in wanted.lower().split())


@get("/settings", include_in_schema=False)
async def settings(request: PageRequest, deps: Deps, q: FromQuery[str] = "", changed: FromQuery[str] = "") -> Response[str]:
    """All settings, or those that a filter lets through."""
    everything = deps.settings
    found = [one for one in everything if matches(one, q) and (not changed or one.source != BUILT_IN)]
    groups = tuple(SettingGroup(section, tuple(own)) for section, own in groupby(found, key=lambda one: one.section))
    layout = Layout("Settings", "settings", "", deps.version, 200)
    return respond(request, "settings.html", layout, SettingsContext(groups, q, bool(changed), len(found), len(everything)))
