"""The check of `firsttoken doctor` that looks at the database."""

from __future__ import annotations

import tempfile

from gateway.cli.check import Check
from gateway.cli.database import revision, sqlite_path, try_writing
from gateway.cli.output import redact
from gateway.settings.load import Settings


def check_database(settings: Settings) -> Check:
    """The database answers, can be written (what is written is taken back), and its schema is this
    version's.
    """
    from telemetry.store import migrate

    shown = redact(settings.store_url)
    try:
        found, head, known = revision(settings), migrate.head(), migrate.known_revisions()
        if found in (None, *known):
            _try_database(settings, found)
    except Exception as error:  # any driver's error means the same here: it cannot be used
        lines = redact(str(error)).splitlines() or [type(error).__name__]
        return Check(
            "database",
            "fail",
            f"{lines[0]}: requests are served and not recorded; check store.url ({shown}), and who holds its"
            " lock",
        )
    if found is None:
        return Check("database", "ok", f"{shown}: not created yet; `serve` creates it")
    if found not in known:
        remedy = "install that version, or set store.url to another database; until then nothing is recorded"
        return Check(
            "database",
            "fail",
            f"{shown}: revision {found} is of a newer version, newest here is {head}; {remedy}",
        )
    if found != head:
        return Check(
            "database",
            "warn",
            f"revision {found}, newest is {head}; `serve` or `firsttoken db upgrade` upgrades it",
        )
    return Check("database", "ok", f"{shown}: revision {found}, the newest; it can be written")


def _try_database(settings: Settings, found: str | None) -> None:
    """Write to it; of a SQLite file that is not there, to its folder (the home folder is created at the first
    start, no other is).

    Raises:
        Exception: it cannot be written.
    """
    path = sqlite_path(settings.store_url)
    if path is None or path.exists():
        try_writing(settings, found)
        return
    folder = path.absolute().parent
    if folder == settings.home:
        folder = next(above for above in (folder, *folder.parents) if above.exists())
    if not folder.exists():
        raise FileNotFoundError(f"there is no folder {folder}")
    tempfile.TemporaryFile(dir=folder).close()
