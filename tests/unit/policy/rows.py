"""Short ways to write snapshot rows."""

from types import SimpleNamespace

from nginy._fast.testpolicy import Chooser

from nginy._fast import door

RINGS = ("ring", "bounded_ring", "hash_preserve")
TABLES = (*RINGS, "maglev", "bounded_maglev")
USUAL = {
    "jump_load": dict(low_ms=500, high_ms=2000), "bounded_ring": dict(factor=1250), "bounded_maglev": dict(factor=1250),
}


def backend(
    id, *, pool=0, tier=0, weight=1, state="ready", verdict="unknown", max_conns=0, since_ms=0, address=None
):
    address = address or ("127.0.0.1", 1 + id % 65535)
    return SimpleNamespace(
        id=id,
        pool=pool,
        tier=tier,
        weight=weight,
        state=door.STATES[state],
        verdict=door.VERDICTS[verdict],
        max_conns=max_conns,
        sockaddr=door.pack_sockaddr(*address),
        node_hash=door.name_hash("{}:{}".format(*address)),
        since_ms=since_ms,
    )


def key(kind="session", **changes):
    row = dict(kind=door.KEYS[kind], offset=0, n_bytes=0, cid_bytes=0, ring=0, value=b"")
    return SimpleNamespace(**row | changes)


def pool(id=0, policy="round_robin", **changes):
    row = dict(
        id=id,
        policy=door.POLICIES[policy],
        on_down_reset=False,
        is_quickack=False,
        is_fastopen=False,
        congestion="",
        proxy_out=0,
        is_transparent=False,
        members=(),
        key=key(),
        deadline_ms=0,
        asks_key=False,
        slow_ms=0,
        slow_least=0,
        factor=0,
        low_ms=0,
        high_ms=0,
        saturated=0,
        has_map=False,
        kept=64,
        kept_idle_ms=60000,
        kept_age_ms=0,
        sticky=None,
        load_name=b"",
    )
    return SimpleNamespace(**row | changes)


def listener(id=0, **changes):
    row = dict(
        id=id,
        pool=0,
        connect_ms=1000,
        idle_ms=60000,
        half_close_ms=60000,
        drain_ms=0,
        max_sessions=0,
        retries=2,
        keepalive_s=0,
        is_half_close=True,
        is_splice=True,
        is_deferred=False,
        preread=0,
        preread_bytes=0,
        preread_ms=0,
        routes=None,
        udp=None,
        http=None,
        handshake_ms=0,
        name_hash=0,
    )
    return SimpleNamespace(**row | changes)


def http(**changes):
    row = dict(head_ms=1000, kept_ms=1000, response_ms=1000, requests=0, block=b"", caps=None)
    return SimpleNamespace(**row | changes)


def udp(**changes):
    row = dict(
        flows_max=1024,
        requests=0,
        responses=door.NO_BOUND,
        key=key("tuple"),
        server_offset=0,
        server_bytes=0,
        source_flows=0,
        source_rate=0,
        flow_rate=0,
        datagram_rate=0,
        bandwidth=0,
        check=door.CHECKS["none"],
        is_reuse=False,
        nets=(),
        cids=(),
    )
    return SimpleNamespace(**row | changes)


def socket_row(sock_id=0, listener=0, slot=0, is_wildcard=False):
    return SimpleNamespace(sock_id=sock_id, listener=listener, slot=slot, is_wildcard=is_wildcard)


def block(backends, policy="round_robin", **parts):
    return door.pack_snapshot(
        parts.pop("gen", 1),
        parts.pop("listeners", [listener()]),
        parts.pop("pools", [pool(policy=policy)]),
        backends,
        parts.pop("sockets", []),
        **parts,
    )


def table_of(backends, policy, *, pool=0, ring="own", size=4099):
    """The published table of a pool, as control builds it."""
    parts = []
    for tier in sorted({row.tier for row in backends if row.weight}):
        rows = [row for row in backends if row.tier == tier and row.weight]
        names, weights = [door.format_sockaddr(row.sockaddr) for row in rows], [row.weight for row in rows]
        kind = "ring" if policy in RINGS else "maglev"
        shape = door.build_shape(kind, names, weights, ring=door.RINGS[ring], size=size)
        parts.append((tier, shape, [row.id for row in rows]))
    return door.pack_table(pool, parts)


def over(backends, policy, *, seed=1, phase=0, **changes):
    """A worker's choices over these backends, with the policy's usual parameters and its table."""
    chooser = Chooser(block(backends, pools=[pool(policy=policy, **USUAL.get(policy, {}) | changes)]), seed, phase)
    if policy in TABLES and any(row.weight for row in backends):
        chooser.adopt(table_of(backends, policy))
    return chooser
