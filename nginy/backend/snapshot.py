"""Model, addresses and verdicts to the one block that workers read. Nothing is published here.

Units change here: seconds of the model become whole milliseconds, at least 1; "no cap" becomes 0.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from ipaddress import ip_network
from math import ceil
from types import MappingProxyType
from typing import Protocol

from nginy._fast import door
from nginy.backend.address import split_address
from nginy.backend.httprow import http_row
from nginy.backend.registry import BackendKey, ResolvedBackend
from nginy.backend.routing import preread_of, routes_of, to_ms
from nginy.backend.rows import BackendRow, KeyRow, ListenerRow, PoolRow, Rows, SocketRow, UdpRow
from nginy.backend.sticky import sticky_of
from nginy.backend.tables import ring_of
from nginy.model import (
    BoundedMaglev,
    BoundedRing,
    ByKey,
    BytesKey,
    CallKey,
    CidServer,
    Config,
    ConnectionIdKey,
    ConstantKey,
    CookieKey,
    HashPreserve,
    HeaderKey,
    JumpLoad,
    Key,
    Listener,
    Native,
    PathKey,
    Pool,
    QueryKey,
    QuicCidKey,
    SessionKey,
)


class Ids(Protocol):
    """Stable numbers for names. Errors: KeyError for a name that has none."""

    def listener(self, name: str) -> int: ...
    def pool(self, name: str) -> int: ...
    def backend(self, pool: str, address: str) -> int: ...


def build_rows(
    config: Config,
    ids: Ids,
    resolved: Mapping[str, Sequence[ResolvedBackend]],
    verdicts: Mapping[BackendKey, str],
    *,
    workers: int = 1,
    since: Mapping[BackendKey, int] = MappingProxyType({}),
    mapped: Collection[str] = (),
    secret: bytes = b"",
) -> Rows:
    """The rows of one generation. A backend without a verdict is unknown.

    workers: among how many the limits of flows and datagrams are divided.   since: when a backend came up, monotonic
    milliseconds, for slow start.   mapped: pools whose published tables name single keys.   secret: for sticky cookies
    of pools that have none of their own.
    Errors: KeyError for a name without an id, an unresolved pool or a policy that the data plane lacks.
    """
    rows = Rows([], [], [])
    for name, listener in config.listeners.items():
        row = _listener_row(name, listener, ids)
        if listener.protocol == "http":
            row.http = http_row(name, listener, ids.pool, workers)
        if listener.protocol == "udp":
            reached = [entry for pool in config.leaves(*listener.pools) for entry in resolved[pool]]
            row.udp = _udp_row(listener, ids, reached, workers)
        rows.listeners.append(row)
    for name, pool in config.pools.items():
        rows.pools.append(_group_row(config, name, ids) if pool.of else _pool_row(pool, ids.pool(name)))
        rows.pools[-1].sticky = sticky_of(pool, secret)
        rows.pools[-1].has_map = name in mapped
        rows.backends.extend(_backend_rows(name, pool, ids, resolved[name], verdicts, since))
    return rows


def build_snapshot(
    gen: int,
    config: Config,
    ids: Ids,
    resolved: Mapping[str, Sequence[ResolvedBackend]],
    verdicts: Mapping[BackendKey, str],
    sockets: Sequence[SocketRow],
    *,
    workers: int = 1,
    since: Mapping[BackendKey, int] = MappingProxyType({}),
    mapped: Collection[str] = (),
    secret: bytes = b"",
    meta: bytes = b"",
) -> bytes:
    """One generation as a block. sockets: SocketRow or alike.   meta: control's own notes, carried along.

    workers, since, mapped, secret: as build_rows.   Errors: as build_rows; ValueError for what the layout cannot hold.
    """
    rows = build_rows(config, ids, resolved, verdicts, workers=workers, since=since, mapped=mapped, secret=secret)
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


@lru_cache(maxsize=door.MAX_BACKENDS)
def pack_address(address: str) -> bytes:
    """The sockaddr of a literal canonical address. Errors: ValueError."""
    place = split_address(address)
    if place.path:
        return door.pack_sockaddr_unix(place.path)
    return door.pack_sockaddr(place.host, place.port)


def _listener_row(name: str, listener: Listener, ids: Ids) -> ListenerRow:
    timeouts, limits = listener.timeouts, listener.limits
    is_udp = listener.protocol == "udp"
    return ListenerRow(
        id=ids.listener(name),
        pool=-1 if listener.default_pool is None else ids.pool(listener.default_pool),
        connect_ms=to_ms(timeouts.connect),
        idle_ms=to_ms(listener.session.idle if is_udp else timeouts.idle),
        half_close_ms=to_ms(timeouts.half_close),
        drain_ms=to_ms(timeouts.drain) if timeouts.drain is not None else 0,
        max_sessions=limits.sessions or 0,
        retries=limits.retries,
        keepalive_s=ceil(listener.keepalive) if listener.keepalive else 0,
        is_half_close=listener.half_close,
        is_splice=listener.splice == "auto",
        is_deferred=listener.tcp.defer_accept is not None,
        name_hash=door.name_hash(name),
        **preread_of(listener.preread),
        routes=routes_of(listener, ids.pool),
        handshake_ms=to_ms(timeouts.handshake) if listener.tls is not None else 0,
    )


def _udp_row(listener: Listener, ids: Ids, resolved: Sequence[ResolvedBackend], workers: int) -> UdpRow:
    session, limits = listener.session, listener.limits
    key, responses = session.key, session.expected_responses
    server = key.server if isinstance(key, QuicCidKey) else None
    # All flows of a source meet on one worker then: nothing is left to divide.
    sharing = 1 if key.kind == "source" else workers
    return UdpRow(
        flows_max=session.max,
        # where no answer is awaited each datagram ends its flow: those of one batch must not share it by chance
        requests=session.requests or int(responses == 0 or session.check == "dns"),
        responses=door.NO_BOUND if responses is None else responses,
        key=key_row(key),
        server_offset=server.offset if server else 0,
        server_bytes=server.length if server else 0,
        source_flows=_share(limits.flows_per_source, sharing),
        source_rate=_share(limits.flow_rate_per_source, sharing),
        flow_rate=_share(limits.flow_rate, workers),
        datagram_rate=_share(limits.datagram_rate, workers),
        bandwidth=_share(limits.bandwidth, workers),
        check=door.CHECKS[session.check],
        is_reuse=session.reuse,
        nets=_nets(listener),
        cids=_cids(server, ids, resolved) if server else (),
    )


def key_row(key: SessionKey | Key) -> KeyRow:
    """A key of the configuration as workers see it."""
    row = KeyRow(door.KEYS["session" if isinstance(key, CallKey) else key.kind])  # until a class says more
    if isinstance(key, BytesKey):
        row.offset, row.n_bytes = key.offset, key.length
    elif isinstance(key, QuicCidKey | ConnectionIdKey):
        row.cid_bytes = key.length
    elif isinstance(key, ConstantKey):
        row.value = key.value.encode("ascii")
    elif isinstance(key, HeaderKey | CookieKey | QueryKey):
        row.value = key.name.encode("ascii")
    elif isinstance(key, PathKey):
        row.offset, row.n_bytes = key.segments or 0, int(key.query)
    return row


def _share(limit: int | None, workers: int) -> int:
    """What one of so many workers may use of a limit, so that all of them reach it; 0 = no limit."""
    return -(-limit // workers) if limit else 0


def _nets(listener: Listener) -> list[tuple[bytes, int]]:
    """The networks whose PROXY headers are believed, IPv4 mapped into IPv6 (RFC 4291, section 2.5.5.2)."""
    trusted = listener.udp.proxy_protocol
    nets = []
    for network in map(ip_network, trusted.senders if trusted else ()):
        prefix, more_bits = (b"", 0) if network.version == 6 else (bytes(10) + b"\xff\xff", 96)
        nets.append((prefix + network.network_address.packed, network.prefixlen + more_bits))
    return nets


def _cids(server: CidServer, ids: Ids, resolved: Sequence[ResolvedBackend]) -> list[tuple[int, int]]:
    """Servers' ids with the ids of their backends, sorted. A host name means its first address."""
    first: dict[str, int] = {}
    for backend in resolved:
        first.setdefault(backend.key.name, ids.backend(backend.pool, backend.address))
    return sorted((int(id, 16), first[name]) for id, name in server.map.items() if name in first)


