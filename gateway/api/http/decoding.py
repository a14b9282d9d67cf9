"""JSON bodies → checked structs, whatever the API: errors name the field, and 8.0 is the integer 8."""

from __future__ import annotations

import math
import re
from typing import Any, TypeVar

import msgspec

from gateway.errors import InvalidRequestError

MAX_VALUES = 200_000
"""Most values of a body that are looked at one by one for whole numbers; more would hold up everybody."""

_AT = re.compile(r" - at `\$?\.?(.*)`$")
_FIELD = re.compile(r"(?:missing required|unknown) field `([^`]+)`")
_Body = TypeVar("_Body")


def decode_body(
    decoder: msgspec.json.Decoder[_Body], body: bytes | msgspec.Raw, *, inside: str = ""
) -> _Body:
    """Decode a body, or the field `inside` of one, whatever is asked for.

    Raises:
        InvalidRequestError: with `param` set where one field is to blame.
    """
    try:
        try:
            return decoder.decode(body)
        except msgspec.ValidationError as error:
            if "got `float`" not in str(error):
                raise
            return decoder.decode(_with_whole_numbers(body, error))
    except msgspec.ValidationError as error:
        raise _invalid(str(error), inside) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"The body is not valid JSON: {error}.", code="invalid_json") from None
    except RecursionError:
        raise InvalidRequestError("The body is nested too deeply.", code="invalid_json") from None


def model_of(body: bytes) -> str | None:
    """The model that a body names, as far as it can be read: for the record of a request that is refused."""
    try:
        return msgspec.json.decode(body, type=_ModelOnly).model[:200]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class _ModelOnly(msgspec.Struct):
    model: str


def _with_whole_numbers(body: bytes | msgspec.Raw, error: msgspec.ValidationError) -> bytes:
    """The body with integers for floats without a fraction: JSON knows no difference (RFC 8259, 6), msgspec
    does.

    Raises:
        msgspec.ValidationError: the given one, where there is none, or too much to look at.
    """
    whole = _WholeNumbers()
    values = whole.of(msgspec.json.decode(body))
    if not whole.found or whole.left < 0:
        raise error
    return msgspec.json.encode(values)


class _WholeNumbers:
    """Replaces them, as long as `left` values may be looked at."""

    def __init__(self) -> None:
        self.found = False
        self.left = MAX_VALUES

    def of(self, value: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            return value
        if isinstance(value, float) and math.isfinite(value) and value.is_integer() and abs(value) < 2**63:
            self.found = True
            return int(value)
        if isinstance(value, dict):
            return {name: self.of(inner) for name, inner in value.items()}
        return [self.of(inner) for inner in value] if isinstance(value, list) else value


def _invalid(problem: str, inside: str) -> InvalidRequestError:
    """Msgspec's words, with the path as `param`: `$.messages[0].role` → `messages[0].role`."""
    at, field = _AT.search(problem), _FIELD.search(problem)
    path = inside + (at.group(1) if at else "")
    if field:
        path = f"{path}.{field.group(1)}" if path else field.group(1)
    code = "missing_required_parameter" if field and "missing" in problem else "invalid_type_or_value"
    return InvalidRequestError(
        f"{_AT.sub('', problem)}" + (f" (in `{path}`)." if path else "."), code=code, param=path or None
    )
