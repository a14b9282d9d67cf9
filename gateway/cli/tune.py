"""`firsttoken tune`: measure which settings are fastest for a model on this machine, and remember them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

from gateway.cli.known_models import configured_name
from gateway.cli.options import ConfigOption, HomeOption, JsonOption, effective_settings
from gateway.cli.output import CommandError, bar, console, print_json, show, table
from gateway.cli.private import make_home
from gateway.settings.load import Settings

MODULE = "gateway.engine.llama.tune"

ModelArgument = Annotated[
    str,
    typer.Argument(
        help="A configured model's name, or any model reference; default the first configured model.",
        show_default=False,
    ),
]


def tune(
    context: typer.Context,
    model: ModelArgument = "",
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure threads, KV layout and flash attention where they are not set; the next load of the model
    uses what was chosen.
    """
    if model.startswith("-"):  # a flag of a setting, not a model: unknown options are passed through in order
        context.args.insert(0, model)
        model = ""
    effective = effective_settings(context, home, config)
    found = _measure(effective, _argument(effective, model), quiet=as_json)
    if as_json:
        print_json(found)
        return
    tuning = found["tuning"]
    columns = sorted({name for trial in tuning["trials"] for name in trial["values"]})
    grid = table(*columns, "prompt ms/token", "answer ms/token")
    for trial in tuning["trials"]:
        figures = (f"{trial['prompt_token_us'] / 1e3:.3f}", f"{trial['answer_token_us'] / 1e3:.2f}")
        style = "bold" if tuning["chosen"].items() <= trial["values"].items() else ""
        grid.add_row(*(str(trial["values"][name]).lower() for name in columns), *figures, style=style)
    show(grid)
    chosen = ", ".join(f"{name} = {str(value).lower()}" for name, value in tuning["chosen"].items())
    console.print(
        f"chosen: {escape(chosen)}" if chosen else "nothing to choose: every setting is set", highlight=False
    )


def _argument(effective: Settings, reference: str) -> str:
    """What the measuring process is started with."""
    from gateway.models.storage import DEMO_MODEL, resolve
    from gateway.settings.engine_options import engine_options

    models = effective.engine.models or (DEMO_MODEL,)
    named = {configured_name(known): known for known in models}  # as clients call them
    file = resolve(named.get(reference, reference) or models[0])
    return engine_options(effective, file, {}).to_argument()


def _measure(effective: Settings, argument: str, *, quiet: bool) -> dict[str, Any]:
    """Run the measuring process; its progress is ours.

    Raises:
        CommandError: it failed; its last line says why.
    """
    make_home(effective.home)
    columns = (TextColumn("measuring"), BarColumn(), TimeElapsedColumn())
    told: dict[str, Any] = {}
    with (
        subprocess.Popen(
            [sys.executable, "-m", MODULE, argument],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process,
        bar(*columns, quiet=quiet) as progress,
    ):
        task = progress.add_task("", total=1.0)
        assert process.stdout is not None
        try:
            for line in process.stdout:
                told = json.loads(line)
                progress.update(task, completed=told.get("progress", 0.0))
        except BaseException:  # Ctrl-C above all: it must not go on measuring by itself
            process.kill()
            raise
    if "tuning" not in told:
        raise CommandError(str(told.get("error") or f"the measurement ended with code {process.returncode}"))
    return told
