"""`firsttoken db stats`, `prune`, `export` and `verify` on a real database, as a program."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet
import pytest

from tests.store.templates import new_database
from tests.store.test_contents import write
from tests.store.test_retention import DAY_MS, fill
from tests.store.test_store import rows, url_of

OLD, NEW = 12, 1203


def db(home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway.cli.main", "db", *args, "--home", str(home)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def path(home: Path) -> Path:
    """A home whose database has some old requests and more than a page of new ones."""
    file = home / "firsttoken.db"
    new_database(file)
    fill(url_of(file), OLD, first_days_ago=200, apart_ms=DAY_MS)
    fill(url_of(file), NEW, first_days_ago=1, apart_ms=1000)
    return file


def test_stats(path: Path) -> None:
    """Rows by table, the share of the cap, and what is kept; the same for programs."""
    shown = db(path.parent, "stats").stdout
    assert f"{OLD + NEW:,}" in shown
    assert "requests 90 days, statistics 730 days" in shown
    told = json.loads(db(path.parent, "stats", "--json", "--store-max-bytes", "1000000000").stdout)
    assert (told["rows"]["requests"], told["retention"]["max_bytes"]) == (OLD + NEW, 10**9)
    assert 0 < told["used_bytes"] <= path.stat().st_size


def test_prune(path: Path) -> None:
    """A dry run only counts; the real one forgets what is too old, by the settings or by the flag."""
    assert json.loads(db(path.parent, "prune", "--dry-run", "--json").stdout) == {"would_prune": OLD}
    assert rows(path, "SELECT count(*) FROM requests") == [(OLD + NEW,)]
    assert f"{OLD} requests forgotten" in db(path.parent, "prune").stdout
    assert json.loads(db(path.parent, "prune", "--older-than", "12h", "--json").stdout) == {
        "pruned": NEW,
        "pruned_contents": 0,
    }
    wrong = db(path.parent, "prune", "--older-than", "old")
    assert (wrong.returncode, "--older-than" in wrong.stderr) == (2, True)


def test_export(path: Path, tmp_path: Path) -> None:
    """Every format has every request of the range once, oldest first; a file is whole or not there."""
    lines = [json.loads(line) for line in db(path.parent, "export").stdout.splitlines()]
    assert [line["seq"] for line in lines] == [
        row[0] for row in rows(path, "SELECT seq FROM requests ORDER BY seq")
    ]
    assert lines[0]["ttft_ms"] == rows(path, "SELECT ttft_ms FROM requests ORDER BY seq")[0][0]
    recent = list(
        csv.DictReader(io.StringIO(db(path.parent, "export", "--format", "csv", "--since", "36h").stdout))
    )
    assert [int(line["seq"]) for line in recent] == [line["seq"] for line in lines[OLD:]]
    assert recent[0]["itl_max_ms"] == str(lines[OLD]["itl_max_ms"])
    out = tmp_path / "all.parquet"
    told = db(path.parent, "export", "--format", "parquet", "--output", str(out), "--until", "36h", "--json")
    assert json.loads(told.stdout)["exported"] == OLD
    table = pyarrow.parquet.read_table(out)
    assert table["seq"].to_pylist() == [line["seq"] for line in lines[:OLD]]
    assert table["started_at"].to_pylist()[0].isoformat().startswith(lines[0]["started_at"][:23])
    assert [file.name for file in tmp_path.glob("all*")] == ["all.parquet"]


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("export", "--since", "someday"), 2, "2026-11-23"),
        (("export", "--output", "/nowhere/x.jsonl"), 1, "cannot write /nowhere/x.jsonl"),
        (("export", "--json"), 2, "--output"),
        (("export", "--since", "1d", "--until", "7d"), 2, "'7d' is not after --since '1d'"),
    ],
)
def test_export_says_what_is_wrong(path: Path, args: tuple[str, ...], code: int, words: str) -> None:
    """One line with the remedy."""
    done = db(path.parent, *args)
    assert (done.returncode, words in done.stdout + done.stderr) == (code, True), done.stderr


def test_verify(path: Path) -> None:
    """A sound database is sound, also after pruning; a request or phases that went missing are found, with
    their minute.
    """
    assert db(path.parent, "verify").returncode == 0
    assert db(path.parent, "prune").returncode == 0
    assert json.loads(db(path.parent, "verify", "--json").stdout) == {
        "url": url_of(path),
        "ok": True,
        "problems": [],
    }
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM request_phases WHERE seq = (SELECT max(seq) FROM requests)")
        connection.execute(
            "DELETE FROM requests WHERE seq = (SELECT seq FROM requests ORDER BY seq LIMIT 1 OFFSET 1100)"
        )
    done = db(path.parent, "verify", "--json")
    problems = json.loads(done.stdout)["problems"]
    assert done.returncode == 1
    assert any("no phases" in problem for problem in problems)
    assert any(f"{NEW - 1} rows" in problem or "requests in the roll-ups" in problem for problem in problems)


def test_a_damaged_file_is_found(path: Path) -> None:
    """Bytes overwritten in the middle of the file: said, with exit code 1, whatever SQLite makes of them."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 20_000)
    done = db(path.parent, "verify")
    assert done.returncode == 1
    assert "SQLite" in done.stdout or "malformed" in done.stderr


def test_no_database(home: Path) -> None:
    """Before the first request: said, exit code 1, and no file is made by asking."""
    for verb in ("stats", "prune", "export", "verify"):
        done = db(home, verb)
        assert (done.returncode, "serve some requests first" in done.stderr) == (1, True)
    assert list(home.iterdir()) == []


def test_contents(home: Path, tmp_path: Path) -> None:
    """What was said has its own bytes in `stats`, its own limit in `prune`, and leaves the database only
    with `export --content`.
    """
    file = home / "firsttoken.db"
    new_database(file)
    write(url_of(file), 60, first_days_ago=9.9, apart_ms=DAY_MS / 6)
    told = json.loads(db(home, "stats", "--json").stdout)
    assert (told["rows"]["request_contents"], told["content_bytes"]) == rows(
        file, "SELECT count(*), sum(size_bytes) FROM request_contents"
    )[0]
    assert "of it what was said" in db(home, "stats").stdout
    assert "question" not in db(home, "export").stdout
    lines = [json.loads(line) for line in db(home, "export", "--content").stdout.splitlines()]
    assert ["question 0 " in lines[0]["content"]["messages"][1]["text"], len(lines)] == [True, 60]
    assert all(line["content"]["answer"]["text"] == "An answer with [redacted: key]" for line in lines)
    table = list(csv.DictReader(io.StringIO(db(home, "export", "--content", "--format", "csv").stdout)))
    assert [json.loads(line["content"]) for line in table] == [line["content"] for line in lines]
    out = tmp_path / "all.parquet"
    assert db(home, "export", "--content", "--format", "parquet", "--output", str(out)).returncode == 0
    assert [json.loads(text) for text in pyarrow.parquet.read_table(out)["content"].to_pylist()] == [
        line["content"] for line in lines
    ]
    pruned = json.loads(db(home, "prune", "--json", "--capture-retention-days", "5").stdout)
    assert pruned["pruned"] == 0
    assert rows(file, "SELECT count(*) FROM request_contents") == [(60 - pruned["pruned_contents"],)]
    assert 25 <= pruned["pruned_contents"] <= 35
    without = [json.loads(line)["content"] for line in db(home, "export", "--content").stdout.splitlines()]
    assert (len(without), without.count(None)) == (60, pruned["pruned_contents"])
