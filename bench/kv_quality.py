"""What smaller KV types cost in quality and save in memory: `python -m bench.kv_quality` on the demo model.

Every token of a fixed text is predicted with each type; compared with f16 by how often the most likely token
is the same, and by the Kullback-Leibler divergence of the distributions. Bytes are of a sequence's saved
state, so they are measured.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from gateway.models.storage import DEMO_MODEL, resolve

TYPES = ("f16", "q8_0", "q4_0")
STEP = 32
TEXT = (
    "A clock is a machine that divides the day into parts that are all alike. The first ones had no "
    "hands: water ran from one vessel\n"
    "into another, and a float told the hour. In the towers of the thirteenth century a weight on a rope "
    "turned a wheel, and a bar that swung to and\n"
    "fro let one tooth of it pass at a time. Such a clock lost a quarter of an hour each day, and nobody "
    "minded, because the sun put it right. The\n"
    "pendulum changed that. It swings in a time that depends on its length and hardly on anything else, "
    "so a clock could be trusted for a week, and\n"
    "people began to arrive late instead of early. At sea a pendulum is of no use, since the ship swings "
    "too. A carpenter from Yorkshire spent thirty\n"
    "years on a watch that kept the time of its home port through heat and storm; with it a captain could "
    "tell how far east or west he was. Today a\n"
    "crystal of quartz is made to tremble thirty-two thousand times in a second, and a small circuit "
    "counts. It costs less than the strap that it\n"
    "hangs on. The best clocks have no moving parts at all: they listen to atoms of caesium, which all "
    "keep the same time, and they would be wrong by\n"
    "one second after many millions of years. Yet when we say that somebody has time, we still mean what "
    "the water did: that it runs, and that it is\n"
    "not yet empty."
)


def measure(kind: str) -> tuple[npt.NDArray[np.float64], float]:
    """Log-probabilities after every token of the text, and KV bytes per token, with this type for keys and
    values.
    """
    import llama_cpp.llama_cpp as llama  # noqa: PLC0415 - only a process that measures needs it

    from gateway.engine.llama.backend import ContextOptions, LlamaBackend  # noqa: PLC0415
    from gateway.engine.llama.model import LlamaModel  # noqa: PLC0415

    model = LlamaModel(resolve(DEMO_MODEL).path, gpu_layers=0, progress=lambda _fraction: None)
    options = ContextOptions(
        n_ctx=1024, slots=1, n_batch=512, n_ubatch=512, threads=2, kv_type_k=kind, kv_type_v=kind
    )
    backend = LlamaBackend(model, options)
    tokens = model.tokenize(TEXT)
    rows = []
    for start in range(0, len(tokens), STEP):
        chunk = tokens[start : start + STEP]
        rows += backend.logits(chunk, start)
    logits = np.array(rows, dtype=np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    state = backend.save(0)
    assert state is not None
    llama.llama_model_free(model.handle)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)), state.nbytes / len(tokens)


def main() -> None:
    """Measure and print."""
    reference, _ = measure("f16")
    table = Table(
        "KV type",
        "bytes per token",
        "÷ f16",
        "top-1 agreement",
        "mean KL",
        title=f"{DEMO_MODEL}, {len(reference)} tokens",
    )
    base = 0.0
    for kind in TYPES:
        found, size = measure(kind)
        base = base or size
        agreement = float((found.argmax(axis=1) == reference.argmax(axis=1)).mean())
        divergence = float((np.exp(reference) * (reference - found)).sum(axis=1).mean())
        table.add_row(kind, f"{size:,.0f}", f"{size / base:.2f}", f"{agreement:.1%}", f"{divergence:.5f} nat")
    Console().print(table)


if __name__ == "__main__":
    main()
