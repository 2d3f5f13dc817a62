"""Which tables a pool's policy looks things up in, and what they are built from. Pure, but for building them."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Protocol

from nginy._fast import door
from nginy.backend.registry import Resolved, ResolvedBackend
from nginy.model import RING_POINTS, RING_POINTS_MAX, Config, MaglevBase, Native, RingBase


class TooLargeError(ValueError):
    """A ring that would keep workers busy for long when they take it."""

Part = tuple[int, bytes, Sequence[int]]
"""Tier, table as built, and the id of each of its nodes."""


class Ids(Protocol):
    """Stable numbers for names."""

    def pool(self, name: str) -> int: ...
    def backend(self, pool: str, address: str) -> int: ...


@dataclass(frozen=True, slots=True)
class Shape:
    """One table without ids: equal shapes are equal tables. nodes: text and weight, in configured order.

    kind: `ring` or `maglev`.   ring: of door.RINGS.   size: slots of a Maglev table.
    """

    kind: str
    ring: int
    size: int
    nodes: tuple[tuple[str, int], ...]

    def build(self) -> bytes:
        """Takes milliseconds, without the GIL: good for a thread."""
        names, weights = [name for name, _ in self.nodes], [weight for _, weight in self.nodes]
        return door.build_shape(self.kind, names, weights, ring=self.ring, size=self.size)


def ring_of(policy: Native) -> int:
    """Whose ring, of door.RINGS, the keys of a policy are hashed for."""
    compat = policy.compat if isinstance(policy, RingBase) else "off"
    return door.RINGS["own" if compat == "off" else compat]


def points_of(policy: Native, backends: Sequence[ResolvedBackend]) -> int:
    """Of all rings of a pool together; 0 for policies without one."""
    if not isinstance(policy, RingBase):
        return 0
    is_by_weight = policy.compat != "ketama"  # there weights only divide what there is
    return RING_POINTS * sum(entry.weight if is_by_weight else entry.weight > 0 for entry in backends)


def check_rings(config: Config, resolved: Resolved, others: Container[str] = ()) -> None:
    """Errors: TooLargeError for a pool whose names or published weights make more points than can be.

    others: pools that have tables of their own.
    """
    for name, pool in config.pools.items():
        n_points = 0 if name in others else points_of(pool.native, resolved[name])
        if n_points > RING_POINTS_MAX:
            message = f"pool {name} makes a ring of {n_points:,} points; at most {RING_POINTS_MAX:,} are possible"
            raise TooLargeError(f"{message}: divide the weights")


def shapes_of(policy: Native, backends: Sequence[ResolvedBackend]) -> dict[int, tuple[Shape, list[ResolvedBackend]]]:
    """Tier to its table, with the backends whose ids its entries stand for.

    Empty for policies without tables, and for a ring that is too large: workers go by highest random weight then.
    """
    if not isinstance(policy, RingBase | MaglevBase) or points_of(policy, backends) > RING_POINTS_MAX:
        return {}
    found = {}
    for tier in sorted({backend.tier for backend in backends}):
        members = [backend for backend in backends if backend.tier == tier and backend.weight]
        if members:
            nodes = tuple((backend.address, backend.weight) for backend in members)
            if isinstance(policy, RingBase):
                found[tier] = Shape("ring", ring_of(policy), 0, nodes), members
            else:
                found[tier] = Shape("maglev", 0, policy.size, nodes), members
    return found


def key_bytes(kind: str, key: str | bytes) -> bytes:
    """A key as workers find it. An address may be text where addresses are keys. Errors: ValueError for no address."""
    if isinstance(key, bytes):
        return key
    if kind in ("session", "source"):
        address = ip_address(key)
        return address.packed.ljust(16, b"\0") + bytes([address.version])
    return key.lower().encode() if kind == "sni" else key.encode()


def map_shape(keys: Mapping[int, str]) -> tuple[tuple[str, ...], bytes]:
    """Key hashes (door.key_hash) and addresses as the nodes and the shape of a map. keys: at least one."""
    nodes = {address: nth for nth, address in enumerate(dict.fromkeys(keys.values()))}
    return tuple(nodes), door.build_map(list(keys), [nodes[address] for address in keys.values()], len(nodes))


def pack(pool: int, parts: Iterable[Part]) -> bytes:
    """One block for the workers. parts: tier, shape as built, and the id of each of its nodes."""
    return door.pack_table(pool, list(parts))
