"""What classes and host programs publish while nginy runs: weights, maps of keys, rings and Maglev tables.

Each is looked at when it comes, built off the loop, and goes out with the next generation; of several that come in a
row the newest counts.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

from nginy.backend.owntables import OwnTable, check_basis, map_of, table_from
from nginy.balancer.packed import Packed, pack_maglev, pack_ring
from nginy.balancer.published import Table
from nginy.control.tables import Tables
from nginy.control.world import World

if TYPE_CHECKING:
    from nginy.balancer.rings import Maglev, Ring

Points: TypeAlias = "Ring | Iterable[tuple[int, str]] | None"
Slots: TypeAlias = "Maglev | Sequence[str] | None"


class Holder(Protocol):
    """Who has the world, and shows it to workers."""

    world: World

    def publish_soon(self) -> None: ...


Wish = Mapping[int, int] | tuple[Packed, tuple[str, ...]]
"""Weights by backend id, or a table and the addresses that its names stand for."""


class Wishes:
    """Loop's thread only. on_trouble(error): a wish that nobody waits for could not be met; what was before holds."""

    def __init__(self, holder: Holder, tables: Tables, on_trouble: Callable[[Exception], None]) -> None:
        self._holder = holder
        self._tables = tables
        self._on_trouble = on_trouble
        self._waiting: dict[tuple[str, str], Wish] = {}  # by pool and place, the newest
        self._working: asyncio.Task[None] | None = None

    def close(self) -> None:
        """Idempotent."""
        if self._working is not None:
            self._working.cancel()

    def take(self, pool: str, table: Table) -> None:
        """A table policy has published. Errors: ValueError, KeyError for what the pool cannot have."""
        addresses = self._holder.world.addresses_of(pool)
        if table.weights is not None:
            self.weigh(pool, table.weights)
        if table.keys is not None:
            self.map_keys(pool, {key: addresses[id] for key, id in table.keys.items() if id in addresses})
        if table.packed is not None:
            # backends that have left since keep their places: whoever has gone is passed over
            names = tuple(addresses.get(id, f"{id} has gone") for id in table.packed.names)
            conf = self._holder.world.config.pools[pool]
            check_basis(pool, conf, table.packed.kind, table.packed.compat)
            self._want(pool, "table", (table.packed, names))

    def weigh(self, pool: str, weights: Mapping[int, int]) -> None:
        """Weights by backend id. They go out soon."""
        self._want(pool, "weights", weights)

    def map_keys(self, pool: str, keys: Mapping[str | bytes, str]) -> None:
        """Keys of this pool that go to these addresses, whatever its policy says; empty: none do.

        Errors: KeyError for a pool that is not there; ValueError for a key that is no address where one is wanted.
        """
        found = map_of(pool, self._holder.world.config.pools[pool], keys)
        if found is not None:
            self._tables.own(pool, found)
        else:
            self._tables.disown(pool, "map")
        self._holder.publish_soon()

    async def publish_ring(self, pool: str, points: Points) -> None:
        """A host program's ring; None: the pool's own is back.

        Errors: KeyError for an unknown pool or backend; ValueError, TypeError for what the pool cannot have.
        """
        await self._publish(pool, None if points is None else pack_ring(points))

    async def publish_maglev(self, pool: str, slots: Slots) -> None:
        """A host program's Maglev table. As publish_ring."""
        await self._publish(pool, None if slots is None else pack_maglev(slots))

    async def _publish(self, pool: str, packed: Packed | None) -> None:
        known = set(self._holder.world.addresses_of(pool).values())
        conf = self._holder.world.config.pools[pool]
        if packed is None:
            self._tables.disown(pool, "table")
            self._holder.publish_soon()
            return
        stranger = next((name for name in packed.names if name not in known), None)
        if stranger is not None:
            raise KeyError(f"the pool {pool!r} has no backend {stranger!r}; there are: {', '.join(sorted(known))}")
        check_basis(pool, conf, packed.kind, packed.compat)
        self._own(pool, await asyncio.to_thread(table_from, pool, conf, packed, packed.names))

    def _own(self, pool: str, table: OwnTable) -> None:
        if table.fits(self._holder.world.config.pools.get(pool)):  # there may have been a reload meanwhile
            self._tables.own(pool, table)
            self._holder.publish_soon()

    def _want(self, pool: str, place: str, wish: Wish) -> None:
        self._waiting.pop((pool, place), None)
        self._waiting[pool, place] = wish
        if self._working is None or self._working.done():
            self._working = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        while self._waiting:
            pool, place = next(iter(self._waiting))
            wish = self._waiting.pop((pool, place))
            try:
                if isinstance(wish, tuple):
                    await self._meet_table(pool, *wish)
                else:
                    await self._meet_weights(pool, wish)
            except (ValueError, MemoryError) as error:  # those before hold
                self._on_trouble(error)

    async def _meet_weights(self, pool: str, weights: Mapping[int, int]) -> None:
        wanted = self._holder.world.with_weights(pool, weights)
        await self._tables.prepare(wanted.config, wanted.weighed)
        wanted = self._holder.world.with_weights(pool, weights)
        if wanted.published != self._holder.world.published:
            self._holder.world = wanted
            self._holder.publish_soon()

    async def _meet_table(self, pool: str, packed: Packed, addresses: tuple[str, ...]) -> None:
        conf = self._holder.world.config.pools.get(pool)
        if conf is not None:
            self._own(pool, await asyncio.to_thread(table_from, pool, conf, packed, addresses))
