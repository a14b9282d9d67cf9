"""Objectives of a real gateway: its page, its API, and the webhook that hears of a change."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx

from tests.e2e.serving import Served, until


@contextmanager
def receiver(answers: list[int]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An HTTP server that answers with these statuses, then 200; its URL and what it got."""
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(answers.pop(0) if answers else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hooks/s3cret", got
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_a_broken_objective_is_told(launch: Callable[..., Served]) -> None:
    """A first token in a microsecond is more than anybody can: fast burn on the page and in the API, and a
    webhook, tried again after a failure, that is no part of any log.
    """
    with receiver([500]) as (url, got):
        flags = (
            "--engine-n-ctx",
            "512",
            "--slo-ttft-ms",
            "0.001",
            "--slo-ttft-share",
            "0.99",
            "--slo-inter-token-ms",
            "60000",
            "--slo-webhook-url",
            url,
            "--slo-check-every-s",
            "1",
        )
        served = launch(*flags).start()
        for _ in range(3):
            assert served.chat(max_tokens=4).status_code == 200

        def burning() -> dict[str, Any] | None:
            found = httpx.get(f"{served.base_url}/api/slo").json()["objectives"]
            return next(
                (one for one in found if one["objective"] == "ttft" and one["state"] == "fast_burn"), None
            )

        state = until(burning, 60, "the objective to burn")
        assert state["burn_rates"]["5m"] == state["burn_rates"]["60m"] > 90
        page = httpx.get(f"{served.base_url}/dashboard").text
        assert "fast burn" in page
        assert "99% of first tokens within" in page
        until(lambda: len(got) >= 2, 30, "the webhook")
        assert (got[-1]["event"], got[-1]["objective"], got[-1]["state"], got[-1]["before"]) == (
            "slo_state_changed",
            "ttft",
            "fast_burn",
            "ok",
        )
        assert got[-1] == got[0], "the second attempt says the same"
        assert served.stop() == 0
        assert "s3cret" not in (served.home / "serve.err").read_text()
