"""Setting flags: every setting has one, and nothing else is accepted."""

from __future__ import annotations

import pytest

from gateway.cli.options import UnknownFlagError, parse_flags


def test_both_spellings() -> None:
    """A value follows its flag or stands behind `=`."""
    assert parse_flags(["--engine-slots", "4", "--store-url=sqlite://"]) == {"engine.slots": "4", "store.url": "sqlite://"}


def test_negative_value() -> None:
    """A value may begin with one dash."""
    assert parse_flags(["--engine-gpu-layers", "-1"]) == {"engine.gpu_layers": "-1"}


def test_switch_stands_alone() -> None:
    """A switch without a value is on; with one, it is that."""
    assert parse_flags(["--capture-content", "--telemetry-enabled", "false"]) == {"capture.content": "true", "telemetry.enabled": "false"}


@pytest.mark.parametrize(
    ("args", "says"),
    [(["--engine-slot", "4"], "did you mean --engine-slots"), (["stray"], "unknown option"), (["--engine-slots"], "needs a value")],
)
def test_mistakes(args: list[str], says: str) -> None:
    """An unknown flag, a stray word and a missing value are errors that say which."""
    with pytest.raises(UnknownFlagError, match=says):
        parse_flags(args)
