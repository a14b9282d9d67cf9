"""`firsttoken db …`: the schema of the database."""

from __future__ import annotations

import typer

from gateway.cli.options import PASS_SETTINGS, ConfigOption, HomeOption, JsonOption, effective_settings
from gateway.cli.output import console, print_json, redact
from gateway.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Database: bring its schema up to date, show its revision.")


@app.command(context_settings=PASS_SETTINGS)
def upgrade(context: typer.Context, home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Create the database or bring its schema to this version's."""
    from telemetry.store import migrate

    effective = effective_settings(context, home, config)
    effective.home.mkdir(parents=True, exist_ok=True)
    migrate.upgrade(effective.store_url)
    _show(effective, as_json=as_json)


@app.command(context_settings=PASS_SETTINGS)
def current(context: typer.Context, home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show the database's revision; exit code 1 when it is not this version's."""
    effective = effective_settings(context, home, config)
    if not _show(effective, as_json=as_json):
        raise typer.Exit(1)


def revision(effective: Settings) -> str | None:
    """The database's revision, or None where there is none yet; a missing SQLite file is not created by asking."""
    from sqlalchemy.engine import make_url

    from telemetry.store import migrate

    url = make_url(effective.store_url)
    if url.get_backend_name() == "sqlite" and url.database and not _exists(url.database):
        return None
    return migrate.current(effective.store_url)


def _exists(path: str) -> bool:
    from pathlib import Path

    return path == ":memory:" or Path(path).exists()


def _show(effective: Settings, *, as_json: bool) -> bool:
    """Print the revision and whether it is the newest; returns the latter."""
    from telemetry.store import migrate

    found, head, url = revision(effective), migrate.head(), redact(effective.store_url)
    if as_json:
        print_json({"url": url, "current": found, "head": head, "up_to_date": found == head})
    else:
        state = "up to date" if found == head else "run `firsttoken db upgrade`, or serve: it upgrades at start"
        console.print(f"{url}\n{found or 'not created yet'} (newest {head}): {state}", soft_wrap=True, highlight=False)
    return found == head
