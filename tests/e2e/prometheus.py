"""A real Prometheus in a process of its own, on a free loopback port."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.serving import free_port


@contextlib.contextmanager
def prometheus(
    folder: Path, target: int, rules: Path | None = None, features: str = "exemplar-storage"
) -> Iterator[str]:
    """A Prometheus that scrapes the target every second, and evaluates the rules of a file."""
    config = folder / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s}\n"
        f"rule_files: [{rules or ''}]\n"
        f"scrape_configs: [{{job_name: firsttoken, static_configs: [{{targets: ['127.0.0.1:{target}']}}]}}]\n"
    )
    port = free_port()
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, f"--enable-feature={features}"], stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def query(url: str, promql: str) -> list[dict[str, Any]]:
    """The result of an instant query; nothing while the server starts."""
    with contextlib.suppress(httpx.TransportError):
        answer = httpx.get(f"{url}/api/v1/query", params={"query": promql})
        if answer.status_code == 200:
            found: list[dict[str, Any]] = answer.json()["data"]["result"]
            return found
    return []
