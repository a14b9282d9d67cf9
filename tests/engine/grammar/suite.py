"""The public JSON-Schema-Test-Suite, as jsonschema's source distribution on PyPI carries it: fetched by
pip, once.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Group:
    """A schema, and documents that it must take or refuse."""

    name: str
    schema: Any
    documents: tuple[tuple[Any, bool], ...]


def fetch(folder: Path) -> Path:
    """The suite's folder of tests; what is there already is not fetched again."""
    name = f"jsonschema-{version('jsonschema')}"
    tests = folder / name / "json" / "tests"
    if not tests.is_dir():
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--no-binary",
            "jsonschema",
        ]
        wanted = ["--dest", str(folder), name.replace("-", "==")]
        subprocess.run([*command, "--disable-pip-version-check", *wanted], check=True, timeout=120)
        with tarfile.open(folder / f"{name}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
    return tests


def groups(tests: Path, draft: str) -> Iterator[Group]:
    """Every group of a draft, those about formats included: their schemas are compiled too."""
    for file in sorted((tests / draft).rglob("*.json")):
        place = file.relative_to(tests / draft).with_suffix("")
        for group in json.loads(file.read_text(encoding="utf-8")):
            documents = tuple((test["data"], test["valid"]) for test in group["tests"])
            yield Group(f"{place}: {group['description']}", group["schema"], documents)
