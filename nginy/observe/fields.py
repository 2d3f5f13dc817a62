"""Names and values as one line of text: JSON or logfmt, and the times in them."""

import json
import time
from collections.abc import Iterable

Field = tuple[str, object]

_last_second: tuple[int, str] = (-1, "")


def iso_time(wall_ms: int) -> str:
    """Milliseconds since the epoch as UTC text: 2026-01-31T12:00:00.250Z. Any thread."""
    global _last_second
    second, ms = divmod(wall_ms, 1000)
    cached = _last_second
    if cached[0] != second:
        cached = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
        _last_second = cached
    return f"{cached[1]}.{ms:03d}Z"


def json_line(fields: Iterable[Field], *, is_ascii: bool = False) -> str:
    """One JSON object without a line end. What JSON has no word for is written as text. is_ascii: escape all else."""
    return json.dumps(dict(fields), ensure_ascii=is_ascii, separators=(",", ":"), default=str)


def logfmt_line(fields: Iterable[Field]) -> str:
    """`name=value` pairs; a value is quoted when a reader could split it at the wrong place."""
    return " ".join(f"{name}={logfmt_value(value)}" for name, value in fields)


def logfmt_value(value: object) -> str:
    """One value; control characters never reach the reader's terminal as they are."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple, set, frozenset)):
        value = ", ".join(str(item) for item in value)
    text = str(value)
    if text and text.isprintable() and not any(mark in text for mark in ' "=\\'):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    if quoted.isprintable():
        return quoted
    return json.dumps(text)
