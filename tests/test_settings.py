"""Settings: which source wins, and what each mistake says."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings.load import SettingsError, describe, load


def test_precedence(home: Path) -> None:
    """Built-in < file < environment < flag."""
    (home / "firsttoken.toml").write_text("[engine]\nslots = 2\nthreads = 2\nn_ctx = 2\n", encoding="utf-8")
    env = {"FIRSTTOKEN_ENGINE_THREADS": "3", "FIRSTTOKEN_ENGINE_N_CTX": "3"}
    engine = load(env, flags={"engine.n_ctx": "4"}, home=home).engine
    assert (engine.n_batch, engine.slots, engine.threads, engine.n_ctx) == (2048, 2, 3, 4)


def test_home(home: Path) -> None:
    """`FIRSTTOKEN_HOME` moves the database; a flag moves it again."""
    assert load({"FIRSTTOKEN_HOME": str(home)}).store_url == f"sqlite+aiosqlite:///{home}/firsttoken.db"
    assert load({"FIRSTTOKEN_HOME": "/elsewhere"}, home=home).home == home


def test_lists_and_switches(home: Path) -> None:
    """Lists are separated by commas, switches are words, in the environment."""
    env = {"FIRSTTOKEN_TELEMETRY_CONTEXT_BUCKETS": "100, 200", "FIRSTTOKEN_TELEMETRY_ENABLED": "false"}
    telemetry = load(env, home=home).telemetry
    assert (telemetry.context_buckets, telemetry.enabled) == ((100, 200), False)


@pytest.mark.parametrize(
    ("env", "flags", "toml", "says"),
    [
        ({"FIRSTTOKEN_ENGINE_SLOTS": "0"}, {}, "", ["engine.slots", "FIRSTTOKEN_ENGINE_SLOTS"]),
        (
            {"FIRSTTOKEN_ENGINE_SLOTZ": "1"},
            {},
            "",
            ["unknown variable FIRSTTOKEN_ENGINE_SLOTZ", "FIRSTTOKEN_ENGINE_SLOTS"],
        ),
        ({}, {"server.port": "many"}, "", ["server.port", "--server-port"]),
        ({}, {"server.prot": "1"}, "", ["server.prot", "flag"]),
        ({}, {}, "[engine]\nslots = 'x'", ["engine.slots", "firsttoken.toml"]),
        ({}, {}, "[engin]\nslots = 1", ["engin.slots", "firsttoken.toml"]),
        ({}, {}, "slots = 1", ["slots", "firsttoken.toml"]),
        ({}, {}, "[engine", ["firsttoken.toml"]),
        (
            {"FIRSTTOKEN_COST_PRICE_PER_KWH": "-0.1"},
            {},
            "",
            ["cost.price_per_kwh", "FIRSTTOKEN_COST_PRICE_PER_KWH", ">= 0"],
        ),
        (
            {},
            {"cost.price_per_output_token": "-1"},
            "",
            ["cost.price_per_output_token", "--cost-price-per-output-token", ">= 0"],
        ),
        (
            {},
            {},
            "[cost]\nprice_per_input_token = inf",
            ["cost.price_per_input_token", "firsttoken.toml", "no price"],
        ),
        (
            {},
            {"telemetry.energy_sources": "rapl,magic"},
            "",
            ["telemetry.energy_sources", "--telemetry-energy-sources", "magic"],
        ),
        ({"FIRSTTOKEN_CAPTURE_REDACT_PATTERNS": "ok,([a-z"}, {}, "", ["capture.redact_patterns", "([a-z"]),
        ({}, {}, "[capture]\nredact_patterns = ['x*']", ["capture.redact_patterns", "x*", "empty"]),
    ],
)
def test_mistakes_name_key_and_source(
    home: Path, env: dict[str, str], flags: dict[str, str], toml: str, says: list[str]
) -> None:
    """Every mistake names the key and where it came from."""
    (home / "firsttoken.toml").write_text(toml, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load(env, flags=flags, home=home)
    assert [word for word in says if word not in str(caught.value)] == []


def test_named_file_must_exist(home: Path) -> None:
    """A settings file that is named and not there is an error."""
    with pytest.raises(SettingsError, match=r"gone\.toml"):
        load({}, config=home / "gone.toml", home=home)


def test_names() -> None:
    """One name per setting, in three spellings."""
    slots = next(info for info in describe() if info.name == "engine.n_ctx")
    assert (slots.variable, slots.flag) == ("FIRSTTOKEN_ENGINE_N_CTX", "--engine-n-ctx")


def test_prices_are_unset_free_or_more(home: Path) -> None:
    """Nothing has a price by itself; 0 is one."""
    assert load({}, home=home).cost.price_per_kwh is None
    assert load({}, flags={"cost.price_per_kwh": "0"}, home=home).cost.price_per_kwh == 0.0
