"""Setting flags: every setting has one, wherever it stands on the line; what is unknown is told with what
was meant.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from gateway.cli.arguments import UnknownFlagError, arranged
from gateway.cli.main import app
from gateway.cli.options import parse_flags
from gateway.nearest import nearest
from gateway.settings.load import SettingsError, describe, load


def test_both_spellings() -> None:
    """A value follows its flag or stands behind `=`."""
    assert parse_flags(["--engine-slots", "4", "--store-url=sqlite://"]) == {
        "engine.slots": "4",
        "store.url": "sqlite://",
    }


def test_negative_value() -> None:
    """A value may begin with one dash."""
    assert parse_flags(["--engine-gpu-layers", "-1"]) == {"engine.gpu_layers": "-1"}


def test_switch_stands_alone() -> None:
    """A switch without a value is on; with one, it is that."""
    assert parse_flags(["--capture-content", "--telemetry-enabled", "false"]) == {
        "capture.content": "true",
        "telemetry.enabled": "false",
    }


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["stray"], "unexpected argument 'stray'"),
        (["--engine-slots"], "needs a value"),
        (["--x"], "unexpected"),
    ],
)
def test_mistakes(args: list[str], says: str) -> None:
    """A stray word and a missing value are errors that say which."""
    with pytest.raises(UnknownFlagError, match=says):
        parse_flags(args)


def line(*args: str) -> list[str]:
    return arranged(args, typer.main.get_command(app))


@pytest.mark.parametrize(
    "shared",
    [
        ["--home", "h"],
        ["--home=h"],
        ["--config", "c"],
        ["--json"],
        ["--engine-slots", "4"],
        ["--capture-content"],
    ],
)
@pytest.mark.parametrize("verb", [["stats"], ["db", "export"], ["cache", "list"], ["serve"]])
def test_shared_options_stand_anywhere(verb: list[str], shared: list[str]) -> None:
    """Before the verb, in a group, behind it: what typer gets is the same."""
    behind = line(*verb, *shared)
    assert behind[: len(verb)] == verb
    assert all(line(*verb[:at], *shared, *verb[at:]) == behind for at in range(len(verb)))
    assert sorted(behind[len(verb) :]) == sorted(shared)


def test_arguments_come_before_settings() -> None:
    """A model or a key that stands behind a setting is still the verb's argument; what follows `--` is no
    option.
    """
    assert line("tune", "--engine-slots", "4", "a.gguf") == ["tune", "a.gguf", "--engine-slots", "4"]
    assert line("cache", "clear", "--capture-content", "all", "-y") == [
        "cache",
        "clear",
        "all",
        "-y",
        "--capture-content",
    ]
    assert line("--json", "tune", "--", "--odd.gguf") == ["tune", "--", "--odd.gguf", "--json"]
    assert line("db", "export", "-ox.csv", "--since", "-1") == ["db", "export", "-ox.csv", "--since", "-1"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("serve", "--slots", "4"), "did you mean --engine-slots\\?"),
        (("serve", "--engine-slotz", "4"), "did you mean --engine-slots\\?"),
        (("serve", "--ctx-size", "4096"), "did you mean --engine-n-ctx\\?"),
        (("serve", "--threads=2"), "did you mean --engine-threads\\?"),
        (("serve", "--max-bytes", "1"), "--store-max-bytes or --capture-max-bytes"),
        (("stats", "--modle", "x"), "did you mean --model\\?"),
        (("stats", "--hom", "x"), "did you mean --home\\?"),
        (("stats", "--zzz"), "`firsttoken settings` lists all"),
        (("--port", "8081", "serve"), "firsttoken serve --port"),
        (("db", "--format", "csv", "export"), "firsttoken db export --format"),
    ],
)
def test_an_unknown_flag_is_told(args: tuple[str, ...], says: str) -> None:
    """With what was meant: a setting by its own last words, a slip of the pen, another server's name, or
    the flag's place.
    """
    with pytest.raises(UnknownFlagError, match=says):
        line(*args)


@pytest.mark.parametrize("info", list(describe()), ids=lambda info: info.name)
def test_a_key_without_its_section_finds_the_setting(info: object) -> None:
    """Whoever leaves out the section is led to the setting (or settings) of that key, never to another."""
    names = [known.name for known in describe()]
    key = str(getattr(info, "key", ""))
    found = nearest(f"--{key.replace('_', '-')}", names)
    assert str(getattr(info, "name", "")) in found or len(found) == 3
    assert all(name.endswith(key) for name in found)


@pytest.mark.parametrize("name", [info.name for info in describe() if info.key.endswith("retention_days")])
@pytest.mark.parametrize("days", ["1e12", "inf", "36501", "nan", "-1"])
def test_a_time_that_no_calendar_has(name: str, days: str) -> None:
    """Nothing is kept for so long: for ever is 0, and a number that breaks retention later is refused now."""
    with pytest.raises(SettingsError, match=name):
        load({}, flags={name: days})
    assert load({}, flags={name: "36500"})


@pytest.mark.parametrize(
    ("variable", "says"),
    [
        ("FIRSTTOKEN_SLOTS", "FIRSTTOKEN_ENGINE_SLOTS"),
        ("FIRSTTOKEN_ENGINE_SLOT", "FIRSTTOKEN_ENGINE_SLOTS"),
        ("FIRSTTOKEN_X_Y", "lists all"),
    ],
)
def test_an_unknown_variable_is_told(variable: str, says: str) -> None:
    """As it is written there."""
    with pytest.raises(SettingsError, match=f"unknown variable {variable}; .*{says}"):
        load({variable: "4"})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("slots = 4", r"did you mean slots under \[engine\]\?"),
        ("[engine]\nslotz = 4", r"did you mean engine.slots\?"),
        ("[engines]\nslots = 4", r"did you mean engine.slots\?"),
    ],
)
def test_an_unknown_key_of_the_file_is_told(tmp_path: Path, text: str, says: str) -> None:
    """With the key that was meant."""
    file = tmp_path / "firsttoken.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=says):
        load({}, home=tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "nope://",
        "postgres://ada:pw@db/x",
        "firsttoken.db",
        "sqlite+aiosqlite://",
        "sqlite:///:memory:",
        "postgresql://",
    ],
)
def test_an_address_of_no_database(url: str) -> None:
    """It is told before anything is opened, with the two forms that there are."""
    with pytest.raises(
        SettingsError,
        match=r"store.url = .* \(from --store-url\).*sqlite\+aiosqlite:///PATH.*postgresql\+asyncpg://",
    ):
        load({}, flags={"store.url": url})
