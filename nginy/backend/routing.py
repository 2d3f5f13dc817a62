"""Where a session goes before a backend of a pool is chosen, as workers see it. Pure."""

from typing import TypedDict

from nginy._fast import door
from nginy.model import Preread

MS_MAX = 2**32 - 1


class PrereadFields(TypedDict):
    """Fields of a listener's row."""

    preread: int
    preread_bytes: int
    preread_ms: int


def preread_of(preread: Preread | None) -> PrereadFields:
    """What is waited for before the choice."""
    if preread is None:
        return {"preread": door.PREREADS["off"], "preread_bytes": 0, "preread_ms": 0}
    kind, n_bytes = ("tls_hello", 0) if preread.until == "tls_hello" else ("bytes", int(preread.until))
    return {"preread": door.PREREADS[kind], "preread_bytes": n_bytes, "preread_ms": to_ms(preread.timeout)}


def to_ms(seconds: float) -> int:
    """Whole milliseconds; at least 1, because 0 would mean "never" to a timer."""
    return min(max(round(seconds * 1000), 1), MS_MAX)
