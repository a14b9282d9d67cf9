"""Every verb that reads or changes the database, on SQLite and on PostgreSQL, and what each says when it
cannot.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.cli import checks
from gateway.cli.database_check import check_database
from gateway.cli.main import app, main
from gateway.models.storage import DEMO_MODEL
from gateway.settings.load import load
from telemetry.store import migrate
from tests.store.postgres import PostgresServer
from tests.store.test_retention import DAY_MS, fill
from tests.store.test_store import url_of
from tests.telemetry.records import MODEL

OLD, NEW = 3, 7


@pytest.fixture
def told(url: str, home: Path, capsys: pytest.CaptureFixture[str]) -> Verb:
    """A database with old and new requests, and a way to run a verb on it."""
    fill(url, OLD, first_days_ago=200, apart_ms=DAY_MS)
    fill(url, NEW, first_days_ago=1, apart_ms=1000)
    return Verb(url, home, capsys)


class Verb:
    """Runs verbs in process on one database."""

    def __init__(self, url: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.url = url
        self._home = home
        self._capsys = capsys

    def run(self, *args: str) -> tuple[int, str]:
        """The exit code and what was printed."""
        code = main([*args, "--home", str(self._home), "--store-url", self.url])
        out, err = self._capsys.readouterr()
        assert "Traceback" not in err
        return code, out + err

    def json(self, *args: str) -> dict[str, object]:
        code, out = self.run(*args, "--json")
        assert code == 0, out
        found: dict[str, object] = json.loads(out)
        return found


def test_reading(told: Verb) -> None:
    """Statistics, contents, soundness, revision and export are the same on both, for people and for
    programs.
    """
    rows = told.json("stats", "--since", "all")["rows"]
    assert isinstance(rows, list)
    assert sum(row["requests"] for row in rows) == OLD + NEW
    for by in ("context", "config", "day"):
        assert told.run("stats", "--since", "30d", "--by", by)[0] == 0
    assert "requests" in told.run("stats", "--since", "all", "--csv")[1]
    counts = told.json("db", "stats")["rows"]
    assert isinstance(counts, dict)
    assert counts["requests"] == OLD + NEW
    assert told.json("db", "verify") == {"url": told.url, "ok": True, "problems": []}
    assert told.json("db", "current")["up_to_date"] is True
    assert told.json("db", "prune", "--dry-run") == {"would_prune": OLD}
    assert told.run("db", "stats")[0] == told.run("db", "verify")[0] == told.run("db", "current")[0] == 0


def test_every_verb_is_tried() -> None:
    """A verb that uses the database runs in this file, which runs on both; the others are named here."""
    without = {"serve", "tune", "settings", "models list", "cache list", "cache clear"}
    source = Path(__file__).read_text(encoding="utf-8")
    verbs = {
        verb
        for verb in all_verbs()
        if f"({', '.join(f'{word!r}' for word in verb.split())}".replace("'", '"') in source
    }
    assert set(all_verbs()) - without == verbs | {"doctor"}, "doctor is tried by its checks"


def all_verbs() -> list[str]:
    """Every verb of the command line, sub-verbs as `db stats`."""
    group = typer.main.get_command(app)
    children = {
        name: getattr(command, "commands", {}) for name, command in getattr(group, "commands", {}).items()
    }
    return [f"{name} {child}".strip() for name, below in children.items() for child in below or [""]]


def test_export(told: Verb, tmp_path: Path) -> None:
    """Every format has every request; a range and a model have theirs, with what was said where it is
    asked for.
    """
    for form in ("jsonl", "csv", "parquet"):
        assert (
            told.json("db", "export", "--format", form, "--output", str(tmp_path / f"all.{form}"))["exported"]
            == OLD + NEW
        )
    out, force = ("--output", str(tmp_path / "some.jsonl")), "--force"
    assert told.json("db", "export", *out, "--since", "36h", "--content")["exported"] == NEW
    assert told.json("db", "export", *out, "--until", "36h", "--model", MODEL, force)["exported"] == OLD
    assert told.json("db", "export", *out, "--model", DEMO_MODEL, force)["exported"] == 0
    assert told.run("db", "export", *out)[0] == 1


def test_a_model_that_nobody_knows(told: Verb, tmp_path: Path) -> None:
    """It is told, with those that are known; one that is configured or was served has no rows, and that is
    no error.
    """
    for verb in (("stats",), ("stats", "--csv"), ("db", "export", "--output", str(tmp_path / "x"))):
        code, said = told.run(*verb, "--model", "tinny")
        assert (code, f"did you mean {MODEL}?" in said, DEMO_MODEL in said) == (1, True, True), said
        assert not (tmp_path / "x").exists()
    assert told.run("stats", "--model", DEMO_MODEL)[0] == 0
    assert told.run("stats", "--model", MODEL, "--since", "all")[0] == 0
    told.run("db", "prune", "--older-than", "1h")
    assert told.json("stats", "--model", MODEL, "--since", "15m")["rows"] == []


def test_long_ago(told: Verb, tmp_path: Path) -> None:
    """Whatever is a stretch of time can be asked for."""
    for age in ("5000w", "1m", "all"):
        assert told.run("stats", "--since", age)[0] == 0
        assert told.run("db", "export", "--since", age, "--output", str(tmp_path / age))[0] == 0


def test_writing(told: Verb) -> None:
    """Pruning and upgrading."""
    assert told.json("db", "prune", "--older-than", "30d")["pruned"] == OLD
    assert told.json("db", "upgrade")["up_to_date"] is True
    assert told.json("db", "prune")["pruned"] == 0
    assert told.run("db", "prune", "--max-bytes", "1000000000")[0] == (
        0 if told.url.startswith("sqlite") else 2
    )


def test_a_newer_database(told: Verb) -> None:
    """Its revision is not known here: each verb says so in one line, and doctor that nothing would be
    recorded.
    """
    execute(told.url, "UPDATE alembic_version SET version_num = '9999'")
    for verb in (
        ("stats",),
        ("db", "stats"),
        ("db", "verify"),
        ("db", "prune"),
        ("db", "export"),
        ("db", "upgrade"),
        ("db", "current"),
    ):
        code, said = told.run(*verb)
        assert code == 1
        assert "version" in said or "9999" in said
    found = check_database(load({}, flags={"store.url": told.url}, home=Path("/nowhere")))
    assert found.outcome == "fail"
    assert "9999 is of a newer version" in found.detail


def execute(url: str, statement: str) -> None:
    async def work() -> None:
        engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await connection.exec_driver_sql(statement)
        await engine.dispose()

    asyncio.run(work())


def test_doctor_writes_and_takes_it_back(url: str, home: Path) -> None:
    """A database that can be written is ok; nothing is left of the attempt, before there are tables and
    after.
    """
    found = check_database(load({}, flags={"store.url": url}, home=home))
    assert (found.outcome, found.detail.rpartition("; ")[2]) == ("ok", "it can be written")


def test_doctor_on_a_server_without_tables(empty_postgres: str, home: Path) -> None:
    """They will be created; that this may be done is tried."""
    settings = load({}, flags={"store.url": empty_postgres}, home=home)
    assert check_database(settings).outcome == "ok"
    assert migrate.current(empty_postgres) is None
    execute(
        empty_postgres,
        f"ALTER DATABASE {make_url(empty_postgres).database} SET default_transaction_read_only = on",
    )
    found = check_database(settings)
    assert (found.outcome, "read-only transaction" in found.detail) == ("fail", True), found.detail


def test_doctor_on_a_locked_database(home: Path) -> None:
    """Another process holds SQLite's write lock: not ok, with what to look at."""
    path = home / "firsttoken.db"
    migrate.upgrade(url_of(path))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    found = check_database(load({}, home=home))
    other.close()
    assert (found.outcome, "locked" in found.detail, "not recorded" in found.detail) == (
        "fail",
        True,
        True,
    ), found.detail


