"""What a measurement chooses: only what is clearly better, only of what nobody set; and that it is
remembered.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.engine import tuning
from gateway.engine.tuning import Trial, Tuning, Values
from tests.e2e.serving import MODEL, Served

NAMES = ("kv_unified", "flash_attention", "threads", "threads_batch")
START: dict[str, int | bool] = {
    "kv_unified": False,
    "flash_attention": True,
    "threads": 4,
    "threads_batch": 4,
}


def questions(*unset: str, quantised: bool = False) -> list[tuning.Question]:
    return list(tuning.questions(physical=4, logical=8, unset=unset or NAMES, quantised_values=quantised))


def machine(
    prompt: Callable[[Values], float], answer: Callable[[Values], float]
) -> Callable[[Values], Trial]:
    """A machine whose speeds are known."""
    return lambda values: Trial(dict(values), prompt(values), answer(values))


@given(st.dictionaries(st.sampled_from([2, 4, 8]), st.floats(1, 100), min_size=3), st.floats(0.96, 1.04))
def test_the_fastest_thread_count_wins_where_it_is_clearly_faster(
    costs: dict[int, float], noise: float
) -> None:
    """By the speed that it decides: answers for `threads`, prompts for `threads_batch`; noise does not
    move the default.
    """
    chosen, trials = tuning.choose(
        START, questions("threads"), machine(lambda _: 1.0, lambda values: costs[int(values["threads"])])
    )
    best = min(costs.values())
    assert costs[int(chosen["threads"])] <= best / tuning.CLEARLY**2
    assert chosen.keys() == {"threads"}
    flat, _ = tuning.choose(
        START, questions(), machine(lambda _: noise, lambda values: 1.0 if values == START else noise)
    )
    assert flat == START
    assert len(trials) <= tuning.most_trials(questions("threads"))


def test_a_layout_must_be_a_sixth_better() -> None:
    """A little faster is not enough to leave the default; much faster is."""

    def unified(factor: float) -> Callable[[Values], Trial]:
        return machine(lambda values: factor if values["kv_unified"] else 1.0, lambda _: 0.0)

    assert tuning.choose(START, questions(), unified(0.9))[0]["kv_unified"] is False
    assert tuning.choose(START, questions(), unified(0.8))[0]["kv_unified"] is True


def test_what_is_set_is_not_asked() -> None:
    """Only unset settings are tried; quantised values leave no choice about flash attention."""
    assert [question.names for question in questions("threads_batch")] == [("threads_batch",)]
    layouts = questions("kv_unified", "flash_attention", quantised=True)[0].candidates
    assert layouts == ((False, True), (True, True))
    assert questions("flash_attention")[0].candidates == ((True,), (False,))


def test_what_was_measured_is_remembered(tmp_path: Path) -> None:
    """For this model, machine and build, and for the settings that it covers; a damaged file is none."""
    kept = Tuning(
        model_digest="ab" * 32,
        machine="m",
        build="b",
        chosen={"threads": 2},
        trials=[],
        measured_at="2026-11-23T12:00:00+00:00",
    )
    tuning.remember(tmp_path, kept)
    find = partial(tuning.remembered, tmp_path, digest="ab" * 32, machine="m", build="b", names=["threads"])
    assert find() == kept
    assert [
        find(machine="x"),
        find(build="x"),
        find(digest="cd" * 32),
        find(names=["threads", "kv_unified"]),
    ] == [None] * 4
    next(tmp_path.iterdir()).write_bytes(b"{")
    assert find() is None


def test_a_first_load_measures_and_a_second_remembers(launch: Callable[..., Served]) -> None:
    """On the real model: what is unset is measured once, told with its figures, and used; what is set
    stays.
    """
    served = launch(
        "--engine-n-ctx", "1024", "--engine-threads", "1", env={"FIRSTTOKEN_ENGINE_TUNE": "auto"}
    ).start()
    model = httpx.get(f"{served.base_url}/v1/models/{MODEL}").json()
    kept = model["tuning"]
    assert kept["chosen"].keys() == {"kv_unified", "flash_attention", "threads_batch"}
    assert all(trial["prompt_token_us"] > 0 and trial["answer_token_us"] > 0 for trial in kept["trials"])
    config = model["config"]
    assert config["threads"] == 1
    used = {
        "kv_unified": config["kv_unified"],
        "flash_attention": config["flash_attention"] == "on",
        "threads_batch": config["threads_batch"],
    }
    assert used == kept["chosen"]
    assert "Chosen by measurement here" in httpx.get(f"{served.base_url}/dashboard/models").text
    assert served.chat().status_code == 200
    assert served.stop() == 0
    again = served.start()
    assert httpx.get(f"{again.base_url}/v1/models/{MODEL}").json()["tuning"] == kept
    assert again.stop() == 0


def test_the_verb(home: Path) -> None:
    """`firsttoken tune` measures anew and keeps it; a model that is not there is one line."""
    command = [sys.executable, "-m", "gateway.cli.main", "tune", "--home", str(home)]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=300, check=True)
    told = json.loads(done.stdout)
    assert told["tuning"]["chosen"].keys() == set(NAMES)
    assert json.loads(next((home / "tuning").iterdir()).read_text()) == told["tuning"]
    missing = subprocess.run(
        [*command, "/nowhere.gguf"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (missing.returncode, "no model" in missing.stderr) == (1, True)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("nobody:threads=1", "which is not served"),
        (f"{MODEL}:slots=many", "slots"),
        (f"{MODEL}:models=x", "not a setting of a model"),
        ("threads=1", "model:key=value"),
    ],
)
def test_wrong_overrides_are_told_at_the_start(home: Path, override: str, words: str) -> None:
    """Exit code 2 and one line that names the entry."""
    command = [
        sys.executable,
        "-m",
        "gateway.cli.main",
        "serve",
        "--port",
        "0",
        "--home",
        str(home),
        "--engine-overrides",
        override,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr


def test_overrides_are_of_one_model(launch: Callable[..., Served]) -> None:
    """Settings of one model, RoPE among them, win over the section's; what runs says so."""
    own = "n_ctx=768,kv_type_k=q8_0,rope_freq_scale=0.5,rope_scaling=linear,load_mode=none"
    served = launch(
        "--engine-n-ctx",
        "512",
        "--engine-overrides",
        ",".join(f"{MODEL}:{entry}" for entry in own.split(",")),
    ).start()
    config = httpx.get(f"{served.base_url}/v1/models/{MODEL}").json()["config"]
    assert (config["n_ctx"], config["kv_type_k"], config["load_mode"]) == (768, "q8_0", "none")
    assert config["rope"] == "rope_freq_scale 0.5, rope_scaling_type 1"
    assert served.chat().status_code == 200
    assert served.stop() == 0
