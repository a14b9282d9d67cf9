"""A gateway with the fake engine: `python -m bench.gateway HOME [--section-key value]...`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from gateway.app import Gateway, run
from gateway.cli.options import parse_flags
from gateway.handles import LocalEngines
from gateway.models.storage import GGUF_MAGIC
from gateway.settings.load import load

MODEL = "fake"
ENGINE_COMMAND = (sys.executable, "-m", "bench.fake_engine")


def main(home: Path, flags: Sequence[str]) -> int:
    """Serve the model `fake` until a stop signal; its file holds no more than the first bytes of a model file."""
    home.mkdir(parents=True, exist_ok=True)
    stub = home / f"{MODEL}.gguf"
    stub.write_bytes(GGUF_MAGIC)
    settings = load(os.environ, flags={**parse_flags(flags), "engine.models": str(stub)}, home=home)
    return asyncio.run(run(Gateway(settings, os.environ, sources=[partial(LocalEngines, command=ENGINE_COMMAND)])))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
