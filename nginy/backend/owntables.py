"""Tables that a program has published: a map of keys, a ring, a Maglev table; as control has them, and as one block
that workers keep for the control after this one."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from zlib import crc32

from nginy._fast import door
from nginy.backend.registry import Resolved, ResolvedBackend
from nginy.backend.tables import Ids, Part, key_bytes, map_shape, pack, ring_of, shapes_of
from nginy.model import ByKey, CalledPolicy, Config, MaglevBase, Native, Pool, RingBase

FORMAT = 1
_HEAD_AT = 12  # behind a checksum of the rest, and the length of the head


@dataclass(frozen=True, slots=True)
class OwnTable:
    """What holds for a pool until another one is published.

    kind: `map`, `ring` or `maglev`.   addresses: of its nodes.   shape: as the door builds it.   call: the class that
    published it, empty for the host program.   basis: what of the policy it was made for.
    """

    kind: str
    addresses: tuple[str, ...]
    shape: bytes
    call: str
    basis: str

    @property
    def place(self) -> str:
        """A pool has at most one of each place: a ring takes the place of a Maglev table."""
        return "map" if self.kind == "map" else "table"

    def fits(self, pool: Pool | None) -> bool:
        """Whether it still means something: the pool is there, has the same class, and goes by the same."""
        return pool is not None and self.call == call_of(pool) and self.basis == basis_of(self.kind, pool.native)

    def parts(self, backends: Sequence[ResolvedBackend], ids: Callable[[str], int]) -> list[Part]:
        """For each tier that it has somebody of; whoever is not in the pool is nobody."""
        there = {backend.address: backend.tier for backend in backends}
        known = [ids(address) if address in there else door.NOBODY for address in self.addresses]
        tiers = sorted({there[address] for address in self.addresses if address in there})
        return [(tier, self.shape, known) for tier in tiers]


def call_of(pool: Pool) -> str:
    """The class of its policy; empty without one."""
    return pool.policy.call if isinstance(pool.policy, CalledPolicy) else ""


def basis_of(kind: str, native: Native) -> str | None:
    """What a table of this kind depends on, of the policy that looks it up; None when that looks none up."""
    if kind == "map":
        key = native.key.kind if isinstance(native, ByKey) else "session"
        return key if ring_of(native) == door.RINGS["own"] else None
    if kind == "ring":
        return native.compat if isinstance(native, RingBase) else None
    return "" if isinstance(native, MaglevBase) else None


def why_not(kind: str, name: str, native: Native) -> str:
    """Why a pool can have no such table. For those whose basis_of is None."""
    if kind == "map":
        return f"the pool {name!r} has keys as another program (`compat`), which a map has not"
    wanted = "`ring`, `bounded_ring` or `hash_preserve`" if kind == "ring" else "`maglev` or `bounded_maglev`"
    what = "a ring" if kind == "ring" else "a Maglev table"
    return f"the pool {name!r} goes by `{native.kind}`, which looks up no such table: {what} needs {wanted}"


def map_of(name: str, pool: Pool, keys: Mapping[str | bytes, str]) -> OwnTable | None:
    """Keys and addresses as a map of this pool; None for no keys. Errors: ValueError for keys that it cannot have."""
    basis = basis_of("map", pool.native)
    if basis is None:
        raise ValueError(why_not("map", name, pool.native))
    hashes = {door.key_hash(key_bytes(basis, key)): address for key, address in keys.items()}
    return OwnTable("map", *map_shape(hashes), call_of(pool), basis) if hashes else None


def check_basis(name: str, pool: Pool, kind: str, compat: str | None) -> None:
    """Can this pool have such a ring or table? compat: the program whose ring it is, None where that is not known.

    Errors: ValueError with the reason.
    """
    basis = basis_of(kind, pool.native)
    if basis is None:
        raise ValueError(why_not(kind, name, pool.native))
    if kind == "ring" and compat not in (None, basis):
        message = f"the pool {name!r} hashes keys with `compat: {basis}`, this ring with {compat}"
        raise ValueError(f"{message}: keys would land anywhere")


class Entries(Protocol):
    """A ring or a Maglev table as a program gives it: balancer.packed says what each means."""

    @property
    def kind(self) -> str: ...
    @property
    def names(self) -> tuple[Any, ...]: ...
    @property
    def hashes(self) -> bytes: ...
    @property
    def nodes(self) -> bytes: ...


def table_from(name: str, pool: Pool, entries: Entries, addresses: tuple[str, ...]) -> OwnTable:
    """A ring or a Maglev table of this pool. addresses: of the names. Takes milliseconds: good for a thread.

    Errors: ValueError for what it cannot have, and for entries that are none.
    """
    basis = basis_of(entries.kind, pool.native)
    if basis is None:
        raise ValueError(why_not(entries.kind, name, pool.native))
    shape = door.build_own(entries.kind, entries.hashes, entries.nodes, len(entries.names))
    return OwnTable(entries.kind, addresses, shape, call_of(pool), basis)


Kept = Mapping[str, Iterable[OwnTable]]
"""By pool."""


def blocks_of(config: Config, resolved: Resolved, ids: Ids, own: Kept) -> list[bytes]:
    """The blocks of all pools that need one, built here and now. own: what programs have published."""
    blocks = []
    for name, pool in config.pools.items():
        id_of = partial(ids.backend, name)
        tables = [table for table in own.get(name, ()) if table.fits(pool)]
        shapes = {} if any(table.place == "table" for table in tables) else shapes_of(pool.native, resolved[name])
        parts: list[Part] = [
            (tier, shape.build(), [id_of(member.address) for member in members])
            for tier, (shape, members) in shapes.items()
        ]
        parts += [part for table in tables for part in table.parts(resolved[name], id_of)]
        if parts:
            blocks.append(pack(ids.pool(name), parts))
    return blocks


def mapped(config: Config, own: Kept) -> frozenset[str]:
    """The pools that have a map of keys."""
    found = {name: [table for table in some if table.place == "map"] for name, some in own.items()}
    return frozenset(name for name, some in found.items() if any(one.fits(config.pools.get(name)) for one in some))


def to_block(kept: Kept) -> bytes:
    """All of them as one block."""
    tables = [(pool, table) for pool, some in kept.items() for table in some]
    rows = [
        [pool, table.kind, list(table.addresses), len(table.shape), table.call, table.basis] for pool, table in tables
    ]
    head = json.dumps({"format": FORMAT, "tables": rows}, separators=(",", ":")).encode()
    body = b"".join([len(head).to_bytes(8, "little"), head, *(table.shape for _, table in tables)])
    return crc32(body).to_bytes(4, "little") + body


def from_block(block: bytes) -> dict[str, list[OwnTable]]:
    """Errors: ValueError for a block that this build has not written."""
    view = memoryview(block)
    if len(block) < _HEAD_AT or crc32(view[4:]) != int.from_bytes(view[:4], "little"):
        raise ValueError("what it kept of published tables is torn")
    at = _HEAD_AT + int.from_bytes(view[4:_HEAD_AT], "little")
    head = json.loads(bytes(view[_HEAD_AT:at]))
    if head["format"] != FORMAT:
        raise ValueError(f"what it kept of published tables has format {head['format']}, this build writes {FORMAT}")
    found: dict[str, list[OwnTable]] = {}
    for pool, kind, addresses, n_bytes, call, basis in head["tables"]:
        shape = bytes(view[at : at + n_bytes])
        found.setdefault(pool, []).append(OwnTable(kind, tuple(addresses), shape, call, basis))
        at += n_bytes
    return found
