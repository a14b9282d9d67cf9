"""`firsttoken cache …`: what the prefix cache has on disk, by key, and how to be rid of it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from gateway.cli.options import PASS_SETTINGS, ConfigOption, HomeOption, JsonOption, effective_settings
from gateway.cli.output import CommandError, console, print_json, show, size, table
from gateway.models.storage import DEMO_MODEL, ModelFileError, resolve
from gateway.settings.load import Settings

if TYPE_CHECKING:
    from gateway.engine.cache.disk.folders import KeyFolder

ALL, FOREIGN = "all", "foreign"

app = typer.Typer(
    no_args_is_help=True,
    help="Prefix cache on disk: what is there for which model and llama.cpp build, and how to clear it.",
)

WhichArgument = Annotated[
    str,
    typer.Argument(
        help="A key as `cache list` names it, `foreign` (what no configured model used last), or `all`.",
        metavar="KEY",
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", metavar="", help="Do not ask.")]


@app.command("list", context_settings=PASS_SETTINGS)
def list_keys(
    context: typer.Context, home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """List the keys that have files: model, size, last use, whether an engine runs with it."""
    effective = effective_settings(context, home, config)
    found = _found(effective)
    own = _own(effective, found)
    if as_json:
        keys = [_row(folder, foreign=folder not in own) for folder in found]
        print_json(
            {"folder": str(_root(effective)), "budget_bytes": effective.engine.cache_disk_bytes, "keys": keys}
        )
        return
    if found:
        _print(found, own)
    total = sum(folder.size_bytes for folder in found)
    console.print(
        f"{size(total)} of {size(effective.engine.cache_disk_bytes)} in {_root(effective)}",
        highlight=False,
        soft_wrap=True,
    )


@app.command(context_settings=PASS_SETTINGS)
def clear(
    context: typer.Context,
    which: WhichArgument,
    yes: YesOption = False,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete cached prefixes: of a key, of all that no configured model used last, or all. What an engine
    runs with stays.
    """
    effective = effective_settings(context, home, config)
    chosen = _chosen(which, effective)
    wanted = [folder for folder in chosen if not folder.in_use]
    if which not in (ALL, FOREIGN) and not wanted:
        raise CommandError(f"an engine runs with {chosen[0].name}: stop the gateway, then clear it")
    if wanted and not yes:
        _ask(wanted, as_json=as_json)
    cleared = [folder for folder in wanted if _removed(folder)]
    kept = [folder for folder in chosen if folder not in cleared]
    if as_json:
        print_json(
            {
                "cleared": [folder.name for folder in cleared],
                "kept": [folder.name for folder in kept],
                "bytes": _bytes(cleared),
            }
        )
        return
    console.print(f"{_keys(cleared)} cleared, {size(_bytes(cleared))}", highlight=False)
    if kept:
        console.print(
            f"{_keys(kept)} kept, since an engine runs with it: {', '.join(folder.name for folder in kept)}",
            highlight=False,
        )


def _root(effective: Settings) -> Path:
    from gateway.settings.engine_options import prefix_folder

    return prefix_folder(effective)


def _found(effective: Settings) -> list[KeyFolder]:
    from gateway.engine.cache.disk.folders import key_folders

    return key_folders(_root(effective))


def _own(effective: Settings, found: Iterable[KeyFolder]) -> list[KeyFolder]:
    """What is in use, and of each configured model the key that it used last."""
    models = set()
    for reference in effective.engine.models or (DEMO_MODEL,):
        with suppress(ModelFileError):
            models.add(resolve(reference).name)
    own: dict[str, KeyFolder] = {}
    for folder in found:  # the last used first
        if folder.about is not None and folder.about.model in models:
            own.setdefault(folder.about.model, folder)
    return [folder for folder in found if folder.in_use or folder in own.values()]


def _chosen(which: str, effective: Settings) -> list[KeyFolder]:
    """The folders that a word means.

    Raises:
        CommandError: it is no key that has files.
    """
    found = _found(effective)
    if which == ALL:
        return found
    if which == FOREIGN:
        own = _own(effective, found)
        return [folder for folder in found if folder not in own]
    chosen = [folder for folder in found if folder.name == which]
    if not chosen:
        names = ", ".join(folder.name for folder in found)
        raise CommandError(
            f"there is no key {which!r} in {_root(effective)}:"
            f" {f'there are {names}' if names else 'nothing is cached'}"
        )
    return chosen


def _ask(wanted: list[KeyFolder], *, as_json: bool) -> None:
    """Let a person think again; a program must say `--yes`."""
    if as_json or not sys.stdin.isatty():
        raise typer.BadParameter("nobody can be asked here: add --yes to delete them", param_hint="--yes")
    _print(wanted, wanted)
    typer.confirm(
        f"Delete {_keys(wanted)}, {size(_bytes(wanted))}? Prompts that begin as these did are computed again",
        abort=True,
    )


def _removed(folder: KeyFolder) -> bool:
    """Delete a folder, unless an engine has begun to use it.

    Raises:
        CommandError: the system does not allow it.
    """
    from gateway.engine.cache.disk.folders import remove

    try:
        return remove(folder.path)
    except OSError as error:
        raise CommandError(f"{folder.path} cannot be deleted: {error.strerror or error}") from error


def _row(folder: KeyFolder, *, foreign: bool) -> dict[str, object]:
    key = None if folder.about is None else folder.about.key
    return {
        "key": folder.name,
        "model": folder.about.model or None if folder.about is not None else None,
        "model_digest": None if key is None else key.model_digest,
        "llama_cpp_build": None if key is None else key.build,
        "kv_type_k": None if key is None else key.kv_type_k,
        "kv_type_v": None if key is None else key.kv_type_v,
        "streams": None if key is None else key.streams,
        "files": folder.files,
        "size_bytes": folder.size_bytes,
        "used_at": _used_at(folder),
        "in_use": folder.in_use,
        "foreign": foreign,
    }


def _print(folders: list[KeyFolder], own: list[KeyFolder]) -> None:
    grid = table("key", "model", "prefixes", "size", "last use (UTC)", "made with")
    for folder in folders:
        about = folder.about
        model = "unknown" if about is None else about.model or about.key.model_digest[:12]
        state = "in use" if folder.in_use else f"{_used_at(folder):%Y-%m-%d %H:%M}"
        made = (
            "unknown"
            if about is None
            else (
                f"{about.key.build}, {about.key.kv_type_k}/{about.key.kv_type_v}, {about.key.streams} streams"
            )
        )
        mark = "" if folder in own else " (foreign)"
        grid.add_row(
            folder.name,
            escape(model) + mark,
            f"{folder.files:,}",
            size(folder.size_bytes),
            state,
            escape(made),
        )
    show(grid)


def _used_at(folder: KeyFolder) -> datetime:
    return datetime.fromtimestamp(folder.used_at, UTC)


def _bytes(folders: Iterable[KeyFolder]) -> int:
    return sum(folder.size_bytes for folder in folders)


def _keys(folders: list[KeyFolder]) -> str:
    return f"{len(folders)} key{'' if len(folders) == 1 else 's'}"
