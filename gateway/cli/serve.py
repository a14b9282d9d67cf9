"""`firsttoken serve`: settings from all sources, then `gateway.app.serve`; shows how far it is and where
to look.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Self

import typer
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.status import Status

from gateway.announcement import Announce, Announcement
from gateway.cli.options import ConfigOption, HomeOption, JsonOption, effective_settings
from gateway.cli.output import CommandError, console, errors, fail, print_json, redact
from gateway.cli.private import make_home
from gateway.cli.streams import STDOUT, ReaderGoneError, give_up
from gateway.settings.load import SettingsError

log = logging.getLogger("firsttoken.serve")

HostOption = Annotated[
    str | None,
    typer.Option("--host", metavar="ADDRESS", help="Address to listen on (server.host).", show_default=False),
]
PortOption = Annotated[
    int | None,
    typer.Option(
        "--port",
        metavar="PORT",
        min=0,
        max=65535,
        help="Port to listen on (server.port).",
        show_default=False,
    ),
]
ModelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="REF",
        help="Model to serve: smollm2-135m-instruct or a GGUF path; repeat for more.",
        show_default=False,
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
    """Serve models over HTTP, with the dashboard. Every setting has a flag: `firsttoken settings` lists
    them.
    """
    flags: dict[str, Any] = {"server.host": host, "server.port": port, "engine.models": models or None}
    given = {name: value for name, value in flags.items() if value is not None}
    effective = effective_settings(context, home, config, given)
    make_home(effective.home)
    from gateway.app import serve as serve_app
    from telemetry.logs import stray_lines

    with stray_lines.in_json(), _Display(console) as display:
        announce = print_json if as_json else display.announce if console.is_terminal else _tell_a_log
        code = _served(partial(serve_app, effective, os.environ, announce=_while_read(announce)))
    raise typer.Exit(code)


def _served(serving: Callable[[], int]) -> int:
    """The exit code; a defect of ours is a line of the log, as everything is."""
    try:
        return serving()
    except (SettingsError, CommandError):  # told as by every verb
        raise
    except Exception:
        log.critical("the gateway failed", exc_info=True)
        return 1


def _while_read(announce: Announce) -> Announce:
    """The same, until nobody reads it any more: a gateway serves on."""

    def tell(announced: Announcement) -> None:
        try:
            announce(announced)
        except ReaderGoneError:
            give_up(STDOUT)

    return tell


def _tell_a_log(announced: Announcement) -> None:
    """Without a terminal, JSON lines: standard output may be the log that the JSON lines of standard error
    are in.
    """
    if announced.event != "progress":
        print_json(announced)
    if announced.event == "failed":
        _fail(announced.message)


def _fail(message: str) -> None:
    """Say it on standard error, in words to a person, and in a log as a line of it."""
    if errors.is_terminal:
        fail(message)
    else:
        log.error(redact(message))


class _Display:
    """Announcements for a person at a terminal: a spinner while something loads, a panel of URLs once it
    answers.
    """

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
            _fail(announced.message)
        else:
            self._console.print(escape(announced.message), highlight=False)

    def _spin(self, announced: Announcement) -> None:
        """Show or change the spinner."""
        share = "" if announced.progress is None else f" {announced.progress:.0%}"
        text = f"{escape(announced.message)}{share}"
        if self._status is not None:
            self._status.update(text)
            return
        self._status = self._console.status(text)
        self._status.start()

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
