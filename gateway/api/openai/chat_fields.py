"""What clients send beside the fields that are obeyed: refused by name where the answer would not be what was
asked for, else told as ignored, so that nothing is left out in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from gateway.api.openai.chat_schema import RawChatRequest, RawMessage, StreamOptions
from gateway.errors import InvalidRequestError

REFUSED: dict[str, tuple[Any, ...]] = {
    "functions": (None, []),
    "function_call": (None, "none", "auto"),
    "modalities": (None, ["text"]),
    "audio": (None,),
    "prediction": (None,),
    "web_search_options": (None,),
    "best_of": (None, 1),
    "chat_template": (None, ""),
    "documents": (None, []),
    "echo": (None, False),
    "n_predict": (None, -1),
    "n_probs": (None, 0),
    "prompt_logprobs": (None, 0),
    "use_beam_search": (None, False),
}
"""Fields without which the answer would be another one than was asked for, and the values at which they
ask for nothing.
"""

NEUTRAL: dict[str, tuple[Any, ...]] = {
    "chat_template_kwargs": ({},),
    "id_slot": (-1,),
    "reasoning_effort": ("none",),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "verbosity": ("medium",),
}
"""Fields that are not obeyed, and the values (besides null) at which that makes no difference."""

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_messages = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_value = msgspec.json.Decoder()

NAMES = frozenset(RawChatRequest.__struct_fields__) - {"reasoning_effort"}
"""Fields that are obeyed or refused; the one left out is read only to be told."""
NULL = b"null"


def unknown_fields(body: bytes, names: Iterable[str]) -> dict[str, Any]:
    """What a body (which is valid, and an object) has besides these names, but for nulls."""
    known = frozenset(names)
    given = _fields.decode(body)
    return {
        name: _value.decode(raw) for name, raw in given.items() if name not in known and bytes(raw) != NULL
    }


def refuse(name: str, value: Any, refused: Mapping[str, tuple[Any, ...]] = REFUSED) -> None:
    """Refuse a field of such a table that asks for something.

    Raises:
        InvalidRequestError: it does.
    """
    if value not in refused[name]:
        message = f"`{name}` is not supported by this server yet; leave it out."
        raise InvalidRequestError(message, code="unsupported_parameter", param=name)


def check_fields(body: bytes, raw: RawChatRequest) -> list[str]:
    """The fields of a chat request that are not obeyed, by path.

    Raises:
        InvalidRequestError: one of them would have made another answer.
    """
    for name in REFUSED.keys() & NAMES:
        refuse(name, getattr(raw, name))
    ignored: list[str] = []
    for name, value in unknown_fields(body, NAMES).items():
        if name in REFUSED:
            refuse(name, value)
        elif value not in NEUTRAL.get(name, ()):
            ignored.append(name)
    if raw.metadata and raw.metadata.keys() - {"conversation_id"}:
        ignored.append("metadata")
    return [*ignored, *_inner(_fields.decode(body))]


def _inner(given: Mapping[str, msgspec.Raw]) -> list[str]:
    """The same inside messages and `stream_options`."""
    obeyed = frozenset(RawMessage.__struct_fields__) - {"name"}
    names = dict.fromkeys(
        name
        for message in _messages.decode(given["messages"])
        for name, raw in message.items()
        if name not in obeyed and bytes(raw) != NULL
    )
    found = [f"messages[].{name}" for name in names]
    if "stream_options" in given and bytes(given["stream_options"]) != NULL:
        options = unknown_fields(bytes(given["stream_options"]), StreamOptions.__struct_fields__)
        found += [f"stream_options.{name}" for name, value in options.items() if value is not False]
    return found
