"""Log-probabilities of tokens and of 20 of the likeliest at each place, against none: decode steps of one
sequence and of eight, by turns with and without, so that what else the machine does is on both sides.

`python -m bench.logprobs` measures the steps in a process of its own and prints JSON. What the gateway does
with them is measured as processor time per token, on a fake engine that answers at once.
"""

from __future__ import annotations

import subprocess
import sys
import time

import msgspec

from bench.comparison import THREADS, Comparison, Row
from bench.load import LoadPlan, generate
from bench.server import Server

NAME = "logprobs"
ABOUT = "decode steps and the gateway's processor time with `logprobs` and 20 `top_logprobs`, and without"
AT_ONCE = (1, 8)
STEPS = 120
WARM_UP_STEPS = 10
PROMPT_TOKENS = 40
TOP = 20
LEAST = 0.95
TIMEOUT_S = 90.0
ROUNDS = 3
REQUESTS, TOKENS = 20, 64
FIELDS: dict[str, int | bool] = {"logprobs": True, "top_logprobs": TOP}

Speeds = dict[int, tuple[list[float], list[float]]]
"""Steps per second by sequences at once, with and without."""


def run() -> Comparison:
    """The engine's part, then the gateway's."""
    command = [sys.executable, "-m", "bench.logprobs"]
    pipe = subprocess.PIPE
    done = subprocess.run(command, stdout=pipe, stderr=subprocess.DEVNULL, timeout=TIMEOUT_S, check=True)
    speeds = msgspec.json.decode(done.stdout, type=Speeds)
    rows = [
        Row(f"decode, {count} at once", "steps/s", *sides, least=LEAST) for count, sides in speeds.items()
    ]
    return Comparison(NAME, ABOUT, [*rows, _gateway()], sides=("with", "without"))


def steps() -> Speeds:
    """Every other step with log-probabilities."""
    from gateway.engine.backend import Batch, Part  # noqa: PLC0415 - native code only in its own process
    from gateway.engine.llama.backend import ContextOptions, LlamaBackend  # noqa: PLC0415
    from gateway.engine.llama.model import LlamaModel  # noqa: PLC0415
    from gateway.models.storage import DEMO_MODEL, resolve  # noqa: PLC0415
    from gateway.sampling import Sampling  # noqa: PLC0415

    model = LlamaModel(resolve(DEMO_MODEL).path, gpu_layers=0, progress=lambda _fraction: None)
    options = ContextOptions(n_ctx=512, slots=max(AT_ONCE), n_batch=512, n_ubatch=512, threads=THREADS)
    backend, greedy = LlamaBackend(model, options), Sampling(temperature=0)
    found: Speeds = {}
    for count in AT_ONCE:
        slots, sides = range(count), found.setdefault(count, ([], []))
        for slot in slots:
            backend.open(slot, greedy)
        prompts = [Part(slot, [260 + slot] * PROMPT_TOKENS, 0, sample=True, prefill=True) for slot in slots]
        sampled = backend.compute(Batch(tuple(prompts)))
        for step in range(STEPS):
            side = step % 2
            for slot in slots:
                backend.open(slot, greedy, backend.sampler(greedy, (), None, None if side else TOP))
            parts = [
                Part(slot, sampled[slot], PROMPT_TOKENS + step, sample=True, prefill=False) for slot in slots
            ]
            begun_s = time.perf_counter()
            sampled = backend.compute(Batch(tuple(parts)))
            took_s = time.perf_counter() - begun_s
            if step >= WARM_UP_STEPS:
                sides[side].append(1 / took_s)
        for slot in slots:
            backend.close(slot)
            backend.trim(slot, 0)
    return found


def _gateway() -> Row:
    """Milliseconds of the gateway's processor time per streamed token."""
    sides: tuple[list[float], list[float]] = ([], [])
    with Server(fake=True, flags=("--engine-slots", "4"), env={"FAKE_STEP_MS": "2"}) as server:
        for number in range(-1, ROUNDS):
            for side, fields in enumerate((FIELDS, {})):
                plan = LoadPlan(
                    host=server.host, port=server.port, model=server.model, salt=f"{side}-{number}",
                    requests=REQUESTS, concurrency=4, max_tokens=TOKENS, fields=fields,
                )  # fmt: skip
                before_s = server.processor_s
                generate(plan)
                if number >= 0:  # the round before the first warms up
                    sides[side].append((server.processor_s - before_s) * 1e3 / (REQUESTS * TOKENS))
    return Row("gateway, per streamed token", "ms", *sides)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(steps()))
