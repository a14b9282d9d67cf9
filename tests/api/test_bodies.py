"""Bodies over real connections: too large, too slow, too many, given up, compressed; and what the
connection is good for afterwards.
"""

from __future__ import annotations

import gzip
import socket
import struct
import zlib
from pathlib import Path

import httpx
import pytest

from tests.api.raw_http import CHAT, Connection, chat_body, chunk, connection, head
from tests.e2e.serving import FakeServed, until

LIMIT = 8 * 2**20
BIG = b"x" * (9 * 2**20)


def answers(door: FakeServed, open_connection: Connection) -> bool:
    """Whether the connection carries another request."""
    return open_connection.request("POST", CHAT, chat_body()).status == 200


def rejected(door: FakeServed, reason: str) -> float:
    """The counter of a reason."""
    text = httpx.get(f"{door.base_url}/metrics").text
    found = [
        line
        for line in text.splitlines()
        if line.startswith(f'firsttoken_requests_rejected_total{{reason="{reason}"}}')
    ]
    return float(found[0].rsplit(" ", 1)[1]) if found else 0.0


REFUSALS = {
    "too large": (CHAT, {}, 413),
    "foreign origin": (CHAT, {"origin": "https://evil.example"}, 403),
    "no such route": ("/v1/nothing", {}, 404),
    "wrong method": ("/healthz", {}, 405),
    "wrong method on a page": ("/dashboard", {}, 405),
    "unknown coding": (CHAT, {"content_encoding": "br"}, 415),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=list(REFUSALS))
@pytest.mark.parametrize("chunked", [False, True])
def test_a_refused_body_is_never_the_next_request(
    door: FakeServed, refusal: tuple[str, dict[str, str], int], *, chunked: bool
) -> None:
    """A long body that is refused before it is read: the client can send it whole and read the answer, which
    says that the connection ends; then it ends, without a reset.
    """
    path, headers, status = refusal
    with connection(door.port) as made:
        if chunked:
            made.send(head("POST", path, transfer_encoding="chunked", **headers) + chunk(BIG) + b"0\r\n\r\n")
        else:
            made.send(head("POST", path, content_length=str(len(BIG)), **headers) + BIG)
        reply = made.read()
        assert (reply.status, reply.closes) == (status, True)
        assert made.ended()
    assert httpx.get(f"{door.base_url}/healthz").status_code == 200


@pytest.mark.parametrize("refusal", [refusal for name, refusal in REFUSALS.items() if name != "too large"])
def test_a_short_body_is_read_off(door: FakeServed, refusal: tuple[str, dict[str, str], int]) -> None:
    """A refused short body that comes behind its head costs nobody the connection."""
    path, headers, status = refusal
    with connection(door.port) as made:
        made.send(head("POST", path, content_length="9000", **headers))
        reply = made.read()
        made.send(b"x" * 9000)
        assert (reply.status, reply.closes) == (status, False)
        assert answers(door, made)


def test_requests_behind_errors_are_answered_in_order(door: FakeServed) -> None:
    """Pipelined: a body that is no JSON, a page, an unknown model, a chat."""
    with connection(door.port) as made:
        bodies = [b'{"model": ', chat_body(model="nope"), chat_body()]
        made.send(
            b"".join(head("POST", CHAT, content_length=str(len(body))) + body for body in bodies)
            + head("GET", "/healthz")
        )
        assert [made.read().status for _ in range(4)] == [400, 404, 200, 200]


def test_who_asks_first_is_told_no(door: FakeServed) -> None:
    """`Expect: 100-continue` and too long a body: the refusal comes instead of 100, and the connection
    ends.
    """
    with connection(door.port) as made:
        made.send(head("POST", CHAT, content_length=str(len(BIG)), expect="100-continue"))
        reply = made.read()
        assert (reply.status, reply.error["code"], reply.closes) == (413, "body_too_large", True)
        assert made.ended()


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_leaves_is_no_failure_of_ours(door: FakeServed, *, reset: bool, chunked: bool) -> None:
    """Half a body and the end of the connection: cancelled, 499, `client_disconnect`, and nothing in the
    log.
    """
    name = f"left-{reset}-{chunked}"
    with connection(door.port) as made:
        if chunked:
            made.send(
                head("POST", CHAT, transfer_encoding="chunked", x_request_id=name) + chunk(chat_body()[:20])
            )
        else:
            made.send(head("POST", CHAT, content_length="5000", x_request_id=name) + chat_body())
        begun = 'http_server_active_requests{http_request_method="POST",url_scheme="http"} 1.0'
        until(lambda: begun in httpx.get(f"{door.base_url}/metrics").text, 3, "the body to be waited for")
        if reset:
            made.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    row = door.row(name)
    assert (row["status"], row["http_status"], row["error_type"]) == ("cancelled", 499, "client_disconnect")
    assert (
        "unexpected error"
        not in (door.home / "serve.err").read_text() + (door.home / "serve.out").read_text()
    )


