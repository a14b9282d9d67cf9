"""Prompts have the stated number of tokens for the demo model's own tokenizer."""

import subprocess
import sys

import pytest

from bench.prompts import edit, words

COUNT = """
import sys
from gateway.engine.llama.model import LlamaModel
from gateway.models.storage import DEMO_MODEL, resolve
model = LlamaModel(resolve(DEMO_MODEL).path, gpu_layers=0, progress=lambda fraction: None)
print(len(model.tokenize(sys.stdin.read())))
"""


def tokens(text: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", COUNT], input=text, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.parametrize("count", [500, 1500])
def test_words_are_tokens(count: int) -> None:
    """Within 2 %."""
    assert tokens(words(count, "salt")) == pytest.approx(count, rel=0.02)


def test_salts_lead_to_different_beginnings() -> None:
    """No cache may help by chance: eight words in common would need luck."""
    beginnings = {words(8, f"round {number}") for number in range(200)}
    assert len(beginnings) == 200
    assert words(8, "a") == words(8, "a")


def test_the_code_to_edit_has_forty_lines() -> None:
    """And the task asks for one change."""
    assert 38 <= edit("salt").count("\n") <= 44
