"""The model's own chat template: Jinja from the model file, untrusted, so sandboxed, bounded in time and in
size.

Same dialect as Hugging Face's `apply_chat_template` (transformers, `utils/chat_template_utils.py`):
trim_blocks, lstrip_blocks, loop controls, `raise_exception`, `strftime_now`, and `tojson` without HTML
escaping.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from gateway.chat.allowance import TemplateError
from gateway.chat.marked import concat, of_client, of_messages
from gateway.chat.sandbox import Sandbox

__all__ = ["ChatTemplate", "TemplateError", "TemplateTimeoutError"]

MAX_TEMPLATE_CHARS = 1_000_000
MAX_OUTPUT_CHARS = 64_000_000
COMPILE_TIMEOUT_S = 10.0


class TemplateTimeoutError(TemplateError):
    """The template ran too long and was stopped."""


class _Interrupt(BaseException):
    """Raised inside the rendering thread when its time is over; templates cannot catch it."""


class ChatTemplate:
    """A compiled template. `bos` and `eos` are the texts of those tokens, which templates may print; `mark`
    says whether prompts know which of their characters clients wrote (`gateway.chat.marked`).
    """

    def __init__(
        self, source: str, *, bos: str = "", eos: str = "", timeout_s: float = 2.0, mark: bool = True
    ) -> None:
        if len(source) > MAX_TEMPLATE_CHARS:
            raise TemplateError(
                f"the chat template has {len(source)} characters; the most is {MAX_TEMPLATE_CHARS}"
            )
        self.source = source
        self._sandbox = Sandbox()
        self._sandbox.globals["strftime_now"] = _strftime_now
        self._timeout_s = timeout_s
        self._mark = mark
        self._tokens = {"bos_token": bos, "eos_token": eos}
        try:
            with _time_limit(COMPILE_TIMEOUT_S):
                self._template = self._sandbox.from_string(source)
        except _Interrupt:
            raise TemplateTimeoutError(
                f"the model's chat template took longer than {COMPILE_TIMEOUT_S:g} s to compile"
            ) from None
        except Exception as error:  # Jinja's, Python's compiler's, or an integer of too many digits
            raise TemplateError(f"the model's chat template does not compile: {error}") from None

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        generation_prompt: bool = True,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> str:
        """The prompt text for these messages, up to where the assistant's answer begins, or without its
        beginning. `tools` are what the model may call, in OpenAI's form.

        Raises:
            TemplateError: the template refuses the messages, is broken, too slow or too large.
        """
        try:
            self._sandbox.allowance.renew()
            if self._mark:
                messages, tools = of_messages(messages), of_client(tools)
            variables = {**self._tokens, "messages": messages, "add_generation_prompt": generation_prompt}
            with _time_limit(self._timeout_s):
                return self._collect({**variables, "tools": tools or None})
        except _Interrupt:
            raise TemplateTimeoutError(
                f"the model's chat template ran longer than {self._timeout_s} s and was stopped"
            ) from None
        except TemplateError:
            raise
        except (
            Exception
        ) as error:  # a template is arbitrary code: whatever it raises is its failure, not ours
            raise TemplateError(f"the model's chat template cannot render these messages: {error}") from None

    def _collect(self, variables: dict[str, Any]) -> str:
        pieces, size = [], 0
        for piece in self._template.generate(variables):
            size += len(piece)
            if size > MAX_OUTPUT_CHARS:
                raise TemplateError("the model's chat template writes without end")
            pieces.append(piece)
        return concat(pieces)


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


def _strftime_now(pattern: str) -> str:
    return datetime.now().astimezone().strftime(pattern[:200])
