"""Content codings of request bodies (RFC 9110, 8.4): what is compressed is decoded within the limit of the
body's size.
"""

from __future__ import annotations

import zlib

from gateway.errors import CONTENT_CODINGS, BodyTooLargeError, InvalidRequestError, UnsupportedEncodingError

GZIP_BITS = 31
ZLIB_BITS = 15
RAW_BITS = -15
"""zlib's `wbits`: with gzip's header, with zlib's, with none."""

MAX_MEMBERS = 16
"""gzip files may be joined to one (RFC 1952, 2.2); each costs a copy of the rest."""


def coding_of(header: str) -> str | None:
    """`gzip` or `deflate`, None where nothing is coded.

    Raises:
        UnsupportedEncodingError: another coding, or several.
    """
    name = header.strip().lower().removeprefix("x-")  # x-gzip is gzip (RFC 9110, 8.4.1.3)
    if name in ("", "identity"):
        return None
    if name not in CONTENT_CODINGS:
        known = " or ".join(CONTENT_CODINGS)
        text = (
            f"Bodies in the content coding {header[:50]!r} are not read here; send them as they are, or as"
            f" {known}."
        )
        raise UnsupportedEncodingError(text, param="content-encoding")
    return name


def decoded(body: bytes, coding: str, max_bytes: int) -> bytes:
    """What a coded body says.

    Raises:
        BodyTooLargeError: it is longer than `max_bytes`; no more than that is ever held.
        InvalidRequestError: it is not in this coding, or not whole.
    """
    bits = GZIP_BITS if coding == "gzip" else ZLIB_BITS if _has_zlib_header(body) else RAW_BITS
    pieces, left, rest = [], max_bytes, body
    for _ in range(MAX_MEMBERS):
        decoder = zlib.decompressobj(bits)
        try:
            piece = decoder.decompress(rest, left + 1)
        except zlib.error as error:
            raise _broken(coding, str(error)) from None
        if len(piece) > left:
            text = (
                f"The body decodes to more than {max_bytes} bytes (server.max_body_bytes). Send less, or"
                " raise the limit."
            )
            raise BodyTooLargeError(text)
        if not decoder.eof:
            raise _broken(coding, "it is not whole")
        pieces.append(piece)
        left, rest = left - len(piece), decoder.unused_data
        if not rest:
            return b"".join(pieces)
        if bits != GZIP_BITS:
            raise _broken(coding, "something follows its end")
    raise _broken(coding, f"it has more than {MAX_MEMBERS} parts")


def _has_zlib_header(body: bytes) -> bool:
    """`deflate` is zlib's format, and the bare one in some clients (RFC 9110, 8.4.1.2)."""
    return len(body) > 1 and body[0] & 15 == zlib.DEFLATED and int.from_bytes(body[:2], "big") % 31 == 0


def _broken(coding: str, why: str) -> InvalidRequestError:
    text = f"The body is not {coding}, which its content-encoding says it is: {why}."
    return InvalidRequestError(text, code="invalid_content_encoding", param="content-encoding")
