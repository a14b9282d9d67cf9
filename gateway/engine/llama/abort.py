"""Giving up a computation that is under way in llama.cpp, from another thread."""

from __future__ import annotations

import ctypes
import os

import llama_cpp.llama_cpp as llama

ABORTED = 2
"""The code that llama_decode returns then."""


class AbortFlag:
    """Stops the running computation of a context between two nodes of its graph (on CPUs; GPUs do not ask).

    llama.cpp asks a function of ours before each node: C's `strlen` of a flag, so that no Python runs there.
    An empty flag has the length 0, which is false.
    """

    def __init__(self, context: object) -> None:
        self._flag = ctypes.create_string_buffer(2)
        strlen = ctypes.CDLL("msvcrt" if os.name == "nt" else None).strlen
        asks = ctypes.cast(strlen, llama.ggml_abort_callback)
        llama.llama_set_abort_callback(context, asks, ctypes.cast(self._flag, ctypes.c_void_p))

    def set(self) -> None:
        """Give up what is computed now."""
        self._flag.value = b"!"

    def clear(self) -> None:
        """Let the next computation run."""
        self._flag.value = b""
