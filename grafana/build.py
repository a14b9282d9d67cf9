"""Writes everything that is built from `grafana/sources`: `python -m grafana.build` (or `make grafana`).

The files are committed, so that nobody needs this program to use them; a test builds them again and compares.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.sources.engine import ENGINE
from grafana.sources.health import HEALTH
from grafana.sources.latency import LATENCY
from grafana.sources.models import MODELS
from grafana.sources.overview import OVERVIEW
from grafana.sources.rules import files
from grafana.sources.traces import TRACES

FOLDER = Path(__file__).resolve().parent
BOARDS = (OVERVIEW, LATENCY, ENGINE, MODELS, HEALTH, TRACES)
BUILT = "# Built by `make grafana` from grafana/sources; do not edit.\n"


def built() -> Iterator[tuple[Path, str]]:
    """Every file with its text."""
    ids: dict[tuple[str, str], int] = {}
    for board in BOARDS:
        dashboard = board.build()
        ids |= {(board.uid, str(panel.title)): int(panel.id_val or 0) for panel in dashboard.panels or []}
        text = json.dumps(dashboard, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False)
        yield FOLDER / "dashboards" / f"{board.uid}.json", f"{text}\n"
    yield FOLDER / "alerting" / "prometheus-rules.yaml", _yaml(files.prometheus_rules(ids))
    yield FOLDER / "alerting" / "prometheus-recording.yaml", _yaml(files.recording_rules())
    yield FOLDER / "alerting" / "grafana-rules.yaml", _yaml(files.grafana_rules(ids))
    yield FOLDER / "kubernetes" / "prometheusrule.yaml", _yaml(files.kubernetes_rules(ids))


def _yaml(content: dict[str, Any]) -> str:
    return BUILT + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1_000_000)


def main() -> None:
    """Write every file."""
    for path, text in built():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(FOLDER.parent))  # noqa: T201


if __name__ == "__main__":
    main()