def test_a_stalled_body_is_given_up(door: FakeServed) -> None:
    """408 with the setting to change, counted and recorded; others are answered meanwhile."""
    before = rejected(door, "body_timeout")
    with connection(door.port) as stalled, connection(door.port) as other:
        stalled.send(head("POST", CHAT, content_length="5000", x_request_id="stalled") + b"{")
        assert answers(door, other)
        reply = stalled.read()
        assert (reply.status, reply.error["code"]) == (408, "body_timeout")
        assert "server.body_timeout_s" in reply.error["message"]
    assert rejected(door, "body_timeout") == before + 1
    row = door.row("stalled")
    assert (row["status"], row["error_type"], row["http_status"]) == ("error", "body_timeout", 408)


def refused(door: FakeServed) -> httpx.Response | None:
    """The answer to one more request if it is 429, else None."""
    found = httpx.post(f"{door.base_url}{CHAT}", content=chat_body())
    return found if found.status_code == 429 else None


def test_stalled_bodies_are_bounded(door: FakeServed) -> None:
    """With as many bodies arriving as may, the next is 429 with when to come back; when they are given up,
    all is as before.
    """
    before = rejected(door, "too_many_bodies")
    stalled = [Connection(door.port) for _ in range(12)]
    try:
        for made in stalled:
            made.send(head("POST", CHAT, content_length="5000") + b"{")
        reply = until(lambda: refused(door))
        assert (reply.json()["error"]["code"], reply.headers["retry-after"]) == ("too_many_bodies", "5")
        assert "server.max_bodies" in reply.json()["error"]["message"]
        assert {made.read().status for made in stalled} == {408}
    finally:
        for made in stalled:
            made.close()
    assert rejected(door, "too_many_bodies") >= before + 1
    assert httpx.post(f"{door.base_url}{CHAT}", content=chat_body()).status_code == 200


def test_what_arriving_bodies_hold_is_bounded(door: FakeServed) -> None:
    """Bodies below the limit that are not whole: the one that brings all of them over the bound is 429, a
    small one passes.
    """
    held = [Connection(door.port) for _ in range(4)]
    try:
        for made in held:
            made.send(head("POST", CHAT, content_length=str(LIMIT)) + b" " * (LIMIT - 10))
        assert httpx.post(f"{door.base_url}{CHAT}", content=chat_body()).status_code in (200, 429)
        assert sorted(made.read().status for made in held) == [408, 408, 408, 429]
    finally:
        for made in held:
            made.close()
    assert httpx.post(f"{door.base_url}{CHAT}", content=chat_body()).status_code == 200


CODED = {
    "gzip": gzip.compress(chat_body()),
    "x-gzip": gzip.compress(chat_body()),
    "GZIP": gzip.compress(chat_body()[:20]) + gzip.compress(chat_body()[20:]),
    "deflate": zlib.compress(chat_body()),
    "Deflate": zlib.compress(chat_body(), wbits=-15),
    "identity": chat_body(),
}


@pytest.mark.parametrize("coding", list(CODED))
def test_a_compressed_body_is_decoded(door: FakeServed, coding: str) -> None:
    """Gzip (also in parts), deflate with zlib's header or bare, and no coding at all."""
    assert (
        httpx.post(
            f"{door.base_url}{CHAT}", content=CODED[coding], headers={"content-encoding": coding}
        ).status_code
        == 200
    )


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "compress", "é"])
def test_another_coding_is_415(door: FakeServed, coding: str) -> None:
    """Told with what would be read (RFC 9110, 15.5.16), and the connection goes on."""
    with connection(door.port) as made:
        reply = made.request("POST", CHAT, gzip.compress(chat_body()), content_encoding=coding)
        assert (reply.status, reply.error["code"], reply.error["param"]) == (
            415,
            "unsupported_content_encoding",
            "content-encoding",
        )
        assert reply.headers["accept-encoding"] == "gzip, deflate"
        assert answers(door, made)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x1f\x8b",
        gzip.compress(chat_body())[:-3],
        chat_body(),
        gzip.compress(chat_body()) + b"x",
        gzip.compress(b"") * 100,
    ],
    ids=["empty", "head", "cut", "plain", "more", "parts"],
)
def test_what_is_not_gzip_is_told(door: FakeServed, body: bytes) -> None:
    """A 400 that blames the header, not JSON."""
    reply = httpx.post(f"{door.base_url}{CHAT}", content=body, headers={"content-encoding": "gzip"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "invalid_content_encoding")


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_bomb_is_413(door: FakeServed, coding: str) -> None:
    """A few kilobytes that decode to a gigabyte: refused at the limit, without the memory."""
    packer = zlib.compressobj(9, wbits=31 if coding == "gzip" else 15)
    bomb = b"".join(packer.compress(b" " * 2**20) for _ in range(1024)) + packer.flush()
    before = memory(door)
    reply = httpx.post(
        f"{door.base_url}{CHAT}", content=bomb, headers={"content-encoding": coding}, timeout=30
    )
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "body_too_large")
    assert memory(door) < before + 200 * 2**20


def memory(door: FakeServed) -> int:
    """The most that the gateway ever held."""
    lines = Path(f"/proc/{door.pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
