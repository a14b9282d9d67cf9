"""Verbs as programs among others: a reader that leaves, a full disk, a closed stream; Ctrl-C; no colours
and no bars in a file.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from telemetry.store import migrate
from tests.e2e.serving import until
from tests.store.test_retention import fill
from tests.store.test_store import url_of

PROGRAM = [sys.executable, "-m", "gateway.cli.main"]
FULL = Path("/dev/full")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose database has more than a pipe holds."""
    home = tmp_path_factory.mktemp("filled")
    migrate.upgrade(url_of(home / "firsttoken.db"))
    fill(url_of(home / "firsttoken.db"), 1500, first_days_ago=0.5, apart_ms=10)
    return home


@pytest.mark.parametrize(
    "verb",
    [
        ("db", "export"),
        ("db", "export", "--format", "csv"),
        ("db", "export", "--format", "parquet"),
        ("settings",),
        ("settings", "--json"),
    ],
    ids=" ".join,
)
def test_a_reader_that_leaves(filled: Path, verb: tuple[str, ...]) -> None:
    """`| head` ends a verb with the exit code of a broken pipe, and nothing is said about it."""
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [*PROGRAM, *verb],
        stdout=writer,
        stderr=subprocess.PIPE,
        env={**os.environ, "FIRSTTOKEN_HOME": str(filled)},
    )
    os.close(writer)
    os.close(reader)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (128 + signal.SIGPIPE, b"")


@pytest.mark.skipif(not FULL.exists(), reason="Linux has a device that is always full")
@pytest.mark.parametrize("verb", [("db", "export"), ("db", "stats", "--json")], ids=" ".join)
def test_a_full_disk(filled: Path, verb: tuple[str, ...]) -> None:
    """It is told as what it is, once, and not as a failure of the database."""
    with FULL.open("wb") as full:
        done = subprocess.run(
            [*PROGRAM, *verb, "--home", str(filled)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "error: cannot write standard output: No space left on device\n"


def test_a_full_disk_under_a_file(filled: Path) -> None:
    """The same for `--output`: here a device, which is written as it is."""
    done = subprocess.run(
        [*PROGRAM, "db", "export", "-o", "/dev/full", "--home", str(filled)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "error: cannot write /dev/full: No space left on device\n")


def test_a_closed_stream(filled: Path) -> None:
    """A verb whose output nobody wants (`>&-`) does its work."""
    command = " ".join([*PROGRAM, "settings", "--json", "--home", str(filled), ">&-"])
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_has_no_colours_and_no_bars(filled: Path, tmp_path: Path) -> None:
    """What is not a terminal gets plain text: no escape codes on either stream, and no progress."""
    env = {**os.environ, "FIRSTTOKEN_HOME": str(filled), "TERM": "xterm-256color"}
    for verb in (["stats"], ["db", "verify"], ["db", "prune"], ["db", "export", "-o", str(tmp_path / "x")]):
        done = subprocess.run([*PROGRAM, *verb], capture_output=True, timeout=60, check=False, env=env)
        assert b"\x1b" not in done.stdout + done.stderr
        assert b"\r" not in done.stdout + done.stderr


def test_a_terminal_that_lacks_characters(filled: Path) -> None:
    """A verb says what can be said there, instead of failing."""
    env = {
        **os.environ,
        "FIRSTTOKEN_HOME": str(filled),
        "PYTHONIOENCODING": "ascii",
        "FIRSTTOKEN_COST_CURRENCY": "€",
    }
    for verb in (["settings"], ["--help"]):
        done = subprocess.run([*PROGRAM, *verb], capture_output=True, timeout=60, check=False, env=env)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout


def test_interrupted(filled: Path, tmp_path: Path) -> None:
    """Ctrl-C in the middle of an export: exit code 130, nothing said, and nothing left of the file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [*PROGRAM, "db", "export", "--home", str(filled), "-o", str(pipe)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    with pipe.open("rb") as reader:
        assert reader.read(1)  # it writes, and has to wait for a reader that does not read on
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, b"Traceback" in said) == (130, False)


SLOW = """
import sys
from sqlalchemy import text
from gateway.cli.main import main
from telemetry.store import inspection

async def slow(engine):
    async with engine.connect() as connection:
        print("begun", file=sys.stderr, flush=True)
        forever = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
        return (await connection.execute(text(forever))).all()

inspection.verify = slow
sys.exit(main())
"""


def test_interrupted_while_the_database_works(filled: Path) -> None:
    """Ctrl-C does not wait for a statement that takes long."""
    command = [sys.executable, "-c", SLOW, "db", "verify", "--home", str(filled)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert process.stderr is not None
    assert process.stderr.readline() == b"begun\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    try:
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, said) == (130, b"")


def test_a_measurement_that_is_interrupted(tmp_path: Path) -> None:
    """Ctrl-C ends the process that measures, too."""
    told = tmp_path / "pid"
    module = (
        f"import os, pathlib, time; pathlib.Path({str(told)!r}).write_text(str(os.getpid())); time.sleep(600)"
    )
    program = (
        "import subprocess, sys; from gateway.cli import tune; from gateway.cli.main import main; start ="
        " subprocess.Popen; tune.subprocess.Popen = lambda _command, **how: start([sys.executable, '-c',"
        f" {module!r}], start_new_session=True, **how); sys.exit(main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "tune", "--home", str(tmp_path)], stderr=subprocess.PIPE
    )
    until(lambda: told.exists() and told.read_text(), 60, "the measurement to begin")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, b"")
    assert (
        not psutil.pid_exists(int(told.read_text()))
        or psutil.Process(int(told.read_text())).status() == psutil.STATUS_ZOMBIE
    )


def test_json_whatever_goes_wrong(filled: Path) -> None:
    """An unknown flag before any verb is JSON too."""
    done = subprocess.run(
        [*PROGRAM, "--json", "--slots", "4", "serve"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (2, "")
    assert "--slots" in json.loads(done.stdout)["error"]["message"]
