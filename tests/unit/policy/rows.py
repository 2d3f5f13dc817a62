"""Short ways to write snapshot rows."""

from types import SimpleNamespace

from nginy._fast import door


def backend(
    id, *, pool=0, tier=0, weight=1, state="ready", verdict="unknown", max_conns=0, address=("127.0.0.1", 80)
):
    return SimpleNamespace(
        id=id,
        pool=pool,
        tier=tier,
        weight=weight,
        state=door.STATES[state],
        verdict=door.VERDICTS[verdict],
        max_conns=max_conns,
        sockaddr=door.pack_sockaddr(*address),
    )


def key(kind="session", **changes):
    row = dict(kind=door.KEYS[kind], offset=0, n_bytes=0, cid_bytes=0, value=b"")
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
        key=key(),
        deadline_ms=0,
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
        udp=None,
        name_hash=0,
    )
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
