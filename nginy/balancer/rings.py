"""Consistent hashing for programs of your own: what the workers choose by, usable without a proxy.

    from nginy.balancer import BoundedLoad, Jump, Maglev, Rendezvous, Ring

    ring = Ring({"10.0.0.1:80": 2, "10.0.0.2:80": 1})
    ring["client 7"]                        # a node
    list(ring.candidates("client 7"))       # all nodes, in the order in which they would stand in for one another
    ring.add("10.0.0.3:80", 1)              # moves keys to the new node and none besides
    ring.distribution()                     # node -> share of all keys

| | look-up | memory | shares | a node leaves |
|---|---|---|---|---|
| `Ring` | O(1) | 12 bytes a point | uneven by 8 % at 160 points | moves its own keys alone |
| `Maglev` | O(1), the fastest | 2 bytes a slot | to less than one slot | moves up to 1 % of the others as well |
| `Rendezvous` | O(nodes) | none | exact | moves its own keys alone |
| `Jump` | O(log n) | none | exact, no weights | only the last bucket can leave |

Keys are text or bytes; text is taken as UTF-8. Equal nodes and weights give equal answers in every process and on every
machine. Everything is for one thread at a time, but look-ups, which may run beside a change: they see it whole or not
at all.
"""

from collections.abc import Iterable, Iterator, Mapping
from operator import index
from typing import Any, Literal

from nginy._fast import rings as _rings
from nginy._fast.rings import BoundedLoad, Jump

__all__ = ["BoundedLoad", "Jump", "Maglev", "Rendezvous", "Ring"]

Compat = Literal["nginx", "ketama"]


def _checked_weight(node: object, weight: object) -> int:
    try:
        number = index(weight)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"weight {weight!r} of node {node!r} is no whole number") from None
    if not 0 <= number <= _rings.WEIGHT_MOST:
        raise ValueError(f"weight {number} of node {node!r} is not in 0..{_rings.WEIGHT_MOST}")
    return number


def _checked_nodes(nodes: Mapping[str, int] | Iterable[str]) -> dict[str, int]:
    if isinstance(nodes, str | bytes):
        raise TypeError(f"nodes {nodes!r}: write a list of names, or a mapping of names to weights")
    weights: dict[str, int] = {}
    for node, weight in nodes.items() if isinstance(nodes, Mapping) else ((node, 1) for node in nodes):
        if not isinstance(node, str):
            raise TypeError(f"node {node!r} is no text")
        if not node:
            raise ValueError("a node without a name")
        if node in weights:
            raise ValueError(f"node {node!r} is there twice: use weights for a larger share")
        weights[node] = _checked_weight(node, weight)
    if len(weights) > _rings.NODES_MOST:
        raise ValueError(f"{len(weights)} nodes; {_rings.NODES_MOST} are possible")
    if not any(weights.values()):
        raise ValueError("no node with a weight: nobody could be chosen" if weights else "no nodes")
    return weights


class _Nodes(_rings.Lookup):
    """Nodes with weights, and a table, built anew when they change. Length, membership and order are the nodes'."""

    _weights: dict[str, int]

    def __init__(self, nodes: Mapping[str, int] | Iterable[str]) -> None:
        self._set(_checked_nodes(nodes))

    def _build(self, weights: dict[str, int]) -> _rings.Table:
        raise NotImplementedError

    def _options(self) -> dict[str, Any]:
        return {}

    def _set(self, weights: dict[str, int]) -> None:
        self._adopt(self._build(weights))
        self._weights = weights

    def add(self, node: str, weight: int = 1) -> None:
        """Take in a node; builds anew. ValueError: it is there already, or could not have been there at the start."""
        if node in self._weights:
            raise ValueError(f"node {node!r} is there already: remove it first")
        self._set(_checked_nodes(self._weights | {node: weight}))

    def remove(self, node: str) -> None:
        """Let a node go. KeyError: it is not there. ValueError: it is the last one with a weight. Builds anew."""
        if node not in self._weights:
            raise KeyError(f"node {node!r} is not there")
        rest = {name: weight for name, weight in self._weights.items() if name != node}
        if not any(rest.values()):
            raise ValueError(f"node {node!r} is the last one with a weight: nobody could be chosen")
        self._set(rest)

    @property
    def weights(self) -> dict[str, int]:
        """A copy."""
        return dict(self._weights)

    def __len__(self) -> int:
        return len(self._weights)

    def __contains__(self, node: object) -> bool:
        return node in self._weights

    def __iter__(self) -> Iterator[str]:
        return iter(self._weights)

    def _identity(self) -> tuple[Any, ...]:
        return (self._weights, self._options())

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._identity() == other._identity()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        words = [repr(self._weights), *(f"{name}={value!r}" for name, value in self._options().items())]
        return f"{type(self).__name__}({', '.join(words)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self._weights, self._options())


def _restore(kind: type[_Nodes], weights: dict[str, int], options: dict[str, Any]) -> _Nodes:
    return kind(weights, **options)


