"""The registration of the Settings page."""

from __future__ import annotations

from pathlib import Path

from dashboard.page import Page
from dashboard.pages.settings.context import SettingsContext
from dashboard.pages.settings.view import SettingsView

SETTINGS = Page(
    key="settings",
    title="Settings",
    path="/settings",
    about=(
        "every setting: the value in effect, where it came from (built-in, file, environment, flag), what "
        "it does, the variable and the flag that change it; OpenTelemetry's variables. Read-only; "
        "passwords, keys, headers and webhook paths are never shown"
    ),
    folder=Path(__file__).parent,
    context=SettingsContext,
    view=SettingsView.from_query,
    parameters=("q", "changed"),
)
