"""The findings of the regression watch in words, for the Models page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dashboard.pages.models.context import SpeedChangeRows
from dashboard.words.configuration import configuration_changes
from telemetry.store.models import EngineConfigRow, SpeedChangeRow

MAX_PAIRS = 20
"""Pairs of configurations that are shown, newest first."""


def speed_changes(
    rows: Iterable[SpeedChangeRow],
    configurations: Sequence[EngineConfigRow],
) -> tuple[SpeedChangeRows, ...]:
    """The changes by pair of configurations, newest first, with what else changed between the two."""
    details = {config.id: config.details for config in configurations}
    pairs: dict[tuple[str, str], list[SpeedChangeRow]] = {}
    for row in rows:
        pairs.setdefault((row.before_config_id, row.after_config_id), []).append(row)
    newest = list(pairs.items())[:MAX_PAIRS]
    return tuple(_pair(before, after, found, details) for (before, after), found in newest)


def _pair(
    before: str,
    after: str,
    rows: list[SpeedChangeRow],
    details: Mapping[str, Mapping[str, object]],
) -> SpeedChangeRows:
    return SpeedChangeRows(
        model=rows[0].model,
        before_config_id=before,
        after_config_id=after,
        at=max(row.at for row in rows),
        changed=configuration_changes(details.get(before, {}), details.get(after, {})),
        rows=tuple(sorted(rows, key=lambda row: (row.measure, row.context_bucket))),
    )
