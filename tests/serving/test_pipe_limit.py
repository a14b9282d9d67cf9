"""A message that no frame holds is refused before the pipe: on it, it would end the engine and everybody's
requests.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from gateway.engine.frames import MAX_FRAME_BYTES, MessageTooLongError, body_length, encode_body, frame
from gateway.engine.options import EngineOptions
from gateway.engine.protocol import Embed, Message, Submit
from gateway.errors import BodyTooLargeError
from gateway.sampling import Sampling
from gateway.serving.local.handle import EngineHandle
from gateway.serving.work import Generate
from gateway.settings.load import SettingsError, load
from gateway.settings.sections import MAX_BODY_BYTES
from telemetry.events import EngineState
from tests.telemetry.records import ManualClock, open_record, recorder


def submit(text: str) -> Submit:
    return Submit(id="1", messages=[{"role": "user", "content": text}], sampling=Sampling())


def test_what_fits_is_framed_and_what_does_not_is_told() -> None:
    """Up to the last byte of what the other side takes."""
    fixed = len(encode_body(submit("x" * MAX_FRAME_BYTES))) - MAX_FRAME_BYTES
    assert body_length(frame(submit("x" * (MAX_FRAME_BYTES - fixed)))[:4]) == MAX_FRAME_BYTES
    with pytest.raises(MessageTooLongError):
        frame(submit("x" * (MAX_FRAME_BYTES - fixed + 1)))


def test_the_caller_is_told_and_nothing_is_in_flight(tmp_path: Path) -> None:
    """413, and the handle knows of no request."""

    async def main() -> None:
        clock = ManualClock()
        rec = recorder(clock)
        handle = EngineHandle(
            EngineOptions(model="tiny", path="", digest_cache="", slots=1), rec, tmp_path / "engine.log"
        )
        sent: list[bytes] = []

        def send(message: Message) -> None:
            sent.append(frame(message))

        handle.process = cast("Any", SimpleNamespace(send=send, pid=1))
        handle.announce(EngineState.READY)
        with pytest.raises(BodyTooLargeError) as error:
            handle.submit(
                open_record(rec, clock),
                Generate(model="tiny", messages=[{"role": "user", "content": "x" * MAX_FRAME_BYTES}]),
            )
        assert (error.value.status, handle.in_flight, sent) == (413, 0, [])

    asyncio.run(main())


def test_the_largest_body_always_fits() -> None:
    """A setting above what a frame holds is refused with its bounds; what a body within it becomes is
    shorter than the body.
    """
    assert (
        load({}, flags={"server.max_body_bytes": str(MAX_BODY_BYTES)}, home=Path()).server.max_body_bytes
        == MAX_BODY_BYTES
    )
    with pytest.raises(SettingsError, match="max_body_bytes"):
        load({}, flags={"server.max_body_bytes": str(MAX_BODY_BYTES + 1)}, home=Path())
    room = MAX_FRAME_BYTES - MAX_BODY_BYTES
    for inputs in ([[0] * 1000], [[2**31 - 1] * 1000], ["a"] * 1000, ["\\u0000" * 1000], ["é" * 1000]):
        message = Embed(id="1" * 20, inputs=cast("Any", inputs), caller="é" * 128)
        assert len(encode_body(message)) <= len(msgspec.json.encode(inputs)) + room
