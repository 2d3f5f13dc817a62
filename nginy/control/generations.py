"""The world as it is published now, and the only two ways to change it: a new configuration, new addresses.

Nothing that can fail touches what runs: sockets are bound and the block is built before the first worker
hears of it.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from nginy._fast import door
from nginy.backend.owntables import Kept
from nginy.backend.registry import BackendKey, Resolved
from nginy.backend.snapshot import build_snapshot
from nginy.backend.tables import TooLargeError
from nginy.control.arrivals import Arrivals
from nginy.control.certificates import Certificates
from nginy.control.channel import Publication
from nginy.control.listeners import Group, inodes_of, open_group
from nginy.control.plan import BindPlan, BindWish, plan_binds, wanted_binds
from nginy.control.publish import Content, Publisher
from nginy.control.tables import Tables
from nginy.control.wishes import Wishes
from nginy.control.world import IdBook, World, published_in, still_published
from nginy.errors import NginyError
from nginy.model import Config


class Generations:
    """Owns the world's sockets and the snapshot. Loop's thread only.

    verdicts(resolved): what to say about each backend.   notes(world, since): control's own notes for the block.
    deliver(publication): send it to the workers.   inherited: descriptors of socket activation by name.
    since: of an earlier control, for slow start.
    """

    def __init__(
        self,
        board: door.Board,
        world: World,
        generation: int,
        *,
        verdicts: Callable[[Resolved], Mapping[BackendKey, str]],
        notes: Callable[[World, Mapping[BackendKey, int]], bytes],
        deliver: Callable[[Publication], None],
        on_trouble: Callable[[Exception], None],
        inherited: Mapping[str, Sequence[int]],
        certificates: Certificates,
        since: Mapping[BackendKey, int] = MappingProxyType({}),
        kept: Kept = MappingProxyType({}),
        secret: bytes = b"",
    ) -> None:
        """world, generation, kept: what is adopted; empty and 0 for a fresh start.   secret: of sticky cookies, where a
        pool has none."""
        self._secret = secret
        self.world = world
        self._book = IdBook(board)
        self._slots = board.slots
        self._verdicts = verdicts
        self._notes = notes
        self._inherited = inherited
        self._arrivals = Arrivals(since)
        self.certificates = certificates
        self._tables = Tables()
        self._tables.restore(kept)
        self._publisher = Publisher(self._build, self._delivered(deliver), on_trouble, generation)
        self._on_trouble = on_trouble
        self.wishes = Wishes(self, self._tables, on_trouble)
        self._moving: asyncio.Task[None] | None = None
        self._weighed = world  # the last one that was weighed, and what came of it
        self._resolved = world.weighed
        self._closing: list[tuple[int, Group]] = []  # (first generation without it, removed sockets)

    @property
    def number(self) -> int:
        return self._publisher.generation

    @property
    def current(self) -> Publication | None:
        return self._publisher.current

    @property
    def own(self) -> Kept:
        """Tables that programs have published."""
        return self._tables.kept

    @property
    def since(self) -> Mapping[BackendKey, int]:
        """When backends came up, monotonic milliseconds, of those that slow start holds back."""
        return self._arrivals.since_ms

    async def prepare(self, config: Config, resolved: Resolved) -> None:
        """Build the tables that a change will need, off the loop. Errors: NginyError for one that is too large."""
        published = still_published(published_in(self.world), config)
        wanted = replace(self.world, config=config, resolved=resolved, published=published)
        try:
            await self._tables.prepare(config, wanted.weighed)
        except TooLargeError as error:
            raise NginyError(f"cannot build a table: {error}") from error

    def _delivered(self, deliver: Callable[[Publication], None]) -> Callable[[Publication], None]:
        def settled(publication: Publication) -> None:
            deliver(publication)
            self._tables.settle()  # every channel holds the fresh ones by now
            self.certificates.settle()

        return settled

    def change(self, config: Config, resolved: Resolved, adopted_by_all: int) -> int:
        """Make this configuration the next generation and publish it now. -> its number.

        Errors: StartError for a bind that fails, NginyError, ValueError; everything is as before then.
        """
        before = self.world
        wishes = wanted_binds(config)
        plan = plan_binds({key: group.wish for key, group in before.groups.items()}, wishes)
        kept = {**before.groups, **self._revivable(plan)}
        opened = self._open([wish for wish in plan.open if wish.key not in kept])
        groups = {wish.key: opened.get(wish.key) or replace(kept[wish.key], wish=wish) for wish in wishes}
        try:
            wanted = World(config, resolved, before.ids, groups, still_published(published_in(before), config))
            self.world = self._book.assign(wanted, self.number + 1, adopted_by_all)
            self._tables.forget(before.config)
            self._publisher.publish()
        except BaseException:
            self.world = before
            _drop(opened.values())
            raise
        self._settle(kept, plan)
        return self.number

    def revert(self, before: World) -> int:
        """Workers refused the current world: publish an earlier one again, whose sockets are still open."""
        refused, self.world = self.world, before
        self._publisher.publish()
        for key, group in refused.groups.items():
            if key in before.groups and before.groups[key].wish != group.wish:
                group.tune(before.groups[key].wish)
        kept = set(before.groups)
        self._closing = [(gen, group) for gen, group in self._closing if group.wish.key not in kept]
        self._closing += [(self.number, group) for key, group in refused.groups.items() if key not in kept]
        return self.number

    def readdress(self, resolved: Resolved, adopted_by_all: int) -> None:
        """Names have other addresses: publish soon. Errors: NginyError when ids are used up."""
        moved = replace(self.world, resolved=resolved)
        self.world = self._book.assign(moved, self.number + 1, adopted_by_all)
        if self._moving is not None:
            self._moving.cancel()
        self._moving = asyncio.get_running_loop().create_task(self._move())

    async def _move(self) -> None:
        """Other addresses make other tables: these first."""
        try:
            await self._tables.prepare(self.world.config, self.world.weighed)
        except (TooLargeError, MemoryError) as error:
            self._on_trouble(error)  # addresses matter more: workers do without the table
        self._publisher.publish_soon()

    def publish_soon(self) -> None:
        """Something that the block is built from has changed."""
        self._publisher.publish_soon()

    def sweep(self, adopted_by_all: int) -> None:
        """Close removed sockets that no worker serves any more, and see whether certificates have changed."""
        for gen, group in self._closing:
            if gen <= adopted_by_all:
                group.close()
        self._closing = [(gen, group) for gen, group in self._closing if gen > adopted_by_all]
        if self.certificates.look(self.world.config, self.world.ids):
            self.publish_soon()

    def close(self, *, is_end: bool) -> None:
        """Close control's copies of everything. is_end: nobody serves them any more, so files go as well."""
        self.wishes.close()
        if self._moving is not None:
            self._moving.cancel()
        self._publisher.close()
        self._tables.close()
        self.certificates.close()
        for group in [*self.world.groups.values(), *(group for _, group in self._closing)]:
            if is_end:
                group.unlink()
            group.close()
        self._closing = []

    def _revivable(self, plan: BindPlan) -> dict[str, Group]:
        """Removed datagram sockets that are wanted again and still open.

        Fresh ones would share the port with them, and the kernel would go on giving datagrams to those that nobody
        reads.
        """
        wanted = {wish.key for wish in plan.open if wish.kind == "udp"}
        return {group.wish.key: group for _, group in self._closing if group.wish.key in wanted}

    def _open(self, wishes: Sequence[BindWish]) -> dict[str, Group]:
        own = inodes_of([*self.world.groups.values(), *(group for _, group in self._closing)]) if wishes else set()
        opened: dict[str, Group] = {}
        try:
            for wish in wishes:
                opened[wish.key] = open_group(wish, self._slots, door.SHARED_SLOT, self._inherited, own)
        except BaseException:
            _drop(opened.values())
            raise
        return opened

    def _settle(self, held: Mapping[str, Group], plan: BindPlan) -> None:
        """held: all sockets that were open before the change, by key."""
        revived = [wish for wish in plan.open if wish.key in held]
        wanted = {wish.key for wish in revived}
        self._closing = [(gen, group) for gen, group in self._closing if group.wish.key not in wanted]
        for wish in [*plan.retune, *revived]:
            held[wish.key].tune(wish)
        for key in plan.close:
            group = held[key]
            # at once: a client that comes now must not queue where nobody looks any more
            group.unlink()
            self._closing.append((self.number, group))

    def _weigh_all(self) -> Resolved:
        """The same object as long as neither backends nor weights change, so that a health edge touches no table."""
        known, world = self._weighed, self.world
        if known.resolved is not world.resolved or known.published is not world.published:
            self._resolved = world.weighed
        self._weighed = world
        return self._resolved

    def _build(self, generation: int) -> Content:
        world = self.world
        weighed = self._weigh_all()
        sockets = world.sockets()
        verdicts = self._verdicts(world.resolved)
        since = self._arrivals.note(world.config, world.resolved, verdicts)
        block = build_snapshot(
            generation,
            world.config,
            world.ids,
            weighed,
            verdicts,
            [row for row, _ in sockets],
            meta=self._notes(world, since),
            workers=self._slots,
            mapped=self._tables.mapped(world.config),
            since=since,
            secret=self._secret,
        )
        tables = self._tables.refs(world.config, weighed, world.ids)
        listed = tuple((row.sock_id, fd) for row, fd in sockets)
        certs = self.certificates.ref(world.config, world.ids)
        return Content(block, listed, tables, self._tables.keepsake(), certs)


def _drop(groups: Iterable[Group]) -> None:
    for group in groups:
        group.unlink()
        group.close()
