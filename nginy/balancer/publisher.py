"""How a table policy says what workers shall go by: weights, who serves which key, a ring or a Maglev table of its own;
each published whole, at any time."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nginy.balancer.api import Backend

if TYPE_CHECKING:
    from nginy.balancer.packed import Packed
    from nginy.balancer.rings import Maglev, Ring

WEIGHT_MAX = 65535
KEYS_MAX = 65536
Target = Backend | int | str
"""A backend, its id, or its address."""


class Publisher:
    """What `self.publish` of a table policy is. May be called from any thread.

    send(message): hands a table to control.
    """

    def __init__(self, send: Callable[[Mapping[str, Any]], object]) -> None:
        self._send = send
        self._ids: dict[int | str, int] = {}

    def show(self, backends: Mapping[int, Backend]) -> None:
        """The backends that may be named from now on."""
        ids: dict[int | str, int] = {id: id for id in backends}
        self._ids = ids | {backend.address: id for id, backend in backends.items()}

    def __call__(self, weights: Mapping[Target, int]) -> None:
        """The weights of all backends from now on; one that is left out gets no new sessions.

        They take the place of the configured ones in the pool's `fallback`, until others are published.
        Errors: KeyError for a backend that the pool does not have; ValueError for a weight outside 0..65535, and for
        weights that are all 0.
        """
        ids = self._ids
        found = dict.fromkeys(ids.values(), 0)
        for target, weight in weights.items():
            id = _id_of(ids, target)
            if type(weight) is not int or not 0 <= weight <= WEIGHT_MAX:
                raise ValueError(f"{weight!r} for {target!r} is no weight: whole numbers from 0 to {WEIGHT_MAX} are")
            found[id] = weight
        if not any(found.values()):
            raise ValueError("every weight is 0: the pool could serve nobody")
        self._send({"kind": "weights", "weights": list(found.items())})

    def keys(self, backends: Mapping[str | bytes, Target]) -> None:
        """Who serves which key from now on; whoever has another key is left to the pool's `fallback`.

        Keys are of the kind that the fallback goes by: addresses as text, or names, or bytes. A backend that may not be
        used is passed over as if the key were not there.
        Errors: KeyError for a backend that the pool does not have; ValueError for more than 65,536 keys; TypeError for
        a key that is neither text nor bytes.
        """
        if len(backends) > KEYS_MAX:
            raise ValueError(f"{len(backends)} keys; a map has room for {KEYS_MAX}")
        ids = self._ids
        texts, octets = [], []
        for key, target in backends.items():
            if isinstance(key, bytes):
                octets.append((b64encode(key).decode(), _id_of(ids, target)))
            elif isinstance(key, str):
                texts.append((key, _id_of(ids, target)))
            else:
                raise TypeError(f"{key!r} is no key: text and bytes are")
        self._send({"kind": "keys", "texts": texts, "bytes": octets})

    def ring(self, points: "Ring | Iterable[tuple[int, Target]]") -> None:
        """The ring that the `fallback` looks keys up on from now on; it has to be a policy with a ring.

        points: a Ring of backends' addresses, or up to 2,000,000 points (hash, backend): the upper 32 bits of a key's
        hash belong to the first point at or behind them. It stays as it is until another ring or table is published,
        whatever comes, goes or weighs; who may not be used is passed over.
        Errors: KeyError for a backend that the pool does not have; ValueError, TypeError for what is no ring.
        """
        from nginy.balancer.packed import pack_ring

        self._send_table(pack_ring(points))

    def maglev(self, slots: "Maglev | Sequence[Target]") -> None:
        """The Maglev table that the `fallback` looks keys up in from now on; it has to be a policy with one.

        slots: a Maglev of backends' addresses, or the backend of each of up to 4,194,301 slots; the upper 32 bits of a
        key's hash, scaled, say which. Holds as a ring does. Errors: as `ring`.
        """
        from nginy.balancer.packed import pack_maglev

        self._send_table(pack_maglev(slots))

    def _send_table(self, packed: "Packed") -> None:
        ids = self._ids
        self._send(
            {
                "kind": "table",
                "form": packed.kind,
                "ids": [_id_of(ids, name) for name in packed.names],
                "hashes": b64encode(packed.hashes).decode(),
                "nodes": b64encode(packed.nodes).decode(),
                "compat": packed.compat,
            }
        )


def _id_of(ids: Mapping[int | str, int], target: Target) -> int:
    id = ids.get(target.id if isinstance(target, Backend) else target)
    if id is None:
        raise KeyError(f"the pool has no backend {target!r}")
    return id
