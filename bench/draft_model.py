"""A draft model on free text: one that is mostly wrong must cost next to nothing, one that is always right is
as good as it gets here.

The model is the demo model with idle layers behind its own: it says the same and takes three times as long,
so that there is something to gain. The right draft is the demo model itself, the wrong one its first layers.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.chats import Chat, hold
from bench.comparison import Comparison, Row, Sides, ours, rounds
from bench.layers import write_layers
from bench.prompts import question
from bench.server import Server
from gateway.models.storage import DEMO_MODEL, resolve

NAME = "draft-model"
ABOUT = "free text with a draft model and without"
LAYERS, IDLE, SHALLOW = 30, 60, 3
ROUNDS = 4


def run() -> Comparison:
    """Each draft model against none, one after the other."""
    demo = resolve(DEMO_MODEL).path
    with tempfile.TemporaryDirectory(prefix="firsttoken-bench-") as folder:
        deep = write_layers(Path(folder) / "deep.gguf", demo, LAYERS, IDLE)
        shallow = write_layers(Path(folder) / "shallow.gguf", demo, SHALLOW)
        rows = [
            Row("mostly wrong, one stream", "tokens/s", *_compare(deep, shallow), least=0.97),
            Row("always right, one stream", "tokens/s", *_compare(deep, demo), least=0.97),
        ]
    return Comparison(NAME, ABOUT, rows, sides=("draft", "none"))


def _compare(model: Path, draft: Path) -> Sides:
    with ExitStack() as stack:
        with_draft, without = (
            _serve(stack, model, flags) for flags in (("--engine-draft-model", str(draft)), ())
        )
        return rounds((with_draft, without), ROUNDS, _measure)["free"]


def _serve(stack: ExitStack, model: Path, flags: tuple[str, ...]) -> Server:
    server = ours(2, "--engine-models", str(model), *flags)
    server.model = model.stem
    return stack.enter_context(server)


def _measure(server: Server, salt: str) -> dict[str, float]:
    held = hold(
        server, salt, [Chat(questions=[question(f"{salt} {number}")], max_tokens=160) for number in range(2)]
    )
    return {"free": held.percentile(0.5, lambda turn: turn.decode_tps)}
