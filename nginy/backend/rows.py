"""The rows of a snapshot, as the door takes them. Units are those of the data plane."""

from collections.abc import Sequence
from dataclasses import dataclass

from nginy._fast import door


@dataclass(slots=True)
class KeyRow:
    """What to take as a key: the door's stub says what each field means."""

    kind: int = door.KEYS["session"]
    offset: int = 0
    n_bytes: int = 0
    cid_bytes: int = 0
    ring: int = 0
    value: bytes = b""


@dataclass(slots=True)
class UdpRow:
    """What only a UDP listener has, as one worker sees it: the door's stub says what each field means."""

    flows_max: int
    requests: int
    responses: int
    key: "door.KeyRow"
    server_offset: int
    server_bytes: int
    source_flows: int
    source_rate: int
    flow_rate: int
    datagram_rate: int
    bandwidth: int
    check: int
    is_reuse: bool
    nets: Sequence[tuple[bytes, int]] = ()
    cids: Sequence[tuple[int, int]] = ()


@dataclass(slots=True)
class CapsRow:
    """What clients of an HTTP listener may have of a request: the door's stub says what each field means."""

    head_bytes: int
    n_fields: int
    target_bytes: int
    body_bytes: int | None = None
    gap_ns: int = 0
    room_ns: int = 0
    body_ms: int = 60000
    request_ms: int = 0


@dataclass(slots=True)
class HttpRow:
    """What only an HTTP listener has: the door's stub says what each field means."""

    head_ms: int
    kept_ms: int
    response_ms: int
    requests: int = 0
    block: bytes = b""
    caps: "door.CapsRow | None" = None


@dataclass(slots=True)
class ListenerRow:
    """A listener as workers see it; pool: -1 for none; half_close_ms is inactivity of the remaining direction."""

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
    name_hash: int
    preread: int = door.PREREADS["off"]
    preread_bytes: int = 0
    preread_ms: int = 0
    routes: "door.RoutesRow | None" = None
    udp: "door.UdpRow | None" = None
    http: "door.HttpRow | None" = None
    handshake_ms: int = 0


@dataclass(slots=True)
class StickyRow:
    """Sticky cookies of a pool: the door's codes; secret: 16 bytes; max_age_s: 0 for none."""

    kind: int
    name: bytes
    secret: bytes
    max_age_s: int = 0
    is_secure: bool = False
    same_site: int = 0


@dataclass(slots=True)
class PoolRow:
    """A pool as workers see it; policy is the door's code. congestion: empty for the system's.

    deadline_ms: how long a class in Python is waited for, `policy` is its fallback then; 0: none is asked.
    asks_key: it is asked for a key, not for a backend.
    members: of a group, (pool id, weight).   load_name: of the field in which responses tell of load, b"" for none.
    """

    id: int
    policy: int
    on_down_reset: bool
    is_quickack: bool
    is_fastopen: bool
    congestion: str
    key: "door.KeyRow"
    proxy_out: int = 0
    is_transparent: bool = False
    deadline_ms: int = 0
    asks_key: bool = False
    slow_ms: int = 0
    slow_least: int = 0
    factor: int = 0
    low_ms: int = 0
    high_ms: int = 0
    saturated: int = 0
    members: Sequence[tuple[int, int]] = ()
    has_map: bool = False
    kept: int = 64
    kept_idle_ms: int = 60000
    kept_age_ms: int = 0
    sticky: "door.StickyRow | None" = None
    load_name: bytes = b""


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
    node_hash: int = 0
    since_ms: int = 0


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
