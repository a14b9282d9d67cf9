"""LoRA adapters on the real model: chosen by name, kept apart, and side by side with the bare model."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from gateway.models.storage import resolve
from tests.e2e.serving import MODEL, Served, together
from tests.engine.lora import write_adapter

LONG = "Tell me about the seven seas. " * 20


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two adapters for the demo model, and one for another architecture."""
    folder, model = tmp_path_factory.mktemp("adapters"), resolve(MODEL).path
    return {
        "sql": write_adapter(folder / "sql.gguf", model, seed=1),
        "law": write_adapter(folder / "law.gguf", model, seed=2),
        "other": write_adapter(folder / "other.gguf", model, architecture="qwen2"),
    }


@pytest.fixture(scope="module")
def adapted(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway with two adapters."""
    flags = ("--engine-n-ctx", "1024", "--engine-adapters", f"sql={files['sql']},{MODEL}:law={files['law']}")
    served = Served(tmp_path_factory.mktemp("adapted"), *flags).start()
    yield served
    assert served.stop() == 0


def answer(served: Served, model: str, text: str = LONG, **controls: object) -> str:
    response = served.chat(text, model=model, max_tokens=24, **controls)
    assert response.status_code == 200, response.text
    return str(response.json()["choices"][0]["message"]["content"])


def shared(one: str, other: str) -> int:
    """Characters that both begin with."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def test_each_answers_in_its_own_way_also_together(adapted: Served) -> None:
    """The bare model and both adapters answer differently, each the same alone, cached or not; beside the
    others (where a near tie may turn) each begins with its own words.
    """
    names = [MODEL, f"{MODEL}:sql", f"{MODEL}:law"]
    alone = {name: answer(adapted, name, cache_prompt=False) for name in names}
    assert len(set(alone.values())) == 3
    mixed = together(*[lambda name=name: (name, answer(adapted, name)) for name in names * 2])
    for name, text in mixed:
        alike = {other: shared(text, said) for other, said in alone.items()}
        assert max(alike, key=lambda other: alike[other]) == name, (name, text, alone)
    assert {name: answer(adapted, name) for name in names} == alone


def test_the_cache_says_that_the_adapter_changed(adapted: Served) -> None:
    """A prompt that only another adapter has computed is computed again, for that reason; with its own it
    is a hit.
    """
    text = f"What is new about it? {LONG}"
    assert adapted.chat(text, model=f"{MODEL}:sql").json()["timings"]["cache_n"] < 30
    changed = adapted.chat(text, model=f"{MODEL}:law").json()["timings"]
    assert (changed["cache_reason"], changed["cache_n"] < 30) == ("adapter_changed", True), (
        "no more than the template's own words"
    )
    assert adapted.chat(text, model=f"{MODEL}:sql").json()["timings"]["cache_reason"] == "full_hit"


def test_they_are_listed_and_recorded(adapted: Served) -> None:
    """`/v1/models` has them with their parent; the row and the metrics have their names; an unknown one is
    told what there is.
    """
    listed = httpx.get(f"{adapted.base_url}/v1/models").json()["data"]
    assert [(model["id"], model["parent"]) for model in listed] == [
        (MODEL, None),
        (f"{MODEL}:law", MODEL),
        (f"{MODEL}:sql", MODEL),
    ]
    assert "law (" in httpx.get(f"{adapted.base_url}/v1/models/{MODEL}:sql").json()["config"]["adapters"]
    response = adapted.chat(model=f"{MODEL}:sql")
    assert response.json()["model"] == MODEL
    assert adapted.row(response.headers["x-request-id"])["model"] == f"{MODEL}:sql"
    assert f'gen_ai_request_model="{MODEL}:sql"' in httpx.get(f"{adapted.base_url}/metrics").text
    unknown = adapted.chat(model=f"{MODEL}:poetry")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
    assert f"{MODEL}:law" in unknown.json()["error"]["message"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("sql", "name=path"),
        ("sql=/nowhere.gguf", "there is no file"),
        ("tiny:sql=/nowhere.gguf", "which is not served"),
        ("sql=pyproject.toml", "not a GGUF"),
    ],
)
def test_a_wrong_entry_is_told_at_the_start(entry: str, words: str, tmp_path: Path) -> None:
    """Before anything listens: one line that names the setting, and exit code 1."""
    command = [
        sys.executable,
        "-m",
        "gateway.cli.main",
        "serve",
        "--port",
        "0",
        "--home",
        str(tmp_path),
        "--engine-adapters",
        entry,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert words in done.stdout + done.stderr


def test_an_adapter_for_another_model_is_told(files: dict[str, Path], launch: Callable[..., Served]) -> None:
    """The engine cannot load it and says why on `/readyz`."""
    served = launch("--engine-adapters", f"other={files['other']}", "--engine-max-restarts", "0").start(
        wait=False
    )

    def reason() -> str:
        try:
            return str(httpx.get(f"{served.base_url}/readyz").json()["reason"])
        except httpx.TransportError:
            return ""

    from tests.e2e.serving import until

    until(lambda: "cannot load the adapter 'other'" in reason(), 60, "the reason")
    assert served.stop() == 0
