"""A draft model behind a real gateway: same answers, and every surface says what it did; a file that does
not fit is told.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from bench.layers import write_layers
from gateway.models.storage import resolve
from tests.e2e.serving import MODEL, Served, until

FLAGS = ("--engine-n-ctx", "512", "--engine-slots", "2")
PROMPTS = ("Tell me a long story about a fox.", "Tell me a long story about a lighthouse.")
ANSWER_TOKENS = 180
"""With its prompt within 256 tokens: beyond them guesses are verified by another kernel
(docs/speculative.md), and a near tie may turn.
"""

MORE = 10
COUNTED = f'firsttoken_draft_tokens_total{{gen_ai_request_model="{MODEL}",source="draft_model",state='


@pytest.fixture(scope="module")
def shallow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's first layers."""
    return write_layers(tmp_path_factory.mktemp("draft") / "shallow.gguf", resolve(MODEL).path, kept=3)


def guessed(served: Served) -> float:
    """Tokens that the draft model has guessed so far, as `/metrics` counts them."""
    metrics = httpx.get(f"{served.base_url}/metrics").text
    return sum(float(line.split()[1]) for line in metrics.splitlines() if line.startswith(COUNTED))


def stories(served: Served) -> dict[str, str]:
    """Two answers, by request."""
    told = [served.chat(prompt, max_tokens=ANSWER_TOKENS) for prompt in PROMPTS]
    return {
        response.headers["x-request-id"]: str(response.json()["choices"][0]["message"]["content"])
        for response in told
    }


def test_same_answers_and_all_surfaces_agree(launch: Callable[..., Served], shallow: Path) -> None:
    """Greedy stories with and without; what the draft model guessed (probes at least) is on the pages and
    in the metrics.
    """
    plain = launch(*FLAGS).start()
    expected = list(stories(plain).values())
    assert plain.stop() == 0
    served = launch(*FLAGS, "--engine-draft-model", str(shallow)).start()
    told = stories(served)
    assert list(told.values()) == expected
    config = httpx.get(f"{served.base_url}/v1/models/{MODEL}").json()["config"]
    assert config["draft_model"].startswith("shallow.gguf (")
    assert "shallow.gguf" in httpx.get(f"{served.base_url}/dashboard/models").text
    for request_id in told:
        assert served.row(request_id)["status"] == "ok"
    for _ in range(MORE):  # a probe waits until a hundredth of the decoding time pays for it
        if guessed(served):
            break
        more = stories(served)
        assert list(more.values()) == expected
        told |= more
    assert guessed(served) > 0
    pages = [httpx.get(f"{served.base_url}/dashboard/requests/{request_id}").text for request_id in told]
    assert any("draft model " in page and "drafted tokens accepted" in page for page in pages)
    assert served.stop() == 0


def test_a_file_that_was_cut_short_is_told(
    launch: Callable[..., Served], shallow: Path, tmp_path: Path
) -> None:
    """The engine cannot load it, and `/readyz` names the setting and what to do."""
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(shallow.read_bytes()[: shallow.stat().st_size // 2])
    served = launch("--engine-draft-model", str(cut), "--engine-max-restarts", "0").start(wait=False)

    def reason() -> str:
        try:
            return str(httpx.get(f"{served.base_url}/readyz").json()["reason"])
        except httpx.TransportError:
            return ""

    said = until(lambda: reason() if "engine.draft_model" in reason() else "", 60, "the reason")
    assert "give another model" in said
    assert served.stop() == 0


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--engine-draft-model", "/nowhere.gguf"), "engine.draft_model: no model"),
        (("--engine-overrides", f"{MODEL}:draft_model=pyproject.toml"), "is not a GGUF file"),
        (("--engine-draft-max-tokens", "0"), "draft_max_tokens"),
    ],
)
def test_a_wrong_setting_is_told_at_the_start(flags: tuple[str, ...], words: str, tmp_path: Path) -> None:
    """Before anything listens: the setting is named, and the exit code is not 0."""
    command = [
        sys.executable,
        "-m",
        "gateway.cli.main",
        "serve",
        "--port",
        "0",
        "--home",
        str(tmp_path),
        *flags,
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "COLUMNS": "300"}
    )
    assert done.returncode != 0
    assert words in done.stdout + done.stderr
