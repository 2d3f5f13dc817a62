"""Published tables: a sealed block for each pool that needs one, built anew only when its members or weights change."""

import asyncio
import os
from collections.abc import Container, Iterable
from dataclasses import dataclass
from functools import partial

from nginy.backend.owntables import Kept, OwnTable, to_block
from nginy.backend.registry import Resolved
from nginy.backend.tables import Part, Shape, check_rings, pack, shapes_of
from nginy.control.ids import Ids
from nginy.control.seal import seal
from nginy.model import Config

Numbers = tuple[int, ...]
"""Of the tables that a program has published."""
Content = tuple[tuple[int, Shape, tuple[int, ...]], ...]
"""What a block says: tier, shape and the ids of its nodes."""


@dataclass(frozen=True, slots=True)
class TableRef:
    """A sealed table of a pool (id). number: no other table of this control has it. fd: borrowed from Tables."""

    pool: int
    number: int
    fd: int


class Tables:
    """Owns the blocks. Loop's thread only, but for the building of shapes.

    `prepare` before a change, so that nothing is built on the loop; `refs` for a generation; `settle` once it is sent.
    """

    def __init__(self) -> None:
        self._shapes: dict[Shape, bytes] = {}
        self._own: dict[str, dict[str, tuple[int, OwnTable]]] = {}  # by pool and place, with its number
        self._keepsake: TableRef | None = None
        self._blocks: dict[tuple[int, Numbers, Content], TableRef] = {}
        self._used: set[tuple[int, Numbers, Content]] = set()
        self._stale: list[int] = []  # descriptors of blocks that were replaced
        self._last: tuple[Config, Resolved, Ids] | None = None
        self._refs: tuple[TableRef, ...] = ()
        self._number = 0
        self._preparing = 0  # how many changes are on their way

    async def prepare(self, config: Config, resolved: Resolved) -> None:
        """Build what is missing for this configuration in a thread; `refs` finds it when called before the next await.

        Errors: TooLargeError.
        """
        others = self._pools_with("table", config)
        check_rings(config, resolved, others)
        self._preparing += 1
        try:
            for shape in dict.fromkeys(_shapes(config, resolved, others)):
                if shape not in self._shapes:
                    self._shapes[shape] = await asyncio.to_thread(shape.build)
        finally:
            self._preparing -= 1

    # ---- what programs have published ----

    def own(self, pool: str, table: OwnTable) -> None:
        """From the next generation on this pool has it, in place of the one before."""
        self._number += 1
        self._own.setdefault(pool, {})[table.place] = (self._number, table)
        self._changed()

    def disown(self, pool: str, place: str) -> None:
        """From the next generation on it has none."""
        self._own.get(pool, {}).pop(place, None)
        self._changed()

    def forget(self, config: Config) -> None:
        """Those that mean nothing in this configuration are gone for good."""
        for pool, places in self._own.items():
            for place, (_, table) in list(places.items()):
                if not table.fits(config.pools.get(pool)):
                    del places[place]
                    self._changed()

    def restore(self, kept: Kept) -> None:
        """Those that an earlier control had."""
        for pool, some in kept.items():
            for table in some:
                self.own(pool, table)

    @property
    def kept(self) -> Kept:
        """All of them."""
        return {pool: [table for _, table in places.values()] for pool, places in self._own.items()}

    def mapped(self, config: Config) -> frozenset[str]:
        """The pools that have a map of keys."""
        return self._pools_with("map", config)

    def _pools_with(self, place: str, config: Config) -> frozenset[str]:
        return frozenset(pool for pool in self._own if place in self._fitting(pool, config))

    def _fitting(self, pool: str, config: Config) -> dict[str, tuple[int, OwnTable]]:
        known = self._own.get(pool, {}).items()
        return {place: found for place, found in known if found[1].fits(config.pools.get(pool))}

    def _changed(self) -> None:
        self._last = None
        self._stale += [self._keepsake.fd] if self._keepsake is not None else []
        self._keepsake = None

    def keepsake(self) -> TableRef | None:
        """All of them for the workers to keep; None when there never were any. Errors: OSError."""
        if self._keepsake is None and self._own:
            self._number += 1
            self._keepsake = TableRef(-1, self._number, seal(to_block(self.kept), "nginy-keepsake"))
        return self._keepsake

    # ---- what a generation needs ----

    def refs(self, config: Config, resolved: Resolved, ids: Ids) -> tuple[TableRef, ...]:
        """The tables of a generation; what `prepare` has not built is built now. Errors: OSError.

        A health edge changes none of the three, and costs nothing here.
        """
        last = self._last
        if last is not None and last[0] is config and last[1] is resolved and last[2] is ids:
            return self._refs
        self._used = set()
        found = []
        for name, pool in config.pools.items():
            id_of, own = partial(ids.backend, name), self._fitting(name, config)
            shapes = {} if "table" in own else shapes_of(pool.native, resolved[name])
            content: Content = tuple(
                (tier, shape, tuple(id_of(member.address) for member in members))
                for tier, (shape, members) in shapes.items()
            )
            if content or own:
                more = [part for _, table in own.values() for part in table.parts(resolved[name], id_of)]
                numbers = tuple(number for number, _ in own.values())
                found.append(self._ref(ids.pool(name), numbers, content, more))
        self._last, self._refs = (config, resolved, ids), tuple(found)
        return self._refs

    def settle(self) -> None:
        """Close what the last generation does not use."""
        for key in self._blocks.keys() - self._used:
            os.close(self._blocks.pop(key).fd)
        while self._stale:
            os.close(self._stale.pop())
        if self._preparing:  # a verdict went out meanwhile: what has been built for later must not be built again
            return
        shapes = {shape for _, _, content in self._blocks for _, shape, _ in content}
        self._shapes = {shape: built for shape, built in self._shapes.items() if shape in shapes}

    def close(self) -> None:
        """Idempotent."""
        self._used, self._refs = set(), ()
        self._changed()
        self._own = {}
        self.settle()

    def _ref(self, pool: int, numbers: Numbers, content: Content, more: list[Part]) -> TableRef:
        """numbers: of the pool's own tables, whose parts are `more`."""
        key = (pool, numbers, content)
        self._used.add(key)
        if key not in self._blocks or more:  # addresses that they name may have come or gone
            block = pack(pool, [*((tier, self._built(shape), ids) for tier, shape, ids in content), *more])
            self._number += 1
            self._stale += [self._blocks[key].fd] if key in self._blocks else []
            self._blocks[key] = TableRef(pool, self._number, seal(block, "nginy-table"))
        return self._blocks[key]

    def _built(self, shape: Shape) -> bytes:
        if shape not in self._shapes:
            self._shapes[shape] = shape.build()
        return self._shapes[shape]


def _shapes(config: Config, resolved: Resolved, others: Container[str]) -> Iterable[Shape]:
    for name, pool in config.pools.items():
        if name not in others:
            yield from (shape for shape, _ in shapes_of(pool.native, resolved[name]).values())
