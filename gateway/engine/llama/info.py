"""The build of llama.cpp, as it says itself: `python -m gateway.engine.llama.info` prints one JSON object.

Run as a process of its own, because loading native code may end the process that does it.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys

import llama_cpp


def info() -> dict[str, str | bool]:
    """Version of the binding, CPU features of the build, and whether it can use a GPU."""
    return {
        "version": importlib.metadata.version("llama-cpp-python"),
        "system_info": llama_cpp.llama_print_system_info().decode("utf-8", "replace").strip(),
        "gpu_offload": bool(llama_cpp.llama_supports_gpu_offload()),
    }


def main() -> None:
    """Print `info()` to the real standard output; native prints go to standard error."""
    output = os.dup(1)
    os.dup2(2, 1)
    text = json.dumps(info())
    sys.stdout.flush()
    os.write(output, f"{text}\n".encode())


if __name__ == "__main__":
    main()