def _policy_key(policy: Native) -> KeyRow:
    """What a choice goes by; on a ring of another program the key is hashed as there."""
    row = key_row(policy.key) if isinstance(policy, ByKey) else KeyRow()
    row.ring = ring_of(policy)
    return row


def _pool_row(pool: Pool, id: int) -> PoolRow:
    is_reset = pool.health is not None and pool.health.on_down == "reset"
    policy, slow = pool.native, pool.slow_start
    return PoolRow(
        id=id,
        policy=door.POLICIES[policy.kind],
        on_down_reset=is_reset,
        is_quickack=pool.tcp.quickack,
        is_fastopen=pool.tcp.fastopen,
        kept=pool.http.kept,
        kept_idle_ms=to_ms(pool.http.idle),
        kept_age_ms=to_ms(pool.http.age) if pool.http.age is not None else 0,
        congestion=pool.tcp.congestion or "",
        key=_policy_key(policy),
        proxy_out=door.PROXY_OUT[pool.udp.proxy_protocol],
        is_transparent=pool.udp.transparent,
        deadline_ms=to_ms(pool.asked.deadline) if pool.asked is not None else 0,
        asks_key=isinstance(pool.asked, CallKey),
        slow_ms=to_ms(slow.window) if slow else 0,
        slow_least=round(slow.min * 1000) if slow else 0,
        factor=round(policy.factor * 1000) if isinstance(policy, BoundedRing | BoundedMaglev) else 0,
        low_ms=to_ms(policy.low) if isinstance(policy, JumpLoad) else 0,
        high_ms=to_ms(policy.high) if isinstance(policy, JumpLoad) else 0,
        load_name=(pool.load_header or "").encode("ascii"),
        saturated=policy.saturated or 0 if isinstance(policy, HashPreserve) else 0,
    )


def _group_row(config: Config, name: str, ids: Ids) -> PoolRow:
    """A group: its members, what any of them wants of the flows of a UDP listener, whether one of them asks a class."""
    members = config.pools[name].of
    rows = [_pool_row(config.pools[member.pool], ids.pool(member.pool)) for member in members]
    return replace(
        _pool_row(config.pools[name], ids.pool(name)),
        proxy_out=max(row.proxy_out for row in rows),
        is_transparent=any(row.is_transparent for row in rows),
        deadline_ms=max(row.deadline_ms for row in rows),
        members=[(row.id, member.weight) for row, member in zip(rows, members, strict=True)],
    )


def _backend_rows(
    name: str,
    pool: Pool,
    ids: Ids,
    resolved: Sequence[ResolvedBackend],
    verdicts: Mapping[BackendKey, str],
    since: Mapping[BackendKey, int],
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
            node_hash=door.name_hash(backend.address),
            since_ms=since.get(backend.key, 0) if pool.slow_start else 0,
        )
