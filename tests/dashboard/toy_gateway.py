"""A gateway with the fake engine and one page more: `python -m tests.dashboard.toy_gateway HOME [--FLAG
VALUE]`.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from unittest import mock

from bench.gateway import main
from dashboard.catalog import PAGES
from dashboard.router import dashboard_router
from tests.dashboard.toy.page import TOY

WITH_TOY = (*PAGES, TOY)
"""The one line of its registration."""

if __name__ == "__main__":
    with mock.patch("gateway.app.dashboard_router", partial(dashboard_router, pages=WITH_TOY)):
        sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
