"""`input` of an embeddings request: a text, texts, tokens, lists of tokens. Read and checked in C, whatever
its form: one pass of Python over a body of tokens would hold up every stream.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.api.http.decoding import decode_body
from gateway.errors import InvalidRequestError

MAX_INPUTS = 2048
MAX_TOKENS = 300_000
"""OpenAI's limits: of a request's inputs, and of the tokens in all of them where they are given as tokens."""

Token = Annotated[int, Meta(ge=0, lt=2**31)]

_text = msgspec.json.Decoder(str)
_tokens = msgspec.json.Decoder(list[Token])
_many = msgspec.json.Decoder(list[str | list[Token]])

_FLAT = re.compile(rb"\[\s*[-\d]")
_INDEX = re.compile(r"\[\d+\]")


def inputs_of(raw: msgspec.Raw, field: str = "input") -> list[str | list[int]]:
    """Every form of a field such as `input` as a list of texts or tokens, none of them empty.

    Raises:
        InvalidRequestError: `param` names the entry to blame.
    """
    data = bytes(raw)
    if b'"' not in data:
        _check_tokens(data.count(b",") + 1, field)  # before they are made
    try:
        found = _decoded(data, field)
    except InvalidRequestError as error:
        at = _INDEX.search(error.param or "")
        raise _wrong(field + (at.group() if at else "")) from None
    check_count(len(found), field)
    for index, one in enumerate(found):
        if not one:
            raise _wrong(f"{field}[{index}]")
    _check_tokens(sum(len(one) for one in found if isinstance(one, list)), field)
    return found


def _decoded(data: bytes, field: str) -> list[str | list[int]]:
    if data.startswith(b"["):
        return (
            [decode_body(_tokens, data, inside=field)]
            if _FLAT.match(data)
            else decode_body(_many, data, inside=field)
        )
    return [decode_body(_text, data, inside=field)]


def check_count(count: int, param: str) -> None:
    """Refuse no entry, or too many.

    Raises:
        InvalidRequestError: `param` is the field.
    """
    if not 0 < count <= MAX_INPUTS:
        raise InvalidRequestError(
            f"`{param}` has {count} entries; 1 to {MAX_INPUTS} are accepted.", param=param
        )


def _check_tokens(count: int, field: str) -> None:
    if count > MAX_TOKENS:
        raise InvalidRequestError(
            f"`{field}` has {count} tokens; {MAX_TOKENS} are accepted in one request. Send several.",
            param=field,
        )


def _wrong(param: str) -> InvalidRequestError:
    return InvalidRequestError(f"`{param}` must be a text or a list of tokens, and not empty.", param=param)
