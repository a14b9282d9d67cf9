"""A toy dialect: `POST /toy/say` with `{"to": MODEL, "say": TEXT, "live": BOOL}` is answered in lines of text."""

from __future__ import annotations

import msgspec

from gateway.api.dialect import Dialect, Endpoint, TextRequest
from gateway.errors import ApiError, InvalidRequestError
from gateway.serving.handle import Description
from gateway.serving.work import Generate
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

    def whole(self, text: str, now_ns: int) -> bytes:
        return msgspec.json.encode(Answered(text, self._record.completion_tokens))

    def piece(self, text: str) -> bytes:
        return f"+{text}\n".encode()

    def last(self, now_ns: int) -> bytes:
        return f".{self._record.completion_tokens}\n".encode()


def parse(body: bytes) -> TextRequest:
    try:
        said = msgspec.json.decode(body, type=Said)
    except msgspec.DecodeError as error:
        raise InvalidRequestError(str(error)) from None
    work = Generate(model=said.to, messages=[{"role": "user", "content": said.say}], max_tokens=5, stream=said.live)
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
