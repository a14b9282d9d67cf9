"""The content of a request as one stored value: redacted, cut to a limit, JSON, compressed with zlib."""

from __future__ import annotations

import threading
import zlib

import msgspec

from telemetry.content import Content, words
from telemetry.redact import Redactor

MAX_WAITING_CHARS = 64 * 2**20
"""Content that may wait to be written; more is dropped and
counted, so that a slow database does not fill the memory.
"""


class StoredText(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message or the answer; `left_out` characters of it were not kept."""

    role: str
    text: str
    left_out: int = 0


class StoredContent(msgspec.Struct, frozen=True):
    """The prompt's messages and the answer, None where there is none."""

    messages: tuple[StoredText, ...]
    answer: StoredText | None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(StoredContent)


class Capture:
    """Makes stored values on the writer's thread, and bounds
    what waits for it. `max_text_chars` are kept of each text.
    """

    def __init__(self, redactor: Redactor, max_text_chars: int) -> None:
        self._redactor = redactor
        self._max_text_chars = max_text_chars
        self._waiting_chars = 0
        self._lock = threading.Lock()

    def admit(self, content: Content) -> bool:
        """True where it may wait to be written (on the event loop)."""
        size = content.size_chars
        with self._lock:
            if self._waiting_chars + size > MAX_WAITING_CHARS:
                return False
            self._waiting_chars += size
            return True

    def encode(self, content: Content) -> bytes:
        """The stored value of what was admitted (on the writer's thread)."""
        with self._lock:
            self._waiting_chars -= content.size_chars
        answer = "".join(content.answer)
        stored = StoredContent(
            tuple(self._text(str(message.get("role")), words(message)) for message in content.messages),
            self._text("assistant", answer) if answer else None,
        )
        return zlib.compress(_encoder.encode(stored))

    def _text(self, role: str, text: str) -> StoredText:
        return StoredText(
            role, self._redactor.redact(text, self._max_text_chars), max(0, len(text) - self._max_text_chars)
        )


def decode(stored: bytes) -> StoredContent:
    """Read it back.

    Raises:
        msgspec.DecodeError: the bytes are not of this form.
    """
    try:
        return _decoder.decode(zlib.decompress(stored))
    except zlib.error as error:
        raise msgspec.DecodeError(str(error)) from error
