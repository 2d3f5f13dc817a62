"""From a configuration to workers that serve it: a fresh start, or workers that an earlier control has left.

Whatever fails on the way, everything taken so far is given back in the opposite order.
"""

import asyncio
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass

from nginy._fast import door
from nginy.backend.events import EventLog
from nginy.backend.registry import BackendKey, Resolved
from nginy.control import limits
from nginy.control.adopt import Left, find_left, write_notes
from nginy.control.bury import bury
from nginy.control.certificates import Certificates
from nginy.control.channel import Publication
from nginy.control.datagrams import check_transparent, short_queues
from nginy.control.flows import flow_bounds
from nginy.control.generations import Generations
from nginy.control.health import Health
from nginy.control.ids import Ids
from nginy.control.options import check_congestion, drawn_secrets, idle_options
from nginy.control.plan import SLOTTED, wanted_binds
from nginy.control.policies import Policies
from nginy.control.policyhost import HostOrder
from nginy.control.rejoin import RejoinPaths
from nginy.control.seats import Seat
from nginy.control.spawn import Spawner, SpawnKind, WorkerOrder
from nginy.control.workers import Crew
from nginy.control.world import World, still_published
from nginy.model import Config

ADOPT_TIMEOUT_S = 5.0
SECRET_BYTES = 32
POLICIES_TIMEOUT_S = 5.0  # then clients are served all the same, by the fallbacks


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be launched. on_death(seat): a worker has died unasked; its counters are folded already.

    folder: where policies in Python are looked for first.
    """

    config: Config
    spawn: SpawnKind
    rejoin: RejoinPaths | None
    inherited: Mapping[str, Sequence[int]]
    log: EventLog
    on_death: Callable[[Seat], None]
    folder: str


@dataclass(slots=True)
class Parts:
    """A running nginy. room: what the descriptors suffice for.   drops_root: workers are not root."""

    board: door.Board
    health: Health
    crew: Crew
    generations: Generations
    policies: Policies
    started_s: float
    is_adopted: bool
    room: limits.Room
    spawn: SpawnKind
    drops_root: bool

    def check(self, config: Config) -> None:
        """Does this machine allow what a configuration asks for? Errors: StartError."""
        limits.check_caps(config, self.room)
        check_congestion(config, drops_root=self.drops_root)
        check_transparent(config, drops_root=self.drops_root)

    def warnings(self) -> list[str]:
        """What the current configuration asks for in vain on this machine."""
        world = self.generations.world
        return [*idle_options(world.config), *short_queues(world.datagram_sockets()), *drawn_secrets(world.config)]

    def tell_flows(self, emit: Callable[..., object]) -> None:
        """Say how many UDP flows each listener may have, and which of them got shorter queues than asked for."""
        world = self.generations.world
        room = room_of(world.config, self.room.limit, self.room.workers, self.spawn)
        for bound in flow_bounds(world.config, room, door.local_ports()):
            emit("flow_bound", **asdict(bound))
        for why in short_queues(world.datagram_sockets()):
            emit("receive_queue_short", level="warning", why=why)

    async def resolve(self, config: Config) -> Resolved:
        """Look names up and build tables, so that `publish` waits for nothing. Errors: ConfigError, NginyError."""
        resolved = await self.health.resolve(config)
        await self.generations.prepare(config, resolved)
        return resolved

    def publish(self, config: Config, resolved: Resolved) -> int:
        """Make this configuration the current generation, and keep its backends fresh.

        Errors: Generations.change.
        """
        number = self.generations.change(config, resolved, self.crew.adopted_by_all())
        self.health.follow(config)
        self.health.check(config, resolved)
        return number

    def readdress(self) -> None:
        """The resolver has found other addresses."""
        self.generations.readdress(self.health.resolved, self.crew.adopted_by_all())
        self.health.check(self.generations.world.config, self.health.resolved)

    def sweep(self) -> None:
        self.generations.sweep(self.crew.adopted_by_all())


async def launch(order: Order, now_s: float) -> Parts:
    """Everything running and adopted by the workers. now_s: wall clock.

    Errors: ConfigError for a name without an address; StartError for what this machine refuses. Adopted
    workers go on alone then, others are gone.
    """
    async with AsyncExitStack() as undo:
        left = await find_left(order.rejoin) if order.rejoin is not None else None
        if left is not None:
            undo.callback(left.close)
        board_fd, board = _open_board(order.config, left)
        undo.callback(board.close)
        parts: Parts
        health = Health(
            lambda: parts.generations.publish_soon(),
            lambda _: parts.readdress(),
            order.log,
            left.notes.answers if left is not None else None,
        )
        undo.push_async_callback(health.stop)
        resolved = await health.resolve(order.config)
        room, worker = _measure(order, board.slots)
        if left is None:
            _tell_bounds(order, room, worker)
        spawner = Spawner(order.spawn, worker, board_fd, order.rejoin)
        policies = Policies(
            board, board_fd, _host_order(order, worker), order.spawn, emit=order.log.event,
            hand=lambda: parts.crew.hand_mail(), verdicts=health.verdicts,
            published=lambda pool, table: parts.generations.wishes.take(pool, table),
        )  # fmt: skip
        undo.push_async_callback(policies.stop)
        crew = Crew(
            spawner, board, order.log.event, lambda: parts.generations.current, order.on_death, policies.mail
        )
        started_s = left.notes.started_s if left is not None else now_s

        def deliver(publication: Publication) -> None:
            crew.offer(publication)
            policies.follow(parts.generations.world)

        generations = _make_generations(order, board, health, deliver, left, started_s)
        undo.callback(lambda: generations.close(is_end=left is None))
        is_adopted, drops_root = left is not None, worker.uid > 0
        parts = Parts(
            board, health, crew, generations, policies, started_s, is_adopted, room, order.spawn, drops_root
        )
        undo.push_async_callback(_abandon, crew, order.rejoin)
        if left is not None:
            await _adopt(order, parts, left)
        await parts.generations.prepare(order.config, resolved)
        parts.publish(order.config, resolved)
        parts.tell_flows(order.log.event)
        await policies.wait_ready(POLICIES_TIMEOUT_S)
        if left is None:
            await crew.start()
        crew.replace_dead()
        await crew.wait_adopted(generations.number, ADOPT_TIMEOUT_S)
        undo.pop_all()
    return parts


def _host_order(order: Order, worker: WorkerOrder) -> HostOrder:
    return HostOrder((order.folder,), order.config.runtime.policy_memory, worker.uid, worker.gid)


def _open_board(config: Config, left: Left | None) -> tuple[int, door.Board]:
    slots = left.notes.slots if left is not None else limits.count_workers(config)
    fd = left.board_fd if left is not None else door.board_create(slots)
    return fd, door.Board(fd, slots)


def _measure(order: Order, slots: int) -> tuple[limits.Room, WorkerOrder]:
    """What there is, and what of it each worker gets. Errors: StartError when that is less than is asked for."""
    room = room_of(order.config, limits.raise_descriptor_limit(), slots, order.spawn)
    worker = limits.worker_order(order.config, room, order.spawn)
    check_congestion(order.config, drops_root=worker.uid > 0)
    check_transparent(order.config, drops_root=worker.uid > 0)
    for why in drawn_secrets(order.config):
        order.log.event("secret_drawn", "warning", why=why)
    for why in idle_options(order.config):
        order.log.event("option_idle", "warning", why=why)
    if order.config.runtime.spin and not worker.is_spin:
        cpus = len(os.sched_getaffinity(0))
        order.log.event("spin_off", "warning", cpus=cpus, workers=slots, why="control needs a CPU of its own")
    return room, worker


def room_of(config: Config, limit: int, slots: int, spawn: SpawnKind) -> limits.Room:
    """What so many descriptors suffice for, next to the listening sockets of this configuration."""
    n_sockets = sum(slots if wish.kind in SLOTTED else 1 for wish in wanted_binds(config))
    return limits.make_room(config, limit, slots, n_sockets, spawn)


def _tell_bounds(order: Order, room: limits.Room, worker: WorkerOrder) -> None:
    """How much memory the workers can take: what the configuration allows, not what they use."""
    sessions_bytes = worker.sessions_max * door.SESSION_BYTES
    per_worker = sessions_bytes + worker.buffers_bytes + worker.pipes_bytes
    order.log.event(
        "memory_bound", workers=room.workers, sessions=worker.sessions_max, sessions_bytes=sessions_bytes,
        buffers_bytes=worker.buffers_bytes, pipes_bytes=worker.pipes_bytes, total_bytes=per_worker * room.workers,
    )  # fmt: skip


def _make_generations(
    order: Order,
    board: door.Board,
    health: Health,
    deliver: Callable[[Publication], None],
    left: Left | None,
    started_s: float,
) -> Generations:
    def notes(world: World, since: Mapping[BackendKey, int]) -> bytes:
        verdicts = health.verdicts(world.resolved)
        down = [(key.pool, key.address) for key, verdict in verdicts.items() if verdict == "down"]
        return write_notes(world, board.slots, started_s, health.answers, down, since, secret)

    secret = left.notes.secret if left is not None and left.notes.secret else secrets.token_bytes(SECRET_BYTES)
    world = World(order.config, {}, Ids.empty())
    if left is not None:
        published = still_published(left.notes.published, order.config)
        world = World(order.config, {}, left.notes.ids, left.groups, published)
    return Generations(
        board,
        world,
        left.generation if left is not None else 0,
        since=left.notes.since if left is not None else {},
        kept=left.kept if left is not None else {},
        secret=secret,
        verdicts=health.verdicts,
        notes=notes,
        deliver=deliver,
        on_trouble=lambda error: order.log.event("publish_failed", "error", reason=str(error)),
        inherited=order.inherited,
        certificates=Certificates(order.log.event, forbids_dumps=order.spawn == "process"),
    )


async def _adopt(order: Order, parts: Parts, left: Left) -> None:
    """Take the living workers over; make sure that the others are dead."""
    parts.health.inherit(left.notes.down)
    living = set()
    for worker in left.workers:
        try:
            parts.crew.adopt(worker.slot, worker.sock, worker.pid, worker.generation, worker.sockets)
            living.add(worker.slot)
        except OSError:
            worker.close()  # ended between its greeting and now
    for slot in set(range(parts.board.slots)) - living:
        lost = await asyncio.to_thread(bury, parts.board, left.board_fd, slot)
        order.log.event("worker_died", "warning", slot=slot, status="unknown status", sessions_lost=lost)
    order.log.event("adopted", workers=sorted(living), generation=left.generation)
    wanted = limits.count_workers(order.config)
    if wanted != parts.board.slots:
        order.log.event("workers_kept", "warning", workers=parts.board.slots, wanted=wanted)


async def _abandon(crew: Crew, rejoin: RejoinPaths | None) -> None:
    await crew.abandon()
    if rejoin is not None:
        rejoin.remove_bound()
