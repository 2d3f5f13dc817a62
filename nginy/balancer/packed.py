"""Rings and Maglev tables that a program publishes, packed for control. Pure.

A ring is a `Ring`, or (hash, backend) pairs; a Maglev table is a `Maglev`, or the backend of each slot.
"""

from array import array
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from nginy.model import MAGLEV_SIZE_MAX, RING_POINTS_MAX

if TYPE_CHECKING:
    from nginy.balancer.rings import Maglev, Ring

HASH_MAX = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Packed:
    """kind: `ring` or `maglev`.   names: of the backends, as they were given.   hashes: of the points of a ring, uint32
    each, ascending.   nodes: of each point or slot, as a position in names, uint32 each.   compat: the program whose
    ring it is; None where that is not known."""

    kind: str
    names: tuple[Any, ...]
    hashes: bytes
    nodes: bytes
    compat: str | None = None


def pack_ring(points: "Ring | Iterable[tuple[int, Hashable]]") -> Packed:
    """Errors: TypeError, ValueError for what is no ring."""
    from nginy.balancer.rings import Ring

    if isinstance(points, Ring):
        _check_count(points.n_points, "points", RING_POINTS_MAX)
        hashes, nodes = points._ring().packed()
        return Packed("ring", tuple(points), hashes, nodes, points.compat or "off")
    names: dict[Hashable, int] = {}
    pairs = [_pair(point, names) for point in points]
    _check_count(len(pairs), "points", RING_POINTS_MAX)
    pairs.sort(key=itemgetter(0))
    for (one, _), (other, _) in zip(pairs, pairs[1:], strict=False):
        if one == other:
            raise ValueError(f"the hash {one} stands twice: a point belongs to one backend")
    places = array("I", (place for _, place in pairs)).tobytes()
    return Packed("ring", tuple(names), array("I", (hash for hash, _ in pairs)).tobytes(), places)


def pack_maglev(slots: "Maglev | Sequence[Hashable]") -> Packed:
    """Errors: TypeError, ValueError for what is no table."""
    from nginy.balancer.rings import Maglev

    if isinstance(slots, Maglev):
        return Packed("maglev", tuple(slots), b"", slots._packed())
    if isinstance(slots, (str, bytes)):
        raise TypeError(f"{slots!r} is no table: write a list with the backend of each slot")
    _check_count(len(slots), "slots", MAGLEV_SIZE_MAX)
    names: dict[Hashable, int] = {}
    places = array("I", (names.setdefault(name, len(names)) for name in slots)).tobytes()
    return Packed("maglev", tuple(names), b"", places)


def _pair(point: Any, names: dict[Hashable, int]) -> tuple[int, int]:
    try:
        hash, name = point
    except (TypeError, ValueError):
        raise TypeError(f"{point!r} is no point: (hash, backend) is") from None
    if type(hash) is not int or not 0 <= hash <= HASH_MAX:
        raise ValueError(f"{hash!r} is no hash of a point: whole numbers from 0 to {HASH_MAX} are")
    return hash, names.setdefault(name, len(names))


def _check_count(count: int, what: str, most: int) -> None:
    if not 0 < count <= most:
        raise ValueError(f"{count:,} {what}; 1 to {most:,} are possible")
