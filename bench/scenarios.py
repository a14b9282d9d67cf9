"""The scenarios by name, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable

from bench import concurrency, overhead, single
from bench.figures import Result

SCENARIOS: dict[str, Callable[[], Result]] = {
    "single": single.run,
    "concurrency": concurrency.run,
    "overhead": overhead.run,
}
