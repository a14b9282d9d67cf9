"""Which names of the OpenTelemetry conventions we use, as the conventions' own model files define them.

The tests read the list next to this file, since they run without a network. To bring it up to date, check out
both repositories and give their `model` folders: `python -m tests.contracts.conventions
SEMANTIC_CONVENTIONS/model SEMANTIC_CONVENTIONS_GENAI/model`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from telemetry import semconv
from telemetry.metrics import catalog

LIST = Path(__file__).with_suffix(".json")
OURS = "firsttoken."


@dataclass(slots=True)
class Conventions:
    """Attributes with their types, and metrics with instrument and unit."""

    attributes: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def listed(cls) -> Conventions:
        """Those in the list."""
        found = json.loads(LIST.read_text("utf-8"))
        return cls(found["attributes"], found["metrics"])

    def read(self, folder: Path) -> None:
        """Add what the YAML files of a model define, in either form of weaver's; what is deprecated does
        not count.
        """
        for path in sorted(folder.rglob("*.yaml")):
            if "deprecated" not in path.parts:
                self._add(yaml.safe_load(path.read_text("utf-8")) or {})

    def _add(self, model: dict[str, Any]) -> None:
        for attribute in _valid(_attributes(model)):
            self.attributes[attribute.get("key") or attribute["id"]] = _type(attribute["type"])
        for metric in _valid(
            [
                *model.get("metrics", ()),
                *(group for group in model.get("groups", ()) if group.get("type") == "metric"),
            ]
        ):
            name = metric.get("name") or metric["metric_name"]
            self.metrics[name] = {"instrument": metric["instrument"], "unit": metric["unit"]}


def _attributes(model: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Where they are defined, not where they are referred to."""
    yield from model.get("attributes", ())
    for group in model.get("groups", ()):
        yield from (attribute for attribute in group.get("attributes", ()) if "id" in attribute)


def _valid(entries: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (entry for entry in entries if "deprecated" not in entry)


def _type(given: Any) -> str:
    """One of a list of values is a text, unless the values are numbers."""
    if isinstance(given, str):
        return given
    return "int" if all(isinstance(member["value"], int) for member in given["members"]) else "string"


def used_attributes() -> set[str]:
    """Names of `telemetry.semconv` that are not ours; a name without a dot is a label of a metric of ours."""
    constants = {
        name: value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str)
    }
    named = {
        value for name, value in constants.items() if not name.startswith(("METRIC_", "SPAN_", "SCHEMA_"))
    }
    return {name for name in named if "." in name and not name.startswith(OURS)} | RESOURCE


RESOURCE = {
    "service.name",
    "service.version",
    "service.instance.id",
    "service.namespace",
    "host.name",
    "process.pid",
    "os.type",
}
"""Attributes of the resource; they are set in `telemetry.otlp.providers`, or by the standard variables."""


def used_metrics() -> set[str]:
    """Metrics whose names are not ours."""
    return {instrument.name for instrument in catalog.ALL if not instrument.name.startswith(OURS)}


def main(folders: list[str]) -> int:
    """Write the list; tells which names the model files do not have."""
    all_of_them = Conventions()
    for folder in folders:
        all_of_them.read(Path(folder))
    attributes, metrics = used_attributes(), used_metrics()
    missing = sorted((attributes - all_of_them.attributes.keys()) | (metrics - all_of_them.metrics.keys()))
    before = json.loads(LIST.read_text("utf-8")) if LIST.exists() else {}
    found = {
        "sources": before.get("sources", []),
        "attributes": {name: all_of_them.attributes[name] for name in sorted(attributes - set(missing))},
        "metrics": {name: all_of_them.metrics[name] for name in sorted(metrics - set(missing))},
    }
    LIST.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    sys.stdout.write("".join(f"not in the conventions: {name}\n" for name in missing))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
