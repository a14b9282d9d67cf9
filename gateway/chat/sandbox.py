"""The sandbox that chat templates run in: Jinja's own, and every way to build a value is counted before it is
built.

Jinja folds constants at compile time and joins `~`, slices and literals without asking the sandbox; our code
generator folds nothing and asks for each. Filters and methods of built-in values are those on a list.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import jinja2
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedFormatter

from gateway.chat.allowance import (
    ITEM_BYTES,
    MAX_WIDTH,
    OBJECT_BYTES,
    Allowance,
    BoundedFormatter,
    TemplateError,
    check_numbers,
    narrow,
    short,
    width,
)
from gateway.chat.generated_code import SandboxCode
from gateway.chat.marked import concat, derived, following


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


OF_ITEMS = _words(
    "attr batch count d default dictsort first groupby items join last length list map max min random reject"
    " rejectattr reverse select",
    "selectattr slice sort sum tojson unique",
)
OF_TEXT = _words(
    "abs capitalize center e escape float format indent int lower replace round safe string striptags title"
    " trim truncate upper urlencode",
    "wordcount",
)
"""Filters that look at their value as one text or number, which it is made into first."""

READING_ALL = _words("list sort unique groupby reverse slice batch max min")
WITH_NUMBERS = _words("batch center indent round slice truncate")

METHODS = _words(
    "strip lstrip rstrip startswith endswith upper lower title capitalize swapcase casefold find rfind index"
    " rindex count isdigit isalpha",
    "isalnum isspace isupper islower isnumeric isdecimal istitle isidentifier isascii isprintable"
    " removeprefix removesuffix partition",
    "rpartition get items keys values copy is_integer bit_length center ljust rjust zfill expandtabs replace"
    " join split rsplit splitlines",
)
"""Of texts, numbers and containers; `format` has a way of its own, the rest is refused."""

PADDING = _words("center ljust rjust zfill expandtabs")
SPLITTING = _words("split rsplit splitlines")

ESCAPING = 6
"""Times that a text may grow when it is escaped for HTML or JSON."""


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox with an allowance; `allowance.renew()` before each rendering."""

    code_generator_class = SandboxCode
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "**", "%"})

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.loopcontrols"],
            optimized=False,
            finalize=_printed,
            cache_size=0,
        )
        self.allowance = Allowance()
        self.concat = self._concat  # type: ignore[method-assign]
        self.filters["tojson"] = self._tojson
        self.filters = {name: self._bounded(name, self.filters[name]) for name in OF_ITEMS | OF_TEXT}
        self.globals.pop("lipsum")
        self.globals["raise_exception"] = self._raise_exception

    # Operators
    # ------------------------------------------------------------------------------------------------------
    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if isinstance(left, str) and operator == "+":
            self.allowance.text(width(left) + (width(right) if isinstance(right, str) else 0))
        elif isinstance(left, str) and operator == "%":
            self._check_percent(left, right)
        elif isinstance(left, int | float) and isinstance(right, int | float):
            check_numbers(operator, left, right)
        elif operator == "+":
            self.allowance.built(ITEM_BYTES * (_length(left) + _length(right)))
        elif operator == "*":
            times = right if hasattr(left, "__len__") else left
            self._check_repeat(left if times is right else right, times)
        return derived(super().call_binop(context, operator, left, right), (left, right))

    def _check_repeat(self, value: Any, times: Any) -> None:
        if isinstance(times, int) and times > 0:
            self.allowance.text(
                (width(value) if isinstance(value, str) else ITEM_BYTES * _length(value)) * times
            )

    def _check_percent(self, pattern: str, values: Any) -> None:
        short(pattern)
        self.allowance.text(
            width(pattern) + pattern.count("%") * (MAX_WIDTH // 100 + self.allowance.as_text(values))
        )

    def joined(self, *values: Any) -> str:
        """`~`: the texts of the values, one after the other."""
        for value in values:
            self.allowance.printed(value)
        return self._concat([derived(str(value), (value,)) for value in values])

    def cut(self, value: Any, start: Any, stop: Any, step: Any) -> Any:
        """`value[start:stop:step]`."""
        return self.allowance.result(value[start:stop:step])

    def _concat(self, pieces: Iterable[str]) -> str:
        """Joins what blocks, macros and `~` write."""
        pieces = list(pieces)
        self.allowance.text(sum(map(width, pieces)))
        return concat(pieces)

    # Calls
    # ------------------------------------------------------------------------------------------------------
    def call(self, context: Context, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        owner = getattr(function, "__self__", None)
        if isinstance(
            owner, str | bytes | int | float | complex | list | tuple | set | frozenset | dict | range | type
        ):
            args = self._check_method(owner, function.__name__, args, kwargs)
            if isinstance(owner, str):
                return self._call_of_text(context, owner, function, args, kwargs)
        return self.allowance.result(super().call(context, function, *args, **kwargs))

    def _call_of_text(
        self, context: Context, owner: str, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """A method of a text; a plain one follows what clients wrote only where it may be given some."""
        if type(owner) is str and function.__name__ in ("join", "replace"):
            function = getattr(following(owner), function.__name__)
        result = self.allowance.result(super().call(context, function, *args, **kwargs))
        return derived(result, (owner, *args, *kwargs.values()))

    def _check_method(
        self, owner: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, ...]:
        """Refuse or count a method of a built-in value; returns the arguments to call it with."""
        if name not in METHODS or isinstance(owner, type | bytes):
            raise TemplateError(
                f"the chat template calls {name!r} of a {type(owner).__name__}, which is not allowed"
            )
        if not isinstance(owner, str):
            return args
        if name in PADDING:
            narrow(*args, *kwargs.values())
            self.allowance.text(width(owner) + owner.count("\t") * MAX_WIDTH * (name == "expandtabs"))
        elif name == "replace":
            self._check_replace(owner, *args)
        elif name in SPLITTING:
            pieces = (
                owner.count(args[0]) if args and isinstance(args[0], str) and args[0] else len(owner) // 2
            )
            self.allowance.built(width(owner) + OBJECT_BYTES * pieces)
        elif name == "join" and args:
            return (self._check_join(args[0], owner), *args[1:])
        return args

    def _check_replace(self, text: str, old: Any = "", new: Any = "", count: Any = None) -> None:
        times = text.count(str(old))
        if isinstance(count, int) and count >= 0:
            times = min(times, count)
        self.allowance.text(width(text) + times * ESCAPING * self.allowance.as_text(new))

    def _check_join(self, values: Iterable[Any], separator: Any) -> list[Any]:
        items = self.allowance.listed(values)
        self.allowance.text(len(items) * width(str(separator)) + self.allowance.as_text(items))
        return items

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        if super().wrap_str_format(value) is None:
            return None
        return partial(self._format, value.__self__, value.__name__ == "format_map")

    def _format(self, pattern: str, mapped: bool, /, *args: Any, **kwargs: Any) -> str:
        formatter = BoundedFormatter(self.allowance, SandboxedFormatter(self))
        made = formatter.vformat(pattern, (), args[0]) if mapped else formatter.vformat(pattern, args, kwargs)
        return str(derived(made, (pattern, args, kwargs)))

    # Filters
    # ------------------------------------------------------------------------------------------------------
    def _bounded(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The filter, which counts first."""
        position = int(hasattr(function, "jinja_pass_arg"))
        building = name in OF_TEXT or name in ("join", "tojson")
        check: Callable[..., tuple[Any, ...]] = partial(self._check_filter, name)

        def bounded(*args: Any, **kwargs: Any) -> Any:
            before, value, rest = args[:position], args[position], args[position + 1 :]
            result = self.allowance.result(function(*before, *check(value, *rest, **kwargs), **kwargs))
            return derived(result, (value, *rest, *kwargs.values())) if building else result

        vars(bounded).update(getattr(function, "__dict__", {}))  # what Jinja is to pass first
        return bounded

    def _check_filter(self, name: str, value: Any, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Refuse or count a filter; returns its positional arguments, the value first."""
        given = (*args, *kwargs.values())
        if name in WITH_NUMBERS:
            narrow(*given)
        if name == "sum" and not all(isinstance(start, int | float | str) for start in given):
            raise TemplateError("the chat template sums what are no numbers")
        if name in OF_TEXT:
            self._check_text(name, value, args, kwargs)
        elif name == "join":
            value = self._check_join(value, args[0] if args else kwargs.get("d", ""))
            args = (following(args[0] if args else kwargs.pop("d", "")), *args[1:])
        elif name in READING_ALL and isinstance(value, str):
            self.allowance.built(OBJECT_BYTES * len(value))
        elif name in READING_ALL and not isinstance(value, Mapping):
            value = self.allowance.listed(value)
        return (following(value) if name == "replace" else value), *args

    def _check_text(self, name: str, value: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Count what a filter of texts makes of its value."""
        self.allowance.printed(value)
        for argument in (*args, *kwargs.values()):
            self.allowance.as_text(argument)
        if name in ("e", "escape", "urlencode"):
            self.allowance.text(2 * ESCAPING * self.allowance.as_text(value))
        elif name == "replace":
            self._check_replace(str(value), *args, **kwargs)
        elif name == "format":
            self._check_percent(str(value), [*args, kwargs])
        elif name == "indent":
            lines, step = str(value).count("\n") + 1, args[0] if args else kwargs.get("width", 4)
            self.allowance.text(lines * (width(step) if isinstance(step, str) else int(step)))

    def _tojson(self, value: Any, indent: int | None = None) -> str:
        """JSON without HTML escaping, as Hugging Face's `apply_chat_template` has it."""
        self.allowance.text(ESCAPING * self.allowance.as_text(value) // 4)
        if indent is None:
            return json.dumps(value, ensure_ascii=False)
        narrow(indent)
        return self._concat(
            self._counted(json.JSONEncoder(ensure_ascii=False, indent=indent).iterencode(value))
        )

    def _counted(self, pieces: Iterable[str]) -> Iterable[str]:
        for piece in pieces:
            self.allowance.text(width(piece))
            yield piece

    def _raise_exception(self, message: object) -> None:
        self.allowance.printed(message)
        raise TemplateError(str(message)[:1000])


@jinja2.pass_environment
def _printed(environment: Sandbox, value: Any) -> Any:
    """Jinja's `finalize`: every value that the template writes."""
    value = environment.allowance.printed(value)
    return value if isinstance(value, str | int | float | None) else derived(str(value), (value,))


def _length(value: Any) -> int:
    return len(value) if hasattr(value, "__len__") else 0
