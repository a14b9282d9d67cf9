"""Numbers as people read them. None always reads "not measured", never 0 and never blank."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from markupsafe import Markup, escape

from telemetry.byte_sizes import byte_size

NOT_MEASURED = "not measured"


def milliseconds(value: float | None) -> str:
    """0.42 ms, 18.3 ms, 950 ms, 1.24 s, 2 min 05 s: three significant digits or so."""
    if value is None:
        return NOT_MEASURED
    if value >= 60_000:
        minutes, seconds = divmod(round(value / 1e3), 60)
        return f"{minutes} min {seconds:02d} s"
    if value >= 1000:
        return f"{value / 1e3:.2f} s" if value < 10_000 else f"{value / 1e3:.1f} s"
    return f"{value:.0f} ms" if value >= 100 else f"{value:.1f} ms" if value >= 1 else f"{value:.2f} ms"


def axis_ms(value: float) -> str:
    """A time on an axis: 50 ms, 1.5 s."""
    return f"{value / 1e3:g} s" if value >= 1000 else f"{value:g} ms"


def axis_rate(value: float) -> str:
    """A rate on an axis."""
    return f"{value:,g}"


def seconds(value: float | None) -> str:
    """A duration given in seconds."""
    return milliseconds(None if value is None else value * 1e3)


def rate(value: float | None) -> str:
    """Tokens per second."""
    return NOT_MEASURED if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def count(value: float | None) -> str:
    """1,234,567."""
    return NOT_MEASURED if value is None else f"{value:,.0f}"


def short_count(value: float | None) -> str:
    """999, 12.3k, 4.56M: for large figures in small places."""
    if value is None:
        return NOT_MEASURED
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= size:
            scaled = value / (1e3 if letter == "k" else size)
            return f"{scaled:.3g}{letter}" if scaled < 1000 else f"{scaled:.0f}{letter}"
    return f"{value:,.0f}"


def size_bytes(value: float | None) -> str:
    """98.4 MiB."""
    return NOT_MEASURED if value is None else byte_size(value)


def joules(value: float | None) -> str:
    """0.42 J, 18.3 J, 950 J, 1.24 kJ, 3.6 MJ."""
    if value is None:
        return NOT_MEASURED
    for size, unit in ((1e6, "MJ"), (1e3, "kJ")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g} J" if value >= 0.001 or value == 0 else f"{value * 1e3:.2g} mJ"


def amount(value: float, currency: str) -> str:
    """Money: two decimals, or as many as three significant digits need."""
    digits = 2 if value >= 1 or value <= 0 else 2 - math.floor(math.log10(value))
    return f"{value:,.{digits}f} {currency}".rstrip()


def percent(part: float | None, whole: float | None) -> str:
    """A share; of nothing there is no share."""
    if part is None or not whole:
        return NOT_MEASURED
    share = part / whole * 100
    return f"{share:.0f}%" if share >= 10 or share == 0 else f"{share:.1f}%"


def share(value: float | None) -> str:
    """A share of 1 with what matters near 100 %: 99.95%, 87%, -12%."""
    if value is None:
        return NOT_MEASURED
    return f"{value * 100:.4g}%" if value < 0.995 else f"{math.floor(value * 1e5) / 1e3:g}%"


def budget(left: float | None) -> str:
    """The rest of a budget: 87%, used up, used up (12% over), used up (4.9 times over)."""
    if left is None or left > 0:
        return share(left)
    if left == 0:
        return "used up"
    if left > -1:
        return f"used up ({-left * 100:.2g}% over)"
    return f"used up ({-left:.2g} times over)" if left > -99.5 else f"used up ({-left:,.0f} times over)"


def burns(rates: Mapping[int, float | None], long_minutes: int, short_minutes: int) -> str:
    """The burn rates of a long window and of its end: 19.6, now 0."""
    return f"{times(rates.get(long_minutes))}, now {times(rates.get(short_minutes))}"


def ago(age_s: float) -> str:
    """An age in steps, so that a page is not sent anew each second: just now, 10 s ago, 2 min ago."""
    steps = int(age_s // 5) * 5
    return "just now" if steps < 5 else f"{steps} s ago" if steps < 120 else f"{steps // 60} min ago"


def times(value: float | None) -> str:
    """A ratio: 0, 0.42, 14.4."""
    return NOT_MEASURED if value is None else f"{value:.3g}"


def text(value: object) -> str:
    """Any value; None and '' read "not measured"."""
    return NOT_MEASURED if value is None or value == "" else str(value)


def utc(value: datetime) -> datetime:
    """SQLite gives times without a zone: they are UTC."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def moment(value: datetime) -> str:
    """2026-11-23 04:46:04 (UTC; the page says so once)."""
    return utc(value).strftime("%Y-%m-%d %H:%M:%S")


def clocks(starts_s: Sequence[int]) -> tuple[str, ...]:
    """The times of a chart's steps (Unix seconds): 04:46, with the date where it is longer than a day."""
    pattern = "%H:%M" if starts_s and starts_s[-1] - starts_s[0] < 86_400 else "%d %b %H:%M"
    return tuple(datetime.fromtimestamp(start_s, UTC).strftime(pattern) for start_s in starts_s)


def machine_time(value: datetime) -> str:
    """A time as `<time datetime>` has it."""
    return utc(value).isoformat(timespec="milliseconds")


def path_part(value: str) -> str:
    """Any text as one part of a path."""
    return quote(value, safe="")


def coded(value: str) -> Markup:
    """A text with what stands between backticks as code; everything is escaped."""
    parts = [escape(part) for part in value.split("`")]
    parts[1::2] = [Markup("<code>{}</code>").format(part) for part in parts[1::2]]
    return Markup("").join(parts)


FILTERS: dict[str, Callable[..., str]] = {
    "ms": milliseconds,
    "seconds": seconds,
    "rate": rate,
    "count": count,
    "short_count": short_count,
    "bytes": size_bytes,
    "share": share,
    "budget": budget,
    "burns": burns,
    "ago": ago,
    "times": times,
    "text": text,
    "coded": coded,
    "path_part": path_part,
    "moment": moment,
    "machine_time": machine_time,
}