def test_doctor_on_a_folder(home: Path) -> None:
    """No file, and none can be made."""
    found = check_database(load({}, flags={"store.url": f"sqlite+aiosqlite:///{home}"}, home=home))
    assert found.outcome == "fail"


def test_a_server_that_is_away(
    own_postgres: PostgresServer, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that is stopped and one that says nothing: every verb ends, with one line."""
    migrate.upgrade(own_postgres.url)
    verb = Verb(own_postgres.url, home, capsys)
    with own_postgres.frozen():
        code, said = verb.run("db", "stats")
        assert (code, "did not answer in time" in said) == (1, True), said
        assert check_database(load({}, flags={"store.url": own_postgres.url}, home=home)).outcome == "fail"
    own_postgres.stop()
    for args in (("stats",), ("db", "stats"), ("db", "upgrade"), ("db", "verify"), ("db", "current")):
        code, said = verb.run(*args)
        assert (code, own_postgres.url in said) == (1, True), said
    own_postgres.start()
    assert verb.run("db", "stats")[0] == 0


@pytest.mark.parametrize("verb", [("db", "upgrade"), ("db", "current"), ("stats",)])
def test_a_program_keeps_what_it_makes_to_itself(tmp_path: Path, verb: tuple[str, ...]) -> None:
    """Whatever the shell's umask: folders are 0700, files 0600."""
    home = tmp_path / "new" / "home"
    command = [sys.executable, "-m", "gateway.cli.main", *verb, "--home", str(home)]
    subprocess.run(command, capture_output=True, check=False, timeout=60, umask=0o022)
    assert home.exists() == (verb == ("db", "upgrade"))
    assert not [
        path
        for path in (tmp_path / "new").rglob("*")
        if stat.S_IMODE(path.stat().st_mode) not in (0o700, 0o600)
    ]


def test_doctor_sees_an_open_home(home: Path) -> None:
    """One that others may look into is worth a warning, with the command that closes it."""
    os.chmod(home, 0o755)  # noqa: PTH101 - as a shell would
    found = checks.check_home(home)
    assert (found.outcome, f"chmod -R go= {home}" in found.detail) == ("warn", True)
    home.chmod(0o700)
    assert checks.check_home(home).outcome == "ok"
