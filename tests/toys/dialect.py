"""A toy dialect: `POST /toy/say` with `{"to": MODEL, "say": TEXT, "live": BOOL}` is answered in lines of
text.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.api.dialect import Dialect, Endpoint, TextRequest
from gateway.chat.parsing.events import Content
from gateway.errors import ApiError, InvalidRequestError
from gateway.serving.handle import Description
from gateway.serving.work import Answer, Generate, Piece
from telemetry.record import RequestRecord


class Said(msgspec.Struct):
    to: str
    say: str
    live: bool = False


class Answered(msgspec.Struct):
    text: str
    tokens: int | None


class Wrong(msgspec.Struct):
    wrong: str


class Lines:
    """Writes the answer: `+piece` lines, then `.tokens`."""

    headers: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, record: RequestRecord, _model: str, _about: Description) -> None:
        self.id = f"toy-{record.seq}"
        self._record = record

    def whole(self, answers: Sequence[Answer], now_ns: int) -> bytes:
        return msgspec.json.encode(Answered(answers[0].message.content, self._record.completion_tokens))

    def pieces(self, pieces: Sequence[Piece]) -> bytes:
        texts = [piece.delta.text for piece in pieces if isinstance(piece.delta, Content)]
        return "".join(f"+{text}\n" for text in texts).encode()

    def last(self, reasons: Sequence[str | None], now_ns: int) -> bytes:
        return f".{self._record.completion_tokens}\n".encode()


def parse(body: bytes) -> TextRequest:
    try:
        said = msgspec.json.decode(body, type=Said)
    except msgspec.DecodeError as error:
        raise InvalidRequestError(str(error)) from None
    work = Generate(
        model=said.to, messages=[{"role": "user", "content": said.say}], max_tokens=5, stream=said.live
    )
    return TextRequest(work, Lines)


def wrong(error: ApiError) -> bytes:
    return msgspec.json.encode(Wrong(error.message))


TOY = Dialect(
    name="toy",
    prefixes=("/toy",),
    endpoints=(
        Endpoint(
            path="/toy/say",
            api="toy.say",
            operation_id="say",
            tag="toy",
            summary="Say",
            parse=parse,
            request=Said,
            answers={"application/json": Answered},
            stream_type=b"text/plain",
        ),
    ),
    error=wrong,
    error_schema=Wrong,
    stream_error=lambda error: f"!{error.message}\n".encode(),
)
