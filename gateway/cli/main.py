"""The `firsttoken` command. Exit codes: 0 done, 1 failed, 2 used wrongly (an unknown flag, a bad setting)."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from gateway.cli import cache, db, doctor, models, serve, settings_cmd, stats, tune
from gateway.cli.arguments import arranged
from gateway.cli.options import PASS_SETTINGS
from gateway.cli.output import CommandError, errors, fail, fail_json
from gateway.cli.private import keep_private
from gateway.cli.streams import NAMES, READER_GONE, STDOUT, ReaderGoneError, give_up, take_standard_streams
from gateway.models.storage import ModelFileError
from gateway.settings.load import SettingsError

FAILED = 1
USED_WRONGLY = 2
INTERRUPTED = 130
"""What typer makes of Ctrl-C."""

app = typer.Typer(
    name="firsttoken",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog=(
        "Every verb takes, before it or behind it, --home DIR, --config FILE, --json, and a flag for each"
        " setting (engine.slots is --engine-slots; `firsttoken settings` lists them). Exit codes: 0 done, 1"
        " failed, 2 used wrongly, 130 interrupted."
    ),
)
app.command(context_settings=PASS_SETTINGS)(serve.serve)
app.command(context_settings=PASS_SETTINGS)(stats.stats)
app.command(context_settings=PASS_SETTINGS)(tune.tune)
app.command(context_settings=PASS_SETTINGS)(doctor.doctor)
app.command(context_settings=PASS_SETTINGS)(settings_cmd.settings)
app.add_typer(models.app, name="models")
app.add_typer(cache.app, name="cache")
app.add_typer(db.app, name="db")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"firsttoken {importlib.metadata.version('firsttoken')}")
        raise typer.Exit


@app.callback()
def firsttoken(
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            metavar="",
            callback=_print_version,
            is_eager=True,
            help="Print the version and exit.",
        ),
    ] = False,
) -> None:
    """Serve your own language models and see where each millisecond and each token went."""


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; what a person did wrong is one line, not a traceback.

    With `--json` it is one JSON object on standard output: `{"error": {"type", "message"}}`. A reader that
    leaves (`| head`) ends the program quietly.
    """
    if args is None:
        keep_private()
        take_standard_streams()
    code = 0
    try:
        code = _run(sys.argv[1:] if args is None else list(args))
        if code == INTERRUPTED and args is None:
            give_up(STDOUT)  # whoever presses Ctrl-C does not want the rest
        sys.stdout.flush()
    except KeyboardInterrupt:  # before typer takes care of it, or after
        give_up(*(() if args is not None else (STDOUT,)))
        return INTERRUPTED
    except ReaderGoneError:
        give_up(*NAMES)
        return READER_GONE
    except CommandError as error:  # standard output cannot be written
        give_up(STDOUT)
        if code == 0:
            fail(str(error))
        return FAILED
    return code


def _run(given: list[str]) -> int:
    """Run one command line; its exit code."""
    as_json = "--json" in given
    command = typer.main.get_command(app)
    try:
        code = command.main(args=arranged(given, command), prog_name="firsttoken", standalone_mode=False)
    except (SettingsError, ModelFileError, CommandError, typer.TyperException) as error:
        return _failed(error, as_json=as_json)
    except typer.Abort:
        return FAILED
    except SystemExit as stop:
        code = stop.code
    return code if isinstance(code, int) else 0


def _failed(error: Exception, *, as_json: bool) -> int:
    """Say what went wrong; returns the exit code."""
    code = FAILED if isinstance(error, ModelFileError | CommandError) else USED_WRONGLY
    message = error.format_message() if isinstance(error, typer.TyperException) else str(error)
    if not message.strip():  # the help was shown instead
        return code
    message = message.replace("Value error, ", "")
    if as_json:
        fail_json(message, "failed" if code == FAILED else "usage")
    else:
        fail(message)
        _point_to_help(error)
    return code


def _point_to_help(error: Exception) -> None:
    """Where a verb was used wrongly, how to see what it takes."""
    context = getattr(error, "ctx", None)
    if context is not None:
        errors.print(f"`{context.command_path} --help` shows what it takes", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
