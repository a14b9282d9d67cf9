"""The import layers of ARCHITECTURE.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from tests.contracts.sources import ROOT, Import, all_imports, imports_of, own_files

OURS = ("gateway", "telemetry", "dashboard", "migrations", "grafana", "bench", "tests")
COMPOSERS = ("gateway/app.py", "gateway/cli/*.py")


@dataclass(frozen=True, slots=True)
class Rule:
    """Files that match `files` (not `except_files`) import nothing below `forbidden`, but for what is below `allowed`."""

    why: str
    files: tuple[str, ...]
    forbidden: tuple[str, ...]
    allowed: tuple[str, ...] = ()
    except_files: tuple[str, ...] = ()

    def broken_by(self, imports: Iterable[Import]) -> list[str]:
        """Each import that breaks the rule."""
        return [str(found) for found in imports if self._covers(found.path) and self._forbids(found.module)]

    def names_nothing(self) -> list[str]:
        """What the rule names that is not there: patterns without a file, modules of ours without one."""
        sources = own_files(".py")
        patterns = [pattern for pattern in (*self.files, *self.except_files) if not any(_matches(path, (pattern,)) for path in sources)]
        modules = [module for module in (*self.forbidden, *self.allowed) if module.split(".")[0] in OURS and not _exists(module)]
        return patterns + modules

    def _covers(self, path: Path) -> bool:
        return _matches(path, self.files) and not _matches(path, self.except_files)

    def _forbids(self, module: str) -> bool:
        return _below(module, self.forbidden) and not _below(module, self.allowed)


def _matches(path: Path, patterns: tuple[str, ...]) -> bool:
    """Whether a path equals a file, lies in a folder (`folder/`) or matches a pattern."""
    text = path.as_posix()
    return any(text.startswith(p) if p.endswith("/") else PurePosixPath(text).match(p) for p in patterns)


def _exists(module: str) -> bool:
    """Whether a module of ours is a file or a folder with Python in it."""
    place = ROOT.joinpath(*module.split("."))
    return place.with_suffix(".py").is_file() or any(place.glob("*.py"))


def _below(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


RULES = (
    Rule("telemetry imports nothing of ours", ("telemetry/",), OURS, allowed=("telemetry",)),
    Rule("the dashboard gets live data by injection, never from the gateway", ("dashboard/",), OURS, allowed=("dashboard", "telemetry")),
    Rule("migrations know the models only", ("migrations/",), OURS, allowed=("migrations", "telemetry.store.models"), except_files=()),
    Rule("Grafana's sources know names, nothing that runs", ("grafana/",), OURS, allowed=("grafana", "telemetry.semconv")),
    Rule(
        "nothing of the product imports its tests, benchmark or Grafana sources",
        ("gateway/", "telemetry/", "dashboard/"),
        ("tests", "bench", "grafana"),
    ),
    Rule("serving does not know the API", ("gateway/serving/",), ("gateway.api", "gateway.cli", "gateway.app", "dashboard")),
    Rule(
        "the engine knows neither serving nor the API",
        ("gateway/engine/",),
        ("gateway.serving", "gateway.api", "gateway.cli", "gateway.app", "dashboard"),
    ),
    Rule(
        "of telemetry the engine knows the vocabulary",
        ("gateway/engine/",),
        ("telemetry.store", "telemetry.metrics.sink", "telemetry.tracing.sink", "telemetry.otlp.providers"),
    ),
    Rule("chat is a leaf", ("gateway/chat/",), ("gateway", "dashboard", "telemetry"), allowed=("gateway.chat", "gateway.errors")),
    Rule("models is a leaf", ("gateway/models/",), ("gateway", "dashboard", "telemetry"), allowed=("gateway.models", "gateway.errors")),
    Rule(
        "settings is a leaf",
        ("gateway/settings/load.py", "gateway/settings/sections.py", "gateway/settings/engine.py"),
        ("gateway", "dashboard", "telemetry"),
        allowed=(
            "telemetry.context_buckets",
            "telemetry.energy.rapl",
            "gateway.nearest",
            "gateway.settings.sections",
            "gateway.settings.engine",
        ),
    ),
    Rule("the API does not compose", ("gateway/api/",), ("gateway.cli", "gateway.app", "dashboard")),
    Rule("only the composition root knows dashboard and sinks", ("gateway/",), ("dashboard",), except_files=COMPOSERS),
    Rule(
        "the engine has no web server, database or OpenTelemetry",
        ("gateway/engine/",),
        ("litestar", "granian", "sqlalchemy", "opentelemetry"),
    ),
    Rule(
        "only gateway/engine/llama imports llama_cpp",
        ("gateway/", "telemetry/", "dashboard/"),
        ("llama_cpp",),
        except_files=("gateway/engine/llama/",),
    ),
    Rule(
        "the vocabulary and the record cost nothing to import",
        tuple(
            f"telemetry/{name}.py" for name in ("events", "record", "recorder", "clock", "content", "histogram", "context_buckets", "live")
        ),
        ("opentelemetry", "sqlalchemy", "prometheus_client"),
    ),
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.why)
def test_layer(rule: Rule) -> None:
    """No file of ours breaks the rule."""
    assert not rule.broken_by(all_imports())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.why)
def test_rule_covers_files(rule: Rule) -> None:
    """Each rule speaks about what is there, so that a renamed folder, file or module does not silence it."""
    assert not rule.names_nothing()


@pytest.mark.parametrize(
    ("rule", "missing"),
    [
        (Rule("x", ("gateway/no_such_folder/",), ("telemetry",)), "gateway/no_such_folder/"),
        (Rule("x", ("no_such_folder/",), ("telemetry",)), "no_such_folder/"),
        (Rule("x", ("gateway/", "gateway/gone.py"), ("telemetry",)), "gateway/gone.py"),
        (Rule("x", ("gateway/engine/gone_*.py",), ("telemetry",)), "gateway/engine/gone_*.py"),
        (Rule("x", ("gateway/",), ("telemetry",), except_files=("gateway/gone/",)), "gateway/gone/"),
        (Rule("x", ("gateway/",), ("telemetry.gone",)), "telemetry.gone"),
        (Rule("x", ("gateway/",), ("telemetry",), allowed=("telemetry.store.gone",)), "telemetry.store.gone"),
    ],
)
def test_a_rule_about_nothing_is_found(rule: Rule, missing: str) -> None:
    """A folder, file, pattern or module of ours that does not exist is told, wherever a rule names it."""
    assert rule.names_nothing() == [missing]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("telemetry/record.py", "from gateway import settings"),
        ("telemetry/recorder.py", "def f():\n    import sqlalchemy.orm"),
        ("dashboard/pages/overview/view.py", "from gateway.settings.load import Settings"),
        ("gateway/engine/schedule/scheduler.py", "import llama_cpp.llama_cpp as native"),
        ("gateway/engine/schedule/loop.py", "from ...serving import router"),
        ("gateway/serving/router.py", "from gateway.api.http.guard import guard"),
        ("grafana/sources/alerts.py", "from telemetry.store import models"),
        ("gateway/app.py", "from grafana import build"),
    ],
)
def test_rules_catch(path: str, source: str) -> None:
    """The rules see lazy, relative and aliased imports."""
    found = list(imports_of(Path(path), source))
    assert any(rule.broken_by(found) for rule in RULES)
