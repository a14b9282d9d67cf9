"""`firsttoken models …`: which models are configured and where their files are."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from gateway.cli.options import PASS_SETTINGS, ConfigOption, HomeOption, JsonOption, effective_settings
from gateway.cli.output import print_json, show, size, spinner, table
from gateway.models.storage import DEMO_MODEL, ModelFileError, resolve

app = typer.Typer(no_args_is_help=True, help="Models: what is configured and what is there.")

DigestOption = Annotated[
    bool, typer.Option("--digest", metavar="", help="Also read each file and print its SHA-256.")
]


@app.command("list", context_settings=PASS_SETTINGS)
def list_models(
    context: typer.Context,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    digest: DigestOption = False,
) -> None:
    """List the configured models; exit code 1 when one of them is not there."""
    references = effective_settings(context, home, config).engine.models or (DEMO_MODEL,)
    entries = [describe_model(reference, with_digest=digest) for reference in references]
    if as_json:
        print_json({"models": entries})
    else:
        _print(entries, with_digest=digest)
    if not all(entry["present"] for entry in entries):
        raise typer.Exit(1)


def describe_model(reference: str, *, with_digest: bool = False) -> dict[str, object]:
    """One row: reference, name, path, size_bytes, present, digest (None = not computed) and problem."""
    row: dict[str, object] = {
        "reference": reference,
        "name": None,
        "path": None,
        "size_bytes": None,
        "present": False,
    }
    try:
        file = resolve(reference)
    except ModelFileError as error:
        return {**row, "digest": None, "problem": str(error)}
    with spinner(f"reading {escape(file.name)} …", quiet=not with_digest):
        digest = file.digest() if with_digest else None
    return {
        **row,
        "name": file.name,
        "path": str(file.path),
        "size_bytes": file.size_bytes,
        "present": True,
        "digest": digest,
        "problem": None,
    }


def _print(entries: list[dict[str, object]], *, with_digest: bool) -> None:
    grid = table("reference", "size", "file")
    for entry in entries:
        size_bytes = entry["size_bytes"]
        shown = size(size_bytes) if isinstance(size_bytes, int) else "missing"
        where = escape(str(entry["path"] or entry["problem"]))
        grid.add_row(
            escape(str(entry["reference"])),
            shown,
            f"{where}\n{entry['digest']}" if with_digest and entry["digest"] else where,
        )
    show(grid)
