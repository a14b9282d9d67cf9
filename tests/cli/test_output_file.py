"""Files that verbs write: nothing is overwritten unasked, and what appears is whole."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli.output import CommandError
from gateway.cli.output_file import opened


def write(
    output: Path, *, force: bool = False, data: bytes = b"new", meanwhile: Callable[[], object] = lambda: None
) -> None:
    with opened(output, force=force) as file:
        file.write(data)
        meanwhile()


def test_what_is_there_stays(tmp_path: Path) -> None:
    """Without `--force` it is refused, with both remedies; with it, it is replaced."""
    output = tmp_path / "all.csv"
    write(output, data=b"old")
    with pytest.raises(
        CommandError, match=r"all.csv exists; choose another name, or overwrite it with --force"
    ):
        write(output)
    assert output.read_bytes() == b"old"
    write(output, force=True)
    assert output.read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["all.csv"]


def test_what_is_made_meanwhile_stays(tmp_path: Path) -> None:
    """Somebody else's file that appeared while ours was written."""
    output = tmp_path / "all.csv"
    with pytest.raises(CommandError, match="exists"):
        write(output, meanwhile=lambda: output.write_bytes(b"theirs"))
    assert output.read_bytes() == b"theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["all.csv"]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    """Neither a part, nor anything of a file that was to be replaced."""
    output = tmp_path / "all.csv"
    write(output, data=b"old")
    with pytest.raises(ZeroDivisionError):
        write(output, force=True, meanwhile=lambda: 1 // 0)
    assert output.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["all.csv"]


def test_a_device_is_written_as_it_is(tmp_path: Path) -> None:
    """A pipe stays a pipe (as `/dev/null` stays a device), and needs no `--force`."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write(pipe)
    assert os.read(reader, 10) == b"new"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """What it points to is written."""
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"
    with pytest.raises(CommandError, match="link exists"):
        write(tmp_path / "link")


def test_a_file_that_looks_like_a_part_is_nobody_elses(tmp_path: Path) -> None:
    """Two that write to one place at the same time do not write into one file."""
    (tmp_path / "all.csv.partial").write_bytes(b"mine")
    write(tmp_path / "all.csv")
    assert (tmp_path / "all.csv.partial").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("place", "says"),
    [("", "is a folder"), ("no/such/folder.csv", "No such file"), ("file/below.csv", "cannot write")],
)
def test_a_place_that_cannot_be(tmp_path: Path, place: str, says: str) -> None:
    """Told with the path as it was given."""
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match=says):
        write(tmp_path / place)
