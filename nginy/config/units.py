"""Durations, sizes and rates: between what people write and numbers. Pure; errors are UnitError, in plain words."""

from __future__ import annotations

import re
from decimal import Decimal

DURATION_PATTERN = r"[0-9]+(\.[0-9]+)?|([0-9]+(\.[0-9]+)?(d|h|m|s|ms))+"
SIZE_PATTERN = r"[0-9]+(\.[0-9]+)? ?([kKmMgGtT]([iI][bB]?)?|[bB])?"
RATE_PATTERN = r"[0-9]+(/[sm])?"
PACE_PATTERN = r"[0-9]+(\.[0-9]+)?(/[smhd])?"

_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_LONG_UNITS = {
    "ms": ("msec", "msecs", "millisecond", "milliseconds", "millis"),
    "s": ("sec", "secs", "second", "seconds"),
    "m": ("min", "mins", "minute", "minutes"),
    "h": ("hr", "hrs", "hour", "hours"),
    "d": ("day", "days"),
}
_SHORT_OF = {long: short for short, longs in _LONG_UNITS.items() for long in longs}
_STEP = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,24})?)([a-z]*)")
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?) ?([A-Za-z]*)")
_SIZE_EXPONENT = {"": 0, "b": 0} | {
    unit + tail: exponent for exponent, unit in enumerate("kmgt", 1) for tail in ("", "i", "ib")
}
_DURATION_HINT = "write a number and a unit: 500ms, 5s, 1m, 1h30m"
_SIZE_HINT = "write a number and a unit: 64KiB, 1MiB, 2GiB"
_RATE = re.compile(r"([0-9]{1,15})(?:/([A-Za-z]*))?")
_PACE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,24})?)(?:/([A-Za-z]*))?")
_PACE_HINT = "write how many in a second, minute, hour or day: 50/s, 90/m, 1000/h"
_RATE_HINT = "write how many per second or minute: 50/s, 90/m"


