"""A gateway with the fake engine: `python -m bench.gateway HOME [--section-key value]...`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from gateway.api.dialect import Dialect
from gateway.api.dialects import DIALECTS
from gateway.app import Gateway, run
from gateway.cli.options import parse_flags
from gateway.handles import LocalEngines, MakeSource
from gateway.models.storage import GGUF_MAGIC
from gateway.settings.load import load

MODEL = "fake"
ENGINE_COMMAND = (sys.executable, "-m", "bench.fake_engine")


def main(
    home: Path,
    flags: Sequence[str],
    *,
    more_sources: Sequence[MakeSource] = (),
    dialects: Sequence[Dialect] = DIALECTS,
) -> int:
    """Serve the model `fake` until a stop signal; its file holds no more than the first bytes of a model
    file. What else is served, and in which dialects, is for tests.
    """
    home.mkdir(parents=True, exist_ok=True)
    stub = home / f"{MODEL}.gguf"
    stub.write_bytes(GGUF_MAGIC)
    settings = load(os.environ, flags={**parse_flags(flags), "engine.models": str(stub)}, home=home)
    sources: list[MakeSource] = [partial(LocalEngines, command=ENGINE_COMMAND), *more_sources]
    return asyncio.run(run(Gateway(settings, os.environ, sources=sources, dialects=dialects)))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