class Ring(_Nodes):
    """A consistent-hash ring: `points` for each unit of weight; a key belongs to the first point at or behind its hash.

    nodes: name -> weight (0..65535, 0 is never chosen), or names of weight 1.
    compat: None, the ring of nginy's own policies; the order of nodes does not matter.
      "nginx": as `hash … consistent` of nginx, and Cache::Memcached::Fast with 160 points. Write the nodes as in its
      configuration (`unix:/path`, a port only where there is one) and in its order. Candidates are those of nginx too,
      until it has passed over 20 points of servers that are down: there it goes on by round robin.
      "ketama": as libketama, and memcached clients that follow it. Adding a node may move some keys between the others,
      for the number of points depends on the mean weight.
    points: only with compat=None; fewer for large weights, such as 2 for weights about 100.
    ValueError: no weight, a name twice, more than 65,535 nodes or 16,777,216 points.
    """

    def __init__(
        self,
        nodes: Mapping[str, int] | Iterable[str],
        *,
        compat: Compat | None = None,
        points: int = _rings.POINTS,
    ) -> None:
        if compat not in _rings.KINDS:
            raise ValueError(f"compat {compat!r}: 'nginx', 'ketama' or None are possible")
        if not isinstance(points, int):
            raise TypeError(f"points {points!r} is no whole number")
        if not 1 <= points <= _rings.POINTS_MOST:
            raise ValueError(f"{points} points for each unit of weight; 1 to {_rings.POINTS_MOST} are possible")
        if compat is not None and points != _rings.POINTS:
            raise ValueError(f"points={points} with compat={compat!r}: there it is {_rings.POINTS}, leave it out")
        self.compat = compat
        self.points = points
        super().__init__(nodes)

    def _build(self, weights: dict[str, int]) -> _rings.Table:
        if self.compat == "ketama":
            for node in weights:
                if len(node.encode()) > _rings.NAME_MOST:
                    raise ValueError(f"node {node[:20]!r}… has more than {_rings.NAME_MOST} bytes")
        return _rings.RingTable(tuple(weights), tuple(weights.values()), _rings.KINDS[self.compat], self.points)

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"compat": self.compat} if self.compat else {}
        return options if self.points == _rings.POINTS else options | {"points": self.points}

    def _identity(self) -> tuple[Any, ...]:
        # of equal points the first node's stays, so the order belongs to a ring of another program's
        return (*super()._identity(), list(self._weights) if self.compat else None)

    def _ring(self) -> _rings.RingTable:
        table = self._table
        assert isinstance(table, _rings.RingTable)
        return table

    def point(self, key: str | bytes) -> tuple[int, int]:
        """(the key's hash, the hash of the point it belongs to), 32 bits each."""
        return self._ring().point(key)

    @property
    def n_points(self) -> int:
        return self._ring().n_points


class Maglev(_Nodes):
    """A Maglev table: `size` slots, each of a node, and a key's hash says which slot.

    nodes: as for Ring. The order does not matter. Slots of a node differ from size * weight / sum by less than one; a
    node whose part is less than one slot may get none.
    size: a prime up to 4,194,304; at least 100 times the nodes keeps shares even and few keys moving.
    ValueError: as for Ring, and a size that is even, no prime, or less than the nodes.
    """

    def __init__(self, nodes: Mapping[str, int] | Iterable[str], *, size: int = _rings.SIZE) -> None:
        if not isinstance(size, int):
            raise TypeError(f"size {size!r} is no whole number")
        if not _rings.is_size(size):
            raise ValueError(f"size {size} {_why_no_size(size)}")
        self.size = size
        super().__init__(nodes)

    def _build(self, weights: dict[str, int]) -> _rings.Table:
        if self.size < len(weights):
            raise ValueError(f"size {self.size} is less than the {len(weights)} nodes; 100 times as many is good")
        return _rings.MaglevTable(tuple(weights), tuple(weights.values()), self.size)

    def _options(self) -> dict[str, Any]:
        return {} if self.size == _rings.SIZE else {"size": self.size}

    def _packed(self) -> bytes:
        table = self._table
        assert isinstance(table, _rings.MaglevTable)
        return table.packed()

    def slots(self) -> list[str]:
        """The node of each slot."""
        table = self._table
        assert isinstance(table, _rings.MaglevTable)
        return [table.names[node] for node in table.slot_nodes()]


def _why_no_size(size: int) -> str:
    if not 3 <= size <= _rings.SIZE_MOST:
        return f"is not in 3..{_rings.SIZE_MOST}"
    prime = next((number for number in range(size, _rings.SIZE_MOST) if _rings.is_size(number)), _rings.SIZE)
    return f"{'is even' if size % 2 == 0 else 'is no prime'}, so that some slots would stay empty: use {prime}"


class Rendezvous(_Nodes):
    """Highest random weight: each node draws a number for the key, the best one by weight wins. No table; O(nodes).

    nodes: as for Ring. The order does not matter.
    """

    def _build(self, weights: dict[str, int]) -> _rings.Table:
        return _rings.RendezvousTable(tuple(weights), tuple(weights.values()))
