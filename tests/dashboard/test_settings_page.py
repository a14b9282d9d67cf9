"""The Settings page: every setting with value, source and remedy; a filter; and never a secret."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings.load import describe, load
from gateway.settings.values import (
    MASKS,
    PUBLIC,
    SOUNDS_SECRET,
    host_only,
    shown_settings,
    value_of,
    without_credentials,
)
from tests.dashboard.conftest import Pages
from tests.dashboard.site import SECRET_ENV, SECRETS, SETTINGS

HOME = Path("/home/ada")
PASSWORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4, max_size=20).map(
    lambda text: f"<{text}>"
)
"""Any printable characters, `@`, `/`, `:` and `?` included; the brackets make them findable."""


def names(page: str) -> list[str]:
    """The settings on the page."""
    return re.findall(r'id="setting-([^"]+)"', page)


def test_every_setting_is_on_the_page(busy: Pages) -> None:
    """All that `firsttoken settings` lists, each with its description, variable and flag."""
    page = html.unescape(busy.get("/settings").text)
    plain = re.sub(r"</?code>", "", page)
    for info in describe():
        assert info.name in names(page)
        assert info.description.replace("`", "") in plain
        assert info.variable in page
        assert f"<code>{info.flag}</code>" in page
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in names(page)


def test_the_source_of_each_value_is_told(tmp_path: Path) -> None:
    """Built-in, file, environment, flag: the one that won."""
    (tmp_path / "firsttoken.toml").write_text(
        "[engine]\nslots = 2\nthreads = 2\nn_ctx = 2\n", encoding="utf-8"
    )
    env = {"FIRSTTOKEN_ENGINE_THREADS": "3", "FIRSTTOKEN_ENGINE_N_CTX": "3"}
    found = {
        one.name: one for one in shown_settings(load(env, flags={"engine.n_ctx": "4"}, home=tmp_path), env)
    }
    told = {
        name: (found[f"engine.{name}"].value, found[f"engine.{name}"].source)
        for name in ("n_batch", "slots", "threads", "n_ctx")
    }
    assert told == {
        "n_batch": ("2048", "built-in"),
        "slots": ("2", "file"),
        "threads": ("3", "environment"),
        "n_ctx": ("4", "flag"),
    }
    assert found["engine.slots"].origin == str(tmp_path / "firsttoken.toml")
    assert found["store.url"].value == f"sqlite+aiosqlite:///{tmp_path}/firsttoken.db"
    assert (found["home"].value, found["home"].source) == (str(tmp_path), "flag")


@pytest.mark.parametrize("url", ["/settings", "/settings?q=url", "/settings?changed=1", "/health", ""])
def test_no_secret_is_on_a_page(busy: Pages, url: str) -> None:
    """Passwords, keys, headers, webhook paths: not in the page, nor in a block of it; what is no secret of
    them is.
    """
    for text in (busy.get(url).text, busy.get(url, HX_Request="true").text):
        assert not [secret for secret in SECRETS if secret in text]
    page = busy.get("/settings").text
    for public in (
        "postgresql://ada:***@db.example/firsttoken?***",
        "https://hooks.example/***",
        "https://otlp.example",
    ):
        assert public in page


@given(PASSWORDS, PASSWORDS)
def test_no_password_gets_through(password: str, token: str) -> None:
    """Whatever characters it has, wherever it stands."""
    env = {
        "FIRSTTOKEN_STORE_URL": f"postgresql+asyncpg://ada:{password}@db/firsttoken?password={token}",
        "FIRSTTOKEN_SLO_WEBHOOK_URL": f"https://hooks.example/{token}",
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer {token}",
        "OTEL_EXPORTER_OTLP_METRICS_HEADERS": f"k={password}",
    }
    for one in shown_settings(load(env, home=HOME), env):
        assert password not in one.value
        assert token not in one.value


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite+aiosqlite:////home/ada@x/firsttoken.db", "sqlite+aiosqlite:////home/ada@x/firsttoken.db"),
        ("postgresql://ada@db/x", "postgresql://ada@db/x"),
        ("postgresql://ada:a@b@db/x", "postgresql://ada:***@db/x"),
        ("postgresql://db/x?user=ada&password=p", "postgresql://db/x?***"),
        ("", ""),
    ],
)
def test_what_of_a_database_is_shown(url: str, shown: str) -> None:
    """User, host and name, so that a wrong one is seen."""
    assert without_credentials(url) == shown


def test_a_webhook_shows_its_host_only() -> None:
    """Nowhere stays empty."""
    assert (host_only("http://u:p@h:81/a?b"), host_only("")) == ("http://h:81/***", "")


def test_what_sounds_secret_is_masked_or_known_to_be_public() -> None:
    """A new setting of such a name shows nothing until somebody decides; the lists name settings that
    exist.
    """
    known = {info.name: info for info in describe()}
    assert set(MASKS) | PUBLIC <= set(known)
    assert {name for name, info in known.items() if SOUNDS_SECRET.search(info.key)} == set(MASKS) | PUBLIC - {
        name for name in PUBLIC if not SOUNDS_SECRET.search(known[name].key)
    }
    settings = load(SECRET_ENV, home=HOME)
    assert all(
        not any(secret in str(value_of(settings, info)) for secret in SECRETS) for info in known.values()
    )


def test_the_filter_finds_names_values_and_words(busy: Pages) -> None:
    """All words must match; nothing found says so; `changed` leaves what is built in away."""
    assert names(busy.get("/settings?q=max_stall").text) == ["engine.max_stall_ms"]
    assert "store.url" in names(busy.get("/settings?q=sqlalchemy+url").text)
    assert names(busy.get("/settings?q=db.example").text) == ["store.url"]
    nothing = busy.get("/settings?q=%3Cscript%3Ex").text
    assert "No setting matches" in nothing
    assert "<script>x" not in nothing
    changed = names(busy.get("/settings?changed=1").text)
    assert changed == [one.name for one in SETTINGS if one.source != "built-in"]
    assert {"home", "engine.slots", "store.url", "OTEL_EXPORTER_OTLP_HEADERS"} <= set(changed)
    assert "server.port" not in changed
