"""Published tables: a sealed block for each pool that needs one, built anew only when its members or weights change."""

import asyncio
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from nginy.backend.registry import Resolved
from nginy.backend.tables import Part, Shape, check_rings, map_parts, pack, shapes_of
from nginy.control.ids import Ids
from nginy.control.seal import seal
from nginy.model import Config

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
        self._maps: dict[str, tuple[int, Mapping[int, str]]] = {}  # pool to (number, key hash to address)
        self._blocks: dict[tuple[int, int, Content], TableRef] = {}
        self._used: set[tuple[int, int, Content]] = set()
        self._stale: list[int] = []  # descriptors of blocks that were replaced
        self._last: tuple[Config, Resolved, Ids] | None = None
        self._refs: tuple[TableRef, ...] = ()
        self._number = 0
        self._preparing = 0  # how many changes are on their way

    async def prepare(self, config: Config, resolved: Resolved) -> None:
        """Build what is missing for this configuration in a thread; `refs` finds it when called before the next await.

        Errors: TooLargeError.
        """
        check_rings(config, resolved)
        self._preparing += 1
        try:
            for shape in dict.fromkeys(_shapes(config, resolved)):
                if shape not in self._shapes:
                    self._shapes[shape] = await asyncio.to_thread(shape.build)
        finally:
            self._preparing -= 1

    def map_keys(self, pool: str, keys: Mapping[int, str]) -> None:
        """From the next generation on these keys (door.key_hash) go to these addresses; empty: none do."""
        self._number += 1
        self._last = None
        self._maps.pop(pool, None)
        if keys:
            self._maps[pool] = (self._number, dict(keys))

    @property
    def mapped(self) -> Collection[str]:
        """The pools that have such keys."""
        return self._maps.keys()

    def refs(self, config: Config, resolved: Resolved, ids: Ids) -> tuple[TableRef, ...]:
        """The tables of a generation; what `prepare` has not built is built now. Errors: OSError.

        A health edge changes none of the three, and costs nothing here.
        """
        last = self._last
        if last is not None and last[0] is config and last[1] is resolved and last[2] is ids:
            return self._refs
        self._used = set()
        self._maps = {name: known for name, known in self._maps.items() if name in config.pools}
        found = []
        for name, pool in config.pools.items():
            content: Content = tuple(
                (tier, shape, tuple(ids.backend(name, member.address) for member in members))
                for tier, (shape, members) in shapes_of(pool.native, resolved[name]).items()
            )
            number, keys = self._maps.get(name, (0, {}))
            if content or keys:
                mapped = map_parts(keys, resolved[name], partial(ids.backend, name))
                found.append(self._ref(ids.pool(name), number, content, mapped))
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
        self._used, self._last, self._refs = set(), None, ()
        self.settle()

    def _ref(self, pool: int, mapped: int, content: Content, more: list[Part]) -> TableRef:
        """mapped: number of the pool's map, whose parts are `more`."""
        key = (pool, mapped, content)
        self._used.add(key)
        if key not in self._blocks or more:  # addresses that a map names may have come or gone
            block = pack(pool, [*((tier, self._built(shape), ids) for tier, shape, ids in content), *more])
            self._number += 1
            self._stale += [self._blocks[key].fd] if key in self._blocks else []
            self._blocks[key] = TableRef(pool, self._number, seal(block, "nginy-table"))
        return self._blocks[key]

    def _built(self, shape: Shape) -> bytes:
        if shape not in self._shapes:
            self._shapes[shape] = shape.build()
        return self._shapes[shape]


def _shapes(config: Config, resolved: Resolved) -> Iterable[Shape]:
    for name, pool in config.pools.items():
        yield from (shape for shape, _ in shapes_of(pool.native, resolved[name]).values())
