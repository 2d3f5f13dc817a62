"""Tables that a program has published: a map of keys, a ring, a Maglev table; as control has them, and as one block
that workers keep for the control after this one."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

from nginy._fast import door
from nginy.backend.registry import ResolvedBackend
from nginy.backend.tables import Part, ring_of
from nginy.model import ByKey, CalledPolicy, MaglevBase, Native, Pool, RingBase

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


Kept = Mapping[str, Iterable[OwnTable]]
"""By pool."""


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
