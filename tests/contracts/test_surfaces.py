"""What people see is told the same way on every surface: bytes in one unit, and examples whose answers are
worth reading.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.cli import cache, db, models
from gateway.cli.checks import check_home, check_models
from gateway.cli.main import main
from gateway.settings.load import load
from telemetry.byte_sizes import byte_size
from telemetry.store import migrate
from tests.contracts.sources import ROOT
from tests.store.test_store import url_of

OTHER_UNITS = re.compile(r"\d\s?(?:[kKMGT]B|[kMGT]i?b(?:ytes?)?|(?:kilo|mega|giga|tera)bytes?)\b")
"""Of 1000, or of bits, or written out; ours are KiB, MiB, GiB and TiB."""

DOCS = [
    path.relative_to(ROOT)
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("grafana/*.md"))
]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (98.4 * 2**20, "98.4 MiB"),
        (2 * 2**30, "2.0 GiB"),
        (5 * 2**50, "5120.0 TiB"),
    ],
)
def test_byte_size(value: float, shown: str) -> None:
    """One digit behind the point, in the largest unit that it has one of."""
    assert byte_size(value) == shown
    assert not OTHER_UNITS.search(shown)


@pytest.mark.parametrize("text", ["1.5 MB", "94MB", "2 GB", "10 kB", "3 Mbytes", "4 megabytes", "1 KB"])
def test_other_units_are_seen(text: str) -> None:
    """The pattern finds what it is for."""
    assert OTHER_UNITS.search(f"It has {text}.")


@pytest.mark.parametrize("path", DOCS, ids=str)
def test_documents(path: Path) -> None:
    """No page tells bytes in other units."""
    assert OTHER_UNITS.findall((ROOT / path).read_text(encoding="utf-8")) == []


def test_command_line(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every verb that tells bytes, and the checks of `doctor` that do."""
    monkeypatch.setenv("FIRSTTOKEN_HOME", str(home))
    migrate.upgrade(url_of(home / "firsttoken.db"))
    model = tmp_path / "some.gguf"
    model.write_bytes(b"GGUF" + bytes(3_000_000))
    settings = load({}, flags={"engine.models": str(model)}, home=home)
    for verb in (["db", "stats"], ["cache", "list"], ["models", "list", "--engine-models", str(model)]):
        assert main(verb) == 0
    shown = (
        capsys.readouterr().out
        + check_home(home).detail
        + "".join(check.detail for check in check_models(settings))
    )
    assert shown.count("2.9 MiB") == 2
    assert "GiB free" in shown
    assert OTHER_UNITS.findall(shown) == []
    assert {module.size for module in (cache, db, models)} == {byte_size}, "there is one function"


def test_examples_are_greedy() -> None:
    """Each chat that the README or an empty page suggests says temperature 0: a small model answers
    nonsense at 0.8.
    """
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    chats = [block for block in re.findall(r"```\w+\n(.*?)```", readme, re.DOTALL) if "messages" in block]
    assert len(chats) >= 2
    assert all(re.search(r"\"?temperature\"?[:=] ?0\b(?!\.)", chat) for chat in chats)
