"""Model, addresses and verdicts to the one block that workers read. Nothing is published here.

Units change here: seconds of the model become whole milliseconds, at least 1; "no cap" becomes 0.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Protocol

from nginy._fast import door
from nginy.backend.address import split_address
from nginy.backend.registry import BackendKey, ResolvedBackend
from nginy.model import Config, Listener, Pool

MS_MAX = 2**32 - 1


class Ids(Protocol):
    """Stable numbers for names. Errors: KeyError for a name that has none."""

    def listener(self, name: str) -> int: ...
    def pool(self, name: str) -> int: ...
    def backend(self, pool: str, address: str) -> int: ...


@dataclass(slots=True)
class UdpRow:
    """What only a UDP listener has, as one worker sees it: the door's stub says what each field means."""

    flows_max: int
    requests: int
    responses: int
    key_kind: int
    key_offset: int
    key_bytes: int
    cid_bytes: int
    source_flows: int
    source_rate: int
    flow_rate: int
    datagram_rate: int
    bandwidth: int
    check: int
    is_reuse: bool
    is_gro: bool
    nets: Sequence[tuple[bytes, int]] = ()
    cids: Sequence[tuple[int, int]] = ()


@dataclass(slots=True)
class ListenerRow:
    """A listener as workers see it; half_close_ms is inactivity of the remaining direction."""

    id: int
    pool: int
    connect_ms: int
    idle_ms: int
    half_close_ms: int
    drain_ms: int
    max_sessions: int
    retries: int
    keepalive_s: int
    is_half_close: bool
    is_splice: bool
    is_deferred: bool
    udp: UdpRow | None = None


@dataclass(slots=True)
class PoolRow:
    """A pool as workers see it; policy is the door's code. congestion: empty for the system's."""

    id: int
    policy: int
    on_down_reset: bool
    is_quickack: bool
    is_fastopen: bool
    congestion: str
    proxy_out: int = 0
    is_transparent: bool = False


@dataclass(slots=True)
class BackendRow:
    """A backend as workers see it; state and verdict are the door's codes."""

    id: int
    pool: int
    tier: int
    weight: int
    state: int
    verdict: int
    max_conns: int
    sockaddr: bytes


@dataclass(slots=True)
class SocketRow:
    """Which worker slot serves a listening socket; door.SHARED_SLOT for all of them."""

    sock_id: int
    listener: int
    slot: int
    is_wildcard: bool = False


@dataclass(slots=True)
class Rows:
    """Everything but the sockets, in configured order."""

    listeners: list[ListenerRow]
    pools: list[PoolRow]
    backends: list[BackendRow]


def build_rows(
    config: Config,
    ids: Ids,
    resolved: Mapping[str, Sequence[ResolvedBackend]],
    verdicts: Mapping[BackendKey, str],
) -> Rows:
    """The rows of one generation. A backend without a verdict is unknown.

    Errors: KeyError for a name without an id, an unresolved pool or a policy that the data plane lacks.
    """
    rows = Rows([], [], [])
    for name, listener in config.listeners.items():
        rows.listeners.append(_listener_row(listener, ids.listener(name), ids.pool(listener.pool)))
    for name, pool in config.pools.items():
        rows.pools.append(_pool_row(pool, ids.pool(name)))
        rows.backends.extend(_backend_rows(name, pool, ids, resolved[name], verdicts))
    return rows


def build_snapshot(
    gen: int,
    config: Config,
    ids: Ids,
    resolved: Mapping[str, Sequence[ResolvedBackend]],
    verdicts: Mapping[BackendKey, str],
    sockets: Sequence[SocketRow],
    *,
    meta: bytes = b"",
) -> bytes:
    """One generation as a block. sockets: SocketRow or alike.   meta: control's own notes, carried along.

    Errors: as build_rows; ValueError for what the layout cannot hold.
    """
    rows = build_rows(config, ids, resolved, verdicts)
    return door.pack_snapshot(
        gen,
        rows.listeners,
        rows.pools,
        rows.backends,
        sockets,
        access_log=config.runtime.access_log.output != "off",
        drain_ms=to_ms(config.runtime.drain),
        meta=meta,
    )


def to_ms(seconds: float) -> int:
    """Whole milliseconds; at least 1, because 0 would mean "never" to a timer."""
    return min(max(round(seconds * 1000), 1), MS_MAX)


@lru_cache(maxsize=door.MAX_BACKENDS)
def pack_address(address: str) -> bytes:
    """The sockaddr of a literal canonical address. Errors: ValueError."""
    place = split_address(address)
    if place.path:
        return door.pack_sockaddr_unix(place.path)
    return door.pack_sockaddr(place.host, place.port)


def _listener_row(listener: Listener, id: int, pool: int) -> ListenerRow:
    timeouts, limits = listener.timeouts, listener.limits
    return ListenerRow(
        id=id,
        pool=pool,
        connect_ms=to_ms(timeouts.connect),
        idle_ms=to_ms(timeouts.idle),
        half_close_ms=to_ms(timeouts.half_close),
        drain_ms=to_ms(timeouts.drain) if timeouts.drain is not None else 0,
        max_sessions=limits.sessions or 0,
        retries=limits.retries,
        keepalive_s=ceil(listener.keepalive) if listener.keepalive else 0,
        is_half_close=listener.half_close,
        is_splice=listener.splice == "auto",
        is_deferred=listener.tcp.defer_accept is not None,
    )


def _pool_row(pool: Pool, id: int) -> PoolRow:
    is_reset = pool.health is not None and pool.health.on_down == "reset"
    return PoolRow(
        id=id,
        policy=door.POLICIES[pool.policy.kind],
        on_down_reset=is_reset,
        is_quickack=pool.tcp.quickack,
        is_fastopen=pool.tcp.fastopen,
        congestion=pool.tcp.congestion or "",
    )


def _backend_rows(
    name: str,
    pool: Pool,
    ids: Ids,
    resolved: Sequence[ResolvedBackend],
    verdicts: Mapping[BackendKey, str],
) -> Iterator[BackendRow]:
    pool_id = ids.pool(name)
    unknown = "down" if pool.health is not None and pool.health.start == "down" else "unknown"
    codes = {**door.VERDICTS, "unknown": door.VERDICTS[unknown]}
    # Without checks nothing is known, whatever an earlier configuration found out.
    known = verdicts if pool.health is not None else {}
    for backend in resolved:
        yield BackendRow(
            id=ids.backend(name, backend.address),
            pool=pool_id,
            tier=backend.tier,
            weight=backend.weight,
            state=door.STATES[backend.state],
            verdict=codes[known.get(backend.key, "unknown")],
            max_conns=backend.max_conns or 0,
            sockaddr=pack_address(backend.address),
        )
