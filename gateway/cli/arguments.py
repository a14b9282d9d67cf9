"""The command line before typer sees it: options that every verb shares may stand anywhere, and what is
unknown is told.

Typer takes an option only behind the verb that declares it, and settings are declared by none
(`gateway.cli.options`). So words are put into an order that it takes: the verb, its own options and
arguments, and behind them what all verbs share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import typer

from gateway.nearest import did_you_mean, nearest
from gateway.settings.load import SettingInfo, describe

HELP = "--help"
SHARED = {"--home": True, "--config": True, "--json": False}
"""Options of every verb → whether a value follows."""

SWITCHED = frozenset({"true", "false", "1", "0", "yes", "no", "on", "off"})
"""Words behind a switch that are its value; any other word is something else."""


class UnknownFlagError(typer.BadParameter):
    """A flag that is no option of the verb and no setting, or a word that has no place."""

    def format_message(self) -> str:
        """The text alone: it names the flag."""
        return self.message


@dataclass(slots=True)
class _Line:
    """Words sorted by whose they are, and those that are still to be read."""

    command: Any
    rest: list[str]
    verb: list[str] = field(default_factory=list)
    own: list[str] = field(default_factory=list)
    shared: list[str] = field(default_factory=list)

    @property
    def is_group(self) -> bool:
        return bool(getattr(self.command, "commands", None))


def arranged(args: Sequence[str], root: Any) -> list[str]:
    """The arguments in the order that typer takes; `root` is its command.

    Raises:
        UnknownFlagError: a flag that neither the verb nor the settings have.
    """
    line, settings = _Line(root, list(args)), {info.flag: info for info in describe()}
    while line.rest:
        word = line.rest.pop(0)
        if word == "--" or (line.is_group and not _is_flag(word) and word not in line.command.commands):
            # what follows is no option; or a verb that is not there, of which typer tells
            line.own += [word, *line.rest]
            break
        if _is_flag(word):
            _take_flag(word, line, settings)
        elif line.is_group:
            line.verb.append(word)
            line.command = line.command.commands[word]
        else:
            line.own.append(word)
    return [*line.verb, *line.own, *([] if line.is_group else line.shared)]


def _take_flag(word: str, line: _Line, settings: Mapping[str, SettingInfo]) -> None:
    """One flag, and the value that follows it."""
    name, has_value, _ = word.partition("=")
    own = _options(line.command)
    short = word[:2] if not word.startswith("--") else name
    if short in own:
        attached = has_value or len(word) > len(short)
        line.own += [word, *_value(line.rest, wanted=own[short] and not attached)]
    elif name in SHARED:
        line.shared += [word, *_value(line.rest, wanted=SHARED[name] and not has_value)]
    elif name in settings:
        line.shared += [word, *([] if has_value else setting_value(settings[name], line.rest))]
    else:
        raise UnknownFlagError(_unknown(name, line, own, settings))


def setting_value(info: SettingInfo, rest: list[str]) -> list[str]:
    """The argument of a setting's flag, taken from the front of `rest`; a switch may stand alone."""
    if isinstance(info.default, bool):
        return [rest.pop(0)] if rest and rest[0].lower() in SWITCHED else []
    return _value(rest, wanted=bool(rest) and not rest[0].startswith("--"))


def _value(rest: list[str], *, wanted: bool) -> list[str]:
    return [rest.pop(0)] if wanted and rest else []


def _is_flag(word: str) -> bool:
    return word.startswith("-") and len(word) > 1


def _options(command: Any) -> dict[str, bool]:
    """A command's own options, long and short → whether a value follows."""
    declared = {
        name: not getattr(param, "is_flag", False)
        for param in command.params
        for name in (*param.opts, *param.secondary_opts)
    }
    return {HELP: False, **{name: takes for name, takes in declared.items() if name.startswith("-")}}


def _unknown(name: str, line: _Line, own: Mapping[str, bool], settings: Mapping[str, SettingInfo]) -> str:
    """Say that a flag is unknown, and which one may have been meant or where it belongs."""
    if line.is_group and (
        having := [" ".join([*line.verb, verb]) for verb, options in _below(line.command) if name in options]
    ):
        return f"{name} belongs behind its verb: firsttoken {having[0]} {name} …"
    found = nearest(name, [*own, *([] if line.is_group else SHARED), *settings])
    return f"unknown option {name!r}; {did_you_mean(found, '`firsttoken settings` lists all settings')}"


def _below(command: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, bool]]]:
    """Every verb of a group, with its options."""
    for name, child in command.commands.items():
        verb = f"{path} {name}".strip()
        if getattr(child, "commands", None):
            yield from _below(child, verb)
        else:
            yield verb, _options(child)
