"""Redaction: no secret of the default patterns survives, wherever it stands and wherever the text is cut."""

from __future__ import annotations

import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.redact import DEFAULT_PATTERNS, LOOK_AHEAD_CHARS, Redactor

REDACTOR = Redactor()
WHOLE = 10**9
ALPHANUMERIC = string.ascii_letters + string.digits


def _text(alphabet: str, least: int, most: int) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=least, max_size=most)


def _join(*parts: str | st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*(st.just(part) if isinstance(part, str) else part for part in parts)).map("".join)


SECRETS: dict[str, st.SearchStrategy[str]] = {
    "openai": _join("sk-", st.sampled_from(["", "proj-", "ant-api03-"]), _text(ALPHANUMERIC + "_-", 20, 120)),
    "github": _join(st.sampled_from(["ghp_", "gho_", "ghs_", "github_pat_"]), _text(ALPHANUMERIC, 30, 40)),
    "aws": _join("AKIA", _text(string.ascii_uppercase + string.digits, 16, 16)),
    "slack": _join("xoxb-", _text(string.digits, 10, 12), "-", _text(ALPHANUMERIC, 24, 24)),
    "google": _join("AIza", _text(ALPHANUMERIC + "_-", 35, 35)),
    "hugging face": _join("hf_", _text(ALPHANUMERIC, 34, 34)),
    "jwt": _join(
        "eyJ",
        _text(ALPHANUMERIC + "_-", 15, 60),
        ".",
        _text(ALPHANUMERIC + "_-", 15, 90),
        ".",
        _text(ALPHANUMERIC + "_-", 20, 60),
    ),
    "bearer": _join(
        st.sampled_from(["Bearer ", "bearer\t", "BEARER  "]), _text(ALPHANUMERIC + "._~+/-", 20, 60)
    ),
    "e-mail": _join(
        _text(ALPHANUMERIC + "._+-", 1, 80),
        "@",
        _text(ALPHANUMERIC, 1, 20),
        ".",
        _text(string.ascii_lowercase, 2, 6),
    ),
    "password": _join(
        st.sampled_from(["password=", "api_key: ", '"client_secret": "', "API-Key='"]),
        _text(ALPHANUMERIC + "!$%&", 8, 30),
    ),
    "private key": _join(
        st.sampled_from(
            [
                "-----BEGIN PRIVATE KEY-----",
                "-----BEGIN RSA PRIVATE KEY-----",
                "-----BEGIN OPENSSH PRIVATE KEY-----",
            ]
        ),
        _text(ALPHANUMERIC + "+/=\n", 40, 400),
    ),
}
AROUND = st.text(st.sampled_from(" \n\t,;:()[]{}<>'\"äß日本語 wordsAndNumbers123"), max_size=60)
EDGE = st.sampled_from([" ", "\n", "\t", "(", "<", "[", '"', ",", "\u00a0"])


@pytest.mark.parametrize("kind", SECRETS)
@given(data=st.data())
def test_no_secret_survives(kind: str, data: st.DataObject) -> None:
    """Whatever stands around it and wherever the text is cut, no more than its first characters are left
    of a secret.
    """
    secret = data.draw(SECRETS[kind])
    before, after = data.draw(AROUND) + data.draw(EDGE), data.draw(EDGE) + data.draw(AROUND)
    limit = data.draw(st.one_of(st.just(WHOLE), st.integers(1, len(before) + len(secret) + len(after))))
    kept = REDACTOR.redact(before + secret + after, limit)
    value = secret[len(secret) // 2 :]  # the name or scheme in front of a secret may stay
    assert value not in kept or value in before + after
    if limit > len(before) + 1:  # a name may begin with a quotation mark, which stays
        assert "[redacted: " in kept
        assert secret[: len(secret) // 2 + 4] not in kept


@given(st.lists(st.sampled_from(list(SECRETS)), min_size=2, max_size=6), st.data())
def test_many_secrets(kinds: list[str], data: st.DataObject) -> None:
    """Several of any kinds, side by side: none is left."""
    secrets = [data.draw(SECRETS[kind]) for kind in kinds if kind != "private key"]
    kept = REDACTOR.redact(" ".join(secrets), WHOLE)
    assert not [secret for secret in secrets if secret in kept]


@given(st.text(string.ascii_letters + string.digits + " .,\n", max_size=300), st.integers(0, 400))
def test_what_is_no_secret_stays(text: str, limit: int) -> None:
    """A text without any match is the same text, cut at the limit."""
    if not any(pattern.expression.search(text) for pattern in DEFAULT_PATTERNS):
        assert REDACTOR.redact(text, limit) == text[:limit]


@pytest.mark.parametrize(
    "text",
    [
        "The bearer of this letter asks for basic information about authentication.",
        "Use scikit-learn in a task-management-system; the risk-assessment-of-projects is done.",
        "A tokenizer has tokens; the key idea: passwords are bad. Write @decorator and a @ b.",
    ],
)
def test_words_stay(text: str) -> None:
    """Words that only resemble a secret are kept."""
    assert REDACTOR.redact(text, WHOLE) == text


def test_a_secret_behind_many_others_is_not_let_through() -> None:
    """What is taken out makes the text shorter, and still nothing behind the limit comes in."""
    secret = "sk-" + "a1B2" * 12
    text = f"{secret} " * 200
    assert "a1B2" not in REDACTOR.redact(text, 5000)
    huge = "eyJ" + "a1B2" * LOOK_AHEAD_CHARS
    assert REDACTOR.redact("x" * 10 + " " + huge, 100) == "x" * 10 + " [redacted: token]"


def test_own_patterns() -> None:
    """Extra expressions are taken out too, and may overlap with the others."""
    redactor = Redactor(["ACME-[0-9]+", "ann@.*"])
    assert (
        redactor.redact("order ACME-1234 of ann@example.com", WHOLE)
        == "order [redacted: text] of [redacted: e-mail]"
    )


@pytest.mark.parametrize(
    "unit",
    ["a", "a@", "bearer ", "-----BEGIN PRIVATE KEY", "-----BEGIN PRIVATE KEY-----", "eyJ", "api_key ", "sk-"],
)
def test_work_grows_with_the_text_and_not_faster(unit: str) -> None:
    """Texts made to be slow: eight times as long takes far less than sixty-four times the processor time."""

    def seconds(length: int) -> float:
        text = unit * (length // len(unit))
        began = time.thread_time()
        REDACTOR.redact(text, WHOLE)
        return time.thread_time() - began

    assert seconds(160_000) < 32 * max(seconds(20_000), 2e-3)
