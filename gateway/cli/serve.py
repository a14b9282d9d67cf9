"""`firsttoken serve`: settings from all sources, then `gateway.app.serve`; shows how far it is and where to look."""

from __future__ import annotations

import os
from typing import Annotated, Any, Self

import typer
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.status import Status

from gateway.announcement import Announcement
from gateway.cli.options import ConfigOption, HomeOption, JsonOption, effective_settings
from gateway.cli.output import console, fail, print_json
from gateway.cli.private import make_home

HostOption = Annotated[str | None, typer.Option("--host", metavar="ADDRESS", help="Address to listen on (server.host).", show_default=False)]
PortOption = Annotated[int | None, typer.Option("--port", metavar="PORT", min=0, max=65535, help="Port to listen on (server.port).", show_default=False)]
ModelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--model", metavar="REF", help="Model to serve: smollm2-135m-instruct or a GGUF path; repeat for more.", show_default=False
    ),
]


def serve(
    context: typer.Context,
    host: HostOption = None,
    port: PortOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
    models: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve models over HTTP, with the dashboard. Every setting has a flag: `firsttoken settings` lists them."""
    flags: dict[str, Any] = {"server.host": host, "server.port": port, "engine.models": models or None}
    given = {name: value for name, value in flags.items() if value is not None}
    effective = effective_settings(context, home, config, given)
    make_home(effective.home)
    from gateway.app import serve as serve_app

    if as_json:
        raise typer.Exit(serve_app(effective, os.environ, announce=print_json))
    with _Display(console) as display:
        code = serve_app(effective, os.environ, announce=display.announce)
    raise typer.Exit(code)


class _Display:
    """Announcements for a person: a spinner while something loads, a panel of URLs once it answers."""

    def __init__(self, target: Console) -> None:
        self._console = target
        self._status: Status | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._rest()

    def announce(self, announced: Announcement) -> None:
        """Show one announcement."""
        if announced.event in ("listening", "progress"):
            self._spin(announced)
            return
        self._rest()
        if announced.event == "ready":
            self._console.print(panel(announced))
        elif announced.event == "failed":
            fail(announced.message)
        else:
            self._console.print(escape(announced.message), highlight=False)

    def _spin(self, announced: Announcement) -> None:
        """Show or change the spinner; without a terminal, only the first of a series is printed."""
        share = "" if announced.progress is None else f" {announced.progress:.0%}"
        text = f"{escape(announced.message)}{share}"
        if self._status is not None:
            self._status.update(text)
            return
        self._status = self._console.status(text)
        if self._console.is_terminal:
            self._status.start()
        else:
            self._console.print(text, highlight=False)

    def _rest(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


def panel(announced: Announcement) -> Panel:
    """The URLs to open."""
    lines = [
        f"dashboard   {announced.dashboard_url}",
        f"API         {announced.base_url}",
        f"metrics     {announced.metrics_url}",
        f"models      {escape(', '.join(announced.models))}",
    ]
    return Panel("\n".join(lines), title="firsttoken", subtitle="Ctrl+C stops", expand=False, padding=(0, 2))
