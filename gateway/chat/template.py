"""The model's own chat template: Jinja from the model file, untrusted, so sandboxed, bounded in time and in size.

Same dialect as Hugging Face's `apply_chat_template` (transformers, `utils/chat_template_utils.py`): trim_blocks,
lstrip_blocks, loop controls, `raise_exception`, `strftime_now`, and `tojson` without HTML escaping.
"""

from __future__ import annotations

import ctypes
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NoReturn

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_TEMPLATE_CHARS = 1_000_000
MAX_OUTPUT_CHARS = 64_000_000
MAX_REPEAT = 1_000_000
"""Largest product of `*` that involves a string or a list: a template may not allocate without limit."""


class TemplateError(ValueError):
    """The template cannot render these messages; the text says why and is meant for the caller."""


class TemplateTimeoutError(TemplateError):
    """The template ran too long and was stopped."""


class _Interrupt(BaseException):
    """Raised inside the rendering thread when its time is over; templates cannot catch it."""


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, and no operator that makes huge values out of small ones."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: jinja2.runtime.Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" or (operator == "%" and isinstance(left, str)):
            raise TemplateError(f"the chat template uses {operator!r} in a way that is not allowed")
        if operator == "*" and not all(isinstance(value, int | float) for value in (left, right)):
            size, times = (len(left), right) if hasattr(left, "__len__") else (len(right), left)
            if size * int(times) > MAX_REPEAT:
                raise TemplateError("the chat template builds a value that is too large")
        return super().call_binop(context, operator, left, right)


class ChatTemplate:
    """A compiled template. `bos` and `eos` are the texts of those tokens, which templates may print."""

    def __init__(self, source: str, *, bos: str = "", eos: str = "", timeout_s: float = 2.0) -> None:
        if len(source) > MAX_TEMPLATE_CHARS:
            raise TemplateError(f"the chat template has {len(source)} characters; the most is {MAX_TEMPLATE_CHARS}")
        environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
        environment.filters["tojson"] = _tojson
        environment.globals |= {"raise_exception": _raise_exception, "strftime_now": _strftime_now}
        self._timeout_s = timeout_s
        self._tokens = {"bos_token": bos, "eos_token": eos}
        try:
            self._template = environment.from_string(source)
        except (jinja2.TemplateError, RecursionError) as error:
            raise TemplateError(f"the model's chat template does not compile: {error}") from None

    def render(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """The prompt text for these messages, up to where the assistant's answer begins.

        Raises:
            TemplateError: the template refuses the messages, is broken, too slow or too large.
        """
        try:
            with _time_limit(self._timeout_s):
                return self._collect({**self._tokens, "messages": messages, "add_generation_prompt": True})
        except _Interrupt:
            raise TemplateTimeoutError(f"the model's chat template ran longer than {self._timeout_s} s and was stopped") from None
        except TemplateError:
            raise
        except Exception as error:  # a template is arbitrary code: whatever it raises is its failure, not ours
            raise TemplateError(f"the model's chat template cannot render these messages: {error}") from None

    def _collect(self, variables: dict[str, Any]) -> str:
        pieces, size = [], 0
        for piece in self._template.generate(variables):
            size += len(piece)
            if size > MAX_OUTPUT_CHARS:
                raise TemplateError("the model's chat template writes without end")
            pieces.append(piece)
        return "".join(pieces)


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise `_Interrupt` in this thread when the time is over (at its next Python instruction)."""
    thread = ctypes.c_ulong(threading.get_ident())
    lock, over = threading.Lock(), False

    def stop() -> None:
        with lock:
            if not over:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(_Interrupt))

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with lock:
            over = True


def _raise_exception(message: object) -> NoReturn:
    raise TemplateError(str(message)[:1000])


def _strftime_now(pattern: str) -> str:
    return datetime.now().astimezone().strftime(pattern[:200])


def _tojson(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)