class UnitError(ValueError):
    """A value that cannot be read. str(error): what is wrong; hint: what to write instead, or empty."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def parse_duration(given: str | int | float) -> float:
    """Seconds in a duration such as `500ms` or `1h30m`; a bare number counts seconds. Errors: UnitError."""
    if not isinstance(given, str):
        return float(given)
    steps = _duration_steps(given)
    if steps == [(given, "")]:
        return float(given)
    total_ms = Decimal(0)
    smallest_ms = 10**9
    for number, unit in steps:
        if unit not in _MS:
            raise UnitError(
                f"{given!r} is not a duration: {_unit_trouble(unit)}", _duration_hint(number, unit)
            )
        if _MS[unit] >= smallest_ms:
            raise UnitError(
                f"{given!r} is not a duration: each unit once, the larger first", "write 1h30m or 1m30s"
            )
        smallest_ms = _MS[unit]
        total_ms += Decimal(number) * smallest_ms
    return float(total_ms / 1000)


def _duration_steps(given: str) -> list[tuple[str, str]]:
    """The (number, unit) pairs that make up the whole text; UnitError when something else is in it."""
    steps: list[tuple[str, str]] = []
    position = 0
    while position < len(given):
        step = _STEP.match(given, position)
        if step is None:
            break
        steps.append((step[1], step[2]))
        position = step.end()
    if not steps or position < len(given):
        raise UnitError(f"expected a duration, got {given!r}", _DURATION_HINT)
    return steps


def _unit_trouble(unit: str) -> str:
    return f"unknown unit {unit!r}" if unit else "a number has no unit"


def _duration_hint(number: str, unit: str) -> str:
    if unit in _SHORT_OF:
        return f"write {number}{_SHORT_OF[unit]}"
    return "the smallest unit is ms" if unit in ("us", "ns") else "the units are ms, s, m, h and d"


def format_duration(seconds: float) -> str:
    """The shortest exact text: 900.0 -> `15m`, 0.25 -> `250ms`. parse_duration(format_duration(x)) == x."""
    left_ms = round(seconds * 1000)
    if left_ms / 1000 != seconds:
        return f"{Decimal(repr(seconds)):f}s"
    if left_ms % 1000 and left_ms < 60_000:
        return f"{left_ms}ms"
    text = ""
    for unit, unit_ms in _MS.items():
        count, left_ms = divmod(left_ms, unit_ms)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def parse_size(given: str | int | float) -> int:
    """Bytes in a size such as `64KiB` or `1m`; a bare number counts bytes. Errors: UnitError."""
    text = given if isinstance(given, str) else f"{given}"
    found = _SIZE.fullmatch(text)
    if found is None:
        raise UnitError(f"expected a size, got {text!r}", _SIZE_HINT)
    number, unit = found[1], found[2].lower()
    if unit in ("kb", "mb", "gb", "tb"):
        raise UnitError(f"{text!r} can mean powers of 1000 or of 1024", f"write {number}{unit[0].upper()}iB")
    if unit not in _SIZE_EXPONENT:
        raise UnitError(f"{text!r} is not a size: unknown unit {found[2]!r}", _SIZE_HINT)
    size_bytes = Decimal(number) * 1024 ** _SIZE_EXPONENT[unit]
    if size_bytes != int(size_bytes):
        raise UnitError(f"{text!r} is not a whole number of bytes")
    return int(size_bytes)


def format_size(size_bytes: int) -> str:
    """The shortest exact text: 67108864 -> `64MiB`."""
    exponent = 0
    while size_bytes and size_bytes % 1024 == 0 and exponent < 4:
        size_bytes //= 1024
        exponent += 1
    return f"{size_bytes}{('', 'KiB', 'MiB', 'GiB', 'TiB')[exponent]}"


def parse_rate(given: str | int | float) -> int:
    """How many per second in a rate such as `50/s` or `90/m`, rounded up; a bare number is per second.

    Errors: UnitError.
    """
    found = _RATE.fullmatch(given if isinstance(given, str) else f"{given}")
    if found is None:
        raise UnitError(f"expected a rate, got {f'{given}'!r}", _RATE_HINT)
    count, unit = int(found[1]), found[2]
    if unit in (None, "s"):
        return count
    if unit == "m":
        return -(-count // 60)
    short = _SHORT_OF.get(unit, "")
    hint = f"write {count}/{short}" if short in ("s", "m") else "the units are s and m"
    raise UnitError(f"{given!r} is not a rate: unknown unit {unit!r}", hint)


def format_rate(per_second: int) -> str:
    """`50/s`. parse_rate(format_rate(x)) == x."""
    return f"{per_second}/s"


def parse_pace(given: str | int | float) -> float:
    """Per second, exactly, in a rate such as `50/s`, `90/m`, `10/h` or `5/d`; a bare number is per second.

    Errors: UnitError.
    """
    if not isinstance(given, str):
        return float(given)
    found = _PACE.fullmatch(given)
    if found is None:
        raise UnitError(f"expected a rate, got {given!r}", _PACE_HINT)
    unit = "s" if found[2] is None else found[2]
    short = _SHORT_OF.get(unit, "")
    if unit not in _MS or unit == "ms":
        hint = f"write {found[1]}/{short}" if short not in ("", "ms") else "the units are s, m, h and d"
        raise UnitError(f"{given!r} is not a rate: unknown unit {unit!r}", hint)
    return float(found[1]) / (_MS[unit] // 1000)


def format_pace(per_second: float) -> str:
    """The shortest exact text: 0.5 -> `30/m`. parse_pace(format_pace(x)) == x for what parse_pace gives."""
    for unit in ("s", "m", "h", "d"):
        count = round(per_second * (_MS[unit] // 1000))
        if count and count / (_MS[unit] // 1000) == per_second:
            return f"{count}/{unit}"
    return f"{Decimal(repr(per_second)):f}/s"
