"""The sizes of the buffers that llama.cpp allocates: it tells so in its log, and nowhere else."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import llama_cpp.llama_cpp as llama
from llama_cpp._logger import llama_log_callback as usual

PARTS = {"model": "weights", "KV": "kv", "RS": "kv", "compute": "compute", "output": "compute"}
"""llama.cpp's word → ours. `RS` is the state of recurrent layers, which have it in place of KV."""

_LINE = re.compile(rf"\S+ +({'|'.join(PARTS)}) buffer size = +([0-9.]+) MiB")


@contextmanager
def watch_buffers() -> Iterator[Counter[str]]:
    """Bytes by part of what is allocated meanwhile, on all devices; the log goes on to standard error as
    ever.

    A part that llama.cpp does not tell is missing. Weights that are mapped from the file count as they are in
    the file.
    """
    found: Counter[str] = Counter()

    @llama.llama_log_callback  # type: ignore[untyped-decorator]
    def read(_level: int, text: bytes, _data: object) -> None:
        line = text.decode("utf-8", "replace")
        sys.stderr.write(line)
        found.update(buffer_bytes(line))

    llama.llama_log_set(read, None)
    try:
        yield found
    finally:
        llama.llama_log_set(usual, None)


def buffer_bytes(line: str) -> dict[str, int]:
    """The sizes that one line of the log tells: `load_tensors: CPU_Mapped model buffer size = 92.10 MiB` is
    {"weights": 96573849}.
    """
    match = _LINE.search(line)
    return {} if match is None else {PARTS[match[1]]: round(float(match[2]) * 2**20)}
