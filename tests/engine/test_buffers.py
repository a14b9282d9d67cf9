"""What llama.cpp allocates, part by part: read from its log, right for the real model."""

from __future__ import annotations

import json
import re

import httpx
import pytest

from gateway.engine.llama.buffers import buffer_bytes
from tests.e2e.serving import Served, until

LINES = {
    "load_tensors:   CPU_Mapped model buffer size =    92.10 MiB\n": {"weights": 96573850},
    "llama_context:        CPU  output buffer size =     0.75 MiB\n": {"compute": 786432},
    "llama_kv_cache:        CPU KV buffer size =   180.00 MiB\n": {"kv": 188743680},
    "llama_kv_cache:      CUDA0 KV buffer size =     1.00 MiB\n": {"kv": 1048576},
    "sched_reserve:        CPU compute buffer size =   102.51 MiB\n": {"compute": 107489526},
    "llama_kv_cache: size =  180.00 MiB (  2048 cells,  30 layers,  4/4 seqs), K (f16):   90.00 MiB, V (f16):   90.00 MiB\n": {},  # noqa: E501
    "print_info: file size   = 92.10 MiB (5.74 BPW) \n": {},
}


@pytest.mark.parametrize("line", LINES)
def test_lines_of_the_log(line: str) -> None:
    """Each kind of buffer has its part; sums and other sizes are not counted again."""
    assert buffer_bytes(line) == LINES[line]


def test_parts_of_the_real_model(served: Served) -> None:
    """Weights are what the file holds of tensors, the KV cache is cells x layers x heads x 2 values of 2
    bytes.
    """

    def parts() -> dict[str, float]:
        text = httpx.get(f"{served.base_url}/metrics").text
        return {
            part: float(size)
            for part, size in re.findall(
                r'firsttoken_model_memory_parts_bytes\{[^}]*part="(\w+)"[^}]*\} (\S+)', text
            )
        }

    served.row(served.chat().headers["x-request-id"])  # the configuration is written with the first request
    told = until(parts, what="the first heartbeat")
    assert told.keys() == {"weights", "kv", "compute", "cache"}
    details = json.loads(served.rows("SELECT details FROM engine_config")[0]["details"])
    assert 0.8 < told["weights"] / details["model_size_bytes"] <= 1
    cells = 2048 * 8
    assert told["kv"] == cells * 30 * 3 * 64 * 2 * 2
