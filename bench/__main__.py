"""`python -m bench [SCENARIO ...] [--json] [--requests N] [--url URL]`: exits with 1 when a scenario's
promise does not hold.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from bench import machine, report
from bench.scenarios import ABOUT, SCENARIOS


def main(arguments: Sequence[str]) -> int:
    """Measure, then report."""
    names = ", ".join(SCENARIOS)
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure the gateway on this machine, alone and beside llama.cpp's own server.",
        epilog="scenarios:\n" + "\n".join(f"  {name:16} {about}" for name, about in ABOUT.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="what to measure (default all)")
    parser.add_argument(
        "--json", action="store_true", help="print JSON for programs instead of tables for people"
    )
    parser.add_argument("--requests", metavar="N", help="store-at-scale: how many requests")
    parser.add_argument("--url", help="store-at-scale: an empty PostgreSQL database instead of a SQLite file")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.scenarios if name not in SCENARIOS]
    if unknown:
        parser.error(f"unknown scenario {unknown[0]!r}; there are: {names}")
    os.environ |= {
        name: value
        for name, value in (("BENCH_REQUESTS", given.requests), ("BENCH_STORE_URL", given.url))
        if value
    }
    before = machine.describe()
    results = {}
    for name in given.scenarios or SCENARIOS:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        results[name] = SCENARIOS[name]()
    (report.print_json if given.json else report.print_tables)(before, results)
    return 1 if report.failures(results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
