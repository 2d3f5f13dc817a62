"""Where a session goes before a backend of a pool is chosen, as workers see it."""

from collections.abc import Callable
from typing import NamedTuple, TypedDict

from nginy._fast import door
from nginy.model import Listener, Preread, Route

MS_MAX = 2**32 - 1
KEPT = 64


class PrereadFields(TypedDict):
    """Fields of a listener's row."""

    preread: int
    preread_bytes: int
    preread_ms: int


class RoutesRow(NamedTuple):
    """The routes of one listener, packed."""

    n_exact: int
    n_suffix: int
    rows: bytes
    names: bytes


class _Packed(NamedTuple):
    """What routes were packed to. routes: kept, so that no others can have their id()."""

    routes: tuple[Route, ...]
    pools: tuple[int, ...]
    row: RoutesRow


def preread_of(preread: Preread | None) -> PrereadFields:
    """What is waited for before the choice."""
    if preread is None:
        return {"preread": door.PREREADS["off"], "preread_bytes": 0, "preread_ms": 0}
    kind, n_bytes = ("tls_hello", 0) if preread.until == "tls_hello" else ("bytes", int(preread.until))
    return {"preread": door.PREREADS[kind], "preread_bytes": n_bytes, "preread_ms": to_ms(preread.timeout)}


_packed: dict[int, _Packed] = {}


def routes_of(listener: Listener, pool_id: Callable[[str], int]) -> RoutesRow | None:
    """The routes by name; None without any.

    Packed once for each configuration: there may be 65,536, and a generation is built at every edge of a check.
    Errors: KeyError for a pool without an id.
    """
    if not listener.routes or listener.protocol == "http":  # whose routes are a site
        return None
    pools = tuple(pool_id(name) for route in listener.routes for name in route.to)
    known = _packed.pop(id(listener.routes), None)
    if known is None or known.routes is not listener.routes or known.pools != pools:
        known = _Packed(listener.routes, pools, _pack(listener.routes, pools))
    _packed[id(listener.routes)] = known
    while len(_packed) > KEPT:
        del _packed[next(iter(_packed))]  # used longest ago
    return known.row


def _pack(routes: tuple[Route, ...], pools: tuple[int, ...]) -> RoutesRow:
    named = [(name, pool) for route, pool in zip(routes, pools, strict=True) for name in route.sni or ()]
    exact = [(name, pool) for name, pool in named if not name.startswith("*.")]
    suffixes = [(name[2:], pool) for name, pool in named if name.startswith("*.")]
    return RoutesRow(*door.pack_routes(exact, suffixes))


def to_ms(seconds: float) -> int:
    """Whole milliseconds; at least 1, because 0 would mean "never" to a timer."""
    return min(max(round(seconds * 1000), 1), MS_MAX)
