"""The picture that status and metrics show: taken at one instant, safe to read from any thread."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from nginy._fast import door
from nginy.backend.registry import ResolvedBackend
from nginy.control.health import Health
from nginy.control.launch import Parts
from nginy.control.seats import Seat
from nginy.control.world import World

Counters = Mapping[str, Any]
"""One row of the board, summed as its view says; see the door's stub for the fields."""


@dataclass(frozen=True, slots=True)
class WorkerView:
    """sessions: live ones, by the slab's own count."""

    slot: int
    pid: int
    state: str
    adopted_gen: int
    sessions: int
    deaths: int
    counters: Counters


@dataclass(frozen=True, slots=True)
class ListenerView:
    """bind: where it really is. Counters over all workers, dead ones included.

    pool: who serves what no route is for, empty for nobody.   pools: all that it sends sessions to.

    datagrams: what only UDP counts, None for TCP.   receive_bytes: of its shortest receive queue, 0 for TCP.

    requests: what only HTTP counts, None for others.

    handshakes: what only TLS counts, None where clients speak in the clear.
    """

    id: int
    name: str
    bind: tuple[str, ...]
    pool: str
    counters: Counters
    protocol: str = "tcp"
    datagrams: Counters | None = None
    receive_bytes: int = 0
    pools: tuple[str, ...] = ()
    requests: Counters | None = None
    handshakes: Counters | None = None


@dataclass(frozen=True, slots=True)
class BackendView:
    """address: as configured.   resolved: the literal one.   last_check: text of the latest check, if any."""

    id: int
    address: str
    resolved: str
    weight: int
    tier: int
    state: str
    verdict: str
    last_check: str | None
    counters: Counters


@dataclass(frozen=True, slots=True)
class PoolView:
    """policy: `group` for one that is made of pools.   members: (pool, weight) of those.

    choices: what a class in Python was asked, None where none is.   requests: of HTTP listeners, if one leads here.
    """

    id: int
    name: str
    policy: str
    backends: tuple[BackendView, ...]
    choices: Counters | None = None
    members: tuple[tuple[str, int], ...] = ()
    requests: Counters | None = None


@dataclass(frozen=True, slots=True)
class PolicyProcessView:
    """The process that runs policies in Python. pid: 0 while none is at work.   replaced: by reason, how often."""

    pid: int
    replaced: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class View:
    """started_s: wall clock.   certificates: when each of those in use expires, seconds since the epoch."""

    state: str
    generation: int
    started_s: float
    uptime_s: float
    workers: tuple[WorkerView, ...]
    listeners: tuple[ListenerView, ...]
    pools: tuple[PoolView, ...]
    policy_process: PolicyProcessView = PolicyProcessView(0, MappingProxyType({}))
    certificates: Mapping[str, float] = field(default_factory=dict)


def take_view(state: str, parts: Parts) -> View:
    """Loop's thread only. Errors: ValueError once the board is closed."""
    board, health, world = parts.board, parts.health, parts.generations.world
    return View(
        state=state,
        generation=parts.generations.number,
        started_s=parts.started_s,
        uptime_s=max(0.0, time.time() - parts.started_s),
        workers=tuple(_worker_view(seat, board) for seat in parts.crew.seats),
        listeners=_listener_views(world, board),
        pools=_pool_views(world, board, health),
        policy_process=PolicyProcessView(parts.policies.pid, dict(parts.policies.replaced)),
        certificates=dict(parts.generations.certificates.expiry_s),
    )


def _worker_view(seat: Seat, board: door.Board) -> WorkerView:
    counters = board.worker(seat.slot)
    return WorkerView(
        slot=seat.slot,
        pid=seat.pid,
        state=seat.state,
        adopted_gen=seat.adopted_gen,
        sessions=counters["live"],
        deaths=seat.deaths,
        counters=counters,
    )


def _listener_views(world: World, board: door.Board) -> tuple[ListenerView, ...]:
    addresses, queues = world.addresses, world.receive_queues
    views = []
    for name, listener in world.config.listeners.items():
        number = world.ids.listener(name)
        bind, counters = tuple(addresses[name]), board.listener(number)
        datagrams = board.udp(number) if listener.protocol == "udp" else None
        requests = board.http(number) if listener.protocol == "http" else None
        handshakes = board.tls(number) if listener.tls is not None else None
        queue = queues.get(name, 0)
        pool, protocol = listener.default_pool or "", listener.protocol
        views.append(
            ListenerView(
                number, name, bind, pool, counters, protocol, datagrams, queue, listener.pools, requests, handshakes
            )
        )
    return tuple(views)


def _pool_views(world: World, board: door.Board, health: Health) -> tuple[PoolView, ...]:
    views = []
    asked_by_http = http_pools(world)
    for name, pool in world.config.pools.items():
        backends = tuple(_backend_view(entry, world, board, health) for entry in world.weighed[name])
        number = world.ids.pool(name)
        choices = board.pool(number) if pool.asked is not None else None
        members = tuple((member.pool, member.weight) for member in pool.of)
        policy = "group" if members else pool.policy.kind
        requests = board.http_pool(number) if name in asked_by_http else None
        views.append(PoolView(number, name, policy, backends, choices, members, requests))
    return tuple(views)


def http_pools(world: World) -> set[str]:
    """Pools that HTTP listeners send requests to: only their rows are memory that somebody uses."""
    listeners = world.config.listeners.values()
    return {name for listener in listeners if listener.protocol == "http" for name in listener.pools}


def _backend_view(entry: ResolvedBackend, world: World, board: door.Board, health: Health) -> BackendView:
    number = world.ids.backend(entry.pool, entry.address)
    last = health.last_check(entry.key)
    return BackendView(
        id=number,
        address=entry.key.name,
        resolved=entry.address,
        weight=entry.weight,
        tier=entry.tier,
        state=entry.state,
        verdict=health.verdict(entry.key),
        last_check=last.text if last is not None else None,
        counters=board.backend(number),
    )
