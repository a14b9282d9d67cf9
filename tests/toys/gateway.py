"""A gateway with the fake engine and every toy: `python -m tests.toys.gateway HOME [--section-key
value]...`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.gateway import main
from gateway.api.dialects import DIALECTS
from telemetry.metrics import catalog
from tests.toys.dialect import TOY
from tests.toys.handle import Parrots
from tests.toys.metric import ToySource

if __name__ == "__main__":
    catalog.SOURCES = (*catalog.SOURCES, ToySource)
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:], more_sources=[Parrots], dialects=[*DIALECTS, TOY]))
