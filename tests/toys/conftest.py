"""A running gateway with every toy."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.e2e.serving import FakeServed


class ToyServed(FakeServed):
    """A gateway with the fake engine, and the toys."""

    def _command(self) -> list[str]:
        return [
            sys.executable,
            "-m",
            "tests.toys.gateway",
            str(self.home),
            "--server-port",
            str(self.port),
            *self._flags,
        ]


@pytest.fixture(scope="package")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ToyServed]:
    served = ToyServed(tmp_path_factory.mktemp("toys")).start()
    yield served
    assert served.stop() == 0
