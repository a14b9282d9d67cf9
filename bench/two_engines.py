"""Two engines of one gateway at once, against one after the other."""

from __future__ import annotations

import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.chats import Chat, hold
from bench.comparison import N_CTX, Comparison, Row
from bench.prompts import question
from bench.server import Server
from gateway.models.storage import DEMO_MODEL, resolve

NAME = "two-engines"
ABOUT = "two models of one gateway, 4 chats each: at once, against one after the other"
CHATS = 4
ROUNDS = 3
MODELS = ("left", "right")


def run() -> Comparison:
    """Whether two busy engines get in each other's way."""
    together, apart = [], []
    with tempfile.TemporaryDirectory(prefix="firsttoken-bench-") as folder:
        files = [Path(folder) / f"{name}.gguf" for name in MODELS]
        for file in files:
            shutil.copy(resolve(DEMO_MODEL).path, file)
        models = ",".join(map(str, files))
        with Server(flags=("--engine-models", models, "--engine-n-ctx", str(N_CTX))) as server:
            for number in range(-1, ROUNDS):
                one_by_one = sum(_hold(server, model, f"apart-{number}") for model in MODELS)
                both = _both(server, f"together-{number}")
                if number >= 0:
                    apart.append(one_by_one)
                    together.append(both)
    rows = [Row("wall of all 8 chats", "s", together, apart, most=1.1)]
    return Comparison(NAME, ABOUT, rows, sides=("at once", "in turn"))


def _hold(server: Server, model: str, salt: str) -> float:
    chats = [
        Chat(questions=[question(f"{salt} {model} {number}", 60)], max_tokens=32) for number in range(CHATS)
    ]
    return hold(server, f"{salt}-{model}", chats, workers=CHATS, model=model).wall_s


def _both(server: Server, salt: str) -> float:
    """Each from a load generator of its own; both begin together, so the longer one counts."""
    with ThreadPoolExecutor(len(MODELS)) as pool:
        return max(pool.map(lambda model: _hold(server, model, salt), MODELS))
