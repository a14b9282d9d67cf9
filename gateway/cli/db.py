"""`firsttoken db …`: the schema of the database, what is in it, and whether it is sound."""

from __future__ import annotations

from dataclasses import asdict

import typer

from gateway.cli import db_export, db_prune
from gateway.cli.database import bring_up_to_date, revision, work_with
from gateway.cli.options import PASS_SETTINGS, ConfigOption, HomeOption, JsonOption, effective_settings
from gateway.cli.output import console, print_json, redact, show, size, table
from gateway.cli.private import make_home
from gateway.settings.load import Settings
from gateway.settings.sections import CaptureSettings, StoreSettings

app = typer.Typer(
    no_args_is_help=True, help="Database: its schema, what is in it, what to keep, and a way out of it."
)
app.command(context_settings=PASS_SETTINGS)(db_prune.prune)
app.command(context_settings=PASS_SETTINGS)(db_export.export)


@app.command(context_settings=PASS_SETTINGS)
def upgrade(
    context: typer.Context, home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Create the database or bring its schema to this version's."""
    effective = effective_settings(context, home, config)
    make_home(effective.home)
    bring_up_to_date(effective)
    _show(effective, as_json=as_json)


@app.command(context_settings=PASS_SETTINGS)
def current(
    context: typer.Context, home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show the database's revision; exit code 1 when it is not this version's."""
    effective = effective_settings(context, home, config)
    if not _show(effective, as_json=as_json):
        raise typer.Exit(1)


@app.command(context_settings=PASS_SETTINGS)
def stats(
    context: typer.Context, home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show how much is in the database, its size, and what is kept how long."""
    from telemetry.store.inspection import contents

    effective = effective_settings(context, home, config)
    found, store, capture = work_with(effective, contents), effective.store, effective.capture
    if as_json:
        limits = {
            "retention_days": store.retention_days,
            "rollup_retention_days": store.rollup_retention_days,
            "max_bytes": store.max_bytes,
            "content_retention_days": capture.retention_days,
            "content_max_bytes": capture.max_bytes,
        }
        print_json({"url": redact(effective.store_url), **asdict(found), "retention": limits})
        return
    console.print(redact(effective.store_url), soft_wrap=True, highlight=False)
    grid = table("table", "rows", figures=["rows"])
    for name, rows in found.rows.items():
        grid.add_row(name, f"{rows:,}")
    show(grid)
    if found.oldest and found.newest:
        console.print(
            f"requests from {found.oldest:%Y-%m-%d %H:%M} to {found.newest:%Y-%m-%d %H:%M} UTC",
            highlight=False,
        )
    if found.used_bytes is not None:
        cap = (
            f" of {size(store.max_bytes)} ({found.used_bytes / store.max_bytes:.0%})"
            if store.max_bytes
            else ", without a limit"
        )
        console.print(
            f"{size(found.used_bytes)} used{cap}, {size(found.free_bytes or 0)} free in the file",
            highlight=False,
        )
    if found.content_bytes or capture.content:
        cap = f" of {size(capture.max_bytes)}" if capture.max_bytes else ", without a limit"
        console.print(f"{size(found.content_bytes)} of it what was said in requests{cap}", highlight=False)
    kept = [f"{what} {days:g} days" if days else f"{what} for ever" for what, days in _kept(store, capture)]
    console.print(f"kept: {', '.join(kept)}", highlight=False)


def _kept(store: StoreSettings, capture: CaptureSettings) -> list[tuple[str, float]]:
    kept = [("requests", store.retention_days), ("statistics", store.rollup_retention_days)]
    return [*kept, ("content", capture.retention_days)] if capture.content else kept


@app.command(context_settings=PASS_SETTINGS)
def verify(
    context: typer.Context, home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Check pages, references and that statistics equal the requests they came from; exit code 1 when
    something is wrong.
    """
    from telemetry.store.inspection import verify as check

    effective = effective_settings(context, home, config)
    problems = work_with(effective, check, told="reading the whole database …")
    if as_json:
        print_json({"url": redact(effective.store_url), "ok": not problems, "problems": problems})
    else:
        console.print(
            "\n".join(problems) or "sound: pages, references, and statistics against requests",
            highlight=False,
            markup=False,
        )
    if problems:
        raise typer.Exit(1)


def _show(effective: Settings, *, as_json: bool) -> bool:
    """Print the revision and whether it is the newest; returns the latter."""
    from telemetry.store import migrate

    found, head, url = revision(effective), migrate.head(), redact(effective.store_url)
    if as_json:
        print_json({"url": url, "current": found, "head": head, "up_to_date": found == head})
    else:
        state = (
            "up to date" if found == head else "run `firsttoken db upgrade`, or serve: it upgrades at start"
        )
        console.print(
            f"{url}\n{found or 'not created yet'} (newest {head}): {state}", soft_wrap=True, highlight=False
        )
    return found == head
