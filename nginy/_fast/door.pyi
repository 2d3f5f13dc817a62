"""The door: all that Python sees of the data plane. One module, one screen per class.

Errors: ValueError for a wrong argument, OSError for a refused system call. Nothing here blocks but Worker.run.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypedDict

LAYOUT_VERSION: int
MAX_WORKERS: int
MAX_LISTENERS: int
MAX_POOLS: int
MAX_BACKENDS: int
NOBODY: int
MAX_SOCKETS: int
SHARED_SLOT: int
REASONS: tuple[str, ...]
HANDSHAKE_FAILURES: tuple[str, ...]
OUTCOMES: tuple[str, ...]
DROPS: tuple[str, ...]
MISSES: tuple[str, ...]
OWN: tuple[str, ...]
PROTOCOLS: Mapping[str, int]
KEYS: Mapping[str, int]
PREREADS: Mapping[str, int]
STICKY: Mapping[str, int]
SAME_SITE: Mapping[str, int]
CHECKS: Mapping[str, int]
PROXY_OUT: Mapping[str, int]
NO_BOUND: int
MAX_FLOWS: int
KEY_SLICE_BYTES: int
FLOW_BYTES: int
CONNECT_BUCKETS_S: tuple[float, ...]
TURN_BUCKETS_S: tuple[float, ...]
SPAN_BUCKETS_S: tuple[float, ...]
"""Upper bounds of the buckets of times that requests take."""
TURN_STAGES: tuple[str, ...]
POLICIES: Mapping[str, int]
RINGS: Mapping[str, int]
STATES: Mapping[str, int]
VERDICTS: Mapping[str, int]
SESSION_BYTES: int
BUFFER_BYTES: int
PIPE_BYTES: int

MSG_SOCKETS: int
MSG_SNAPSHOT: int
MSG_SERVE: int
MSG_DRAIN: int
MSG_STOP: int
MSG_MAILBOX: int
MSG_TABLE: int
MSG_KEEP: int
MSG_CERTS: int
MSG_CERTS_REFUSED: int
MSG_TABLE_REFUSED: int
MSG_READY: int
MSG_ADOPTED: int
MSG_REJECTED: int
MSG_DRAINED: int
MSG_HELLO: int
MAX_MESSAGE_FDS: int
MAX_MESSAGE_BYTES: int

class KeyRow(Protocol):
    """What to take as a key; kind is one of KEYS. offset, n_bytes: of `bytes`; of `path` the segments, 0 for
    all, and 1 for the query besides.   value: of `constant`; of `header`, `cookie` and `query` the name.

    cid_bytes: length of the connection ids in short headers, of `quic_cid`.   ring: one of RINGS, whose hash is taken.
    """

    kind: int
    offset: int
    n_bytes: int
    cid_bytes: int
    ring: int
    value: bytes

class UdpRow(Protocol):
    """What only a UDP listener has. Rates and bounds are one worker's share; 0 = no bound.

    responses: NO_BOUND = not known.
    server_offset, server_bytes: where a server's id lies in connection ids; 0 bytes = servers encode none.

    nets: 16 bytes in network order, IPv4 mapped into IPv6, and the length of the prefix.
    cids: a server's id (its bytes as a number, the first one highest) and the id of its backend.
    """

    flows_max: int
    requests: int
    responses: int
    key: KeyRow
    server_offset: int
    server_bytes: int
    source_flows: int
    source_rate: int
    flow_rate: int
    datagram_rate: int
    bandwidth: int
    check: int
    is_reuse: bool
    nets: Sequence[tuple[bytes, int]]
    cids: Sequence[tuple[int, int]]

class RoutesRow(Protocol):
    """As pack_routes returns them."""

    @property
    def n_exact(self) -> int: ...
    @property
    def n_suffix(self) -> int: ...
    @property
    def rows(self) -> bytes: ...
    @property
    def names(self) -> bytes: ...

class CapsRow(Protocol):
    """What clients of an HTTP listener may have of a request; None = no bound.

    gap_ns: between two requests of one client in one worker, 0 = no bound; room_ns: how far ahead of that it may be.
    body_ms: that a client may be silent in the middle of a body.   request_ms: of a whole request; 0 = no bound.
    """

    head_bytes: int
    n_fields: int
    target_bytes: int
    body_bytes: int | None
    gap_ns: int
    room_ns: int
    body_ms: int
    request_ms: int

class HttpRow(Protocol):
    """What only an HTTP listener has. requests: per connection; 0 = no bound.

    block: its routes, as `sites` packs them; empty: all goes to its pool.   caps: None: as wide as they can be.
    """

    head_ms: int
    kept_ms: int
    response_ms: int
    requests: int
    block: bytes
    caps: CapsRow | None

class ListenerRow(Protocol):
    """pool: -1 for none: only what has a route is served."""

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
    preread: int
    preread_bytes: int
    preread_ms: int
    routes: RoutesRow | None
    udp: UdpRow | None
    http: HttpRow | None
    handshake_ms: int
    name_hash: int

class StickyRow(Protocol):
    """kind is one of STICKY, same_site of SAME_SITE.   secret: 16 bytes.   max_age_s: 0 = none is said."""

    kind: int
    name: bytes
    secret: bytes
    max_age_s: int
    is_secure: bool
    same_site: int

class PoolRow(Protocol):
    """slow_least, factor: thousandths; they and what follows are of slow start and of single policies; 0 = none.

    load_name: of the field in which responses tell of load; b"" = none.
    """

    id: int
    policy: int
    on_down_reset: bool
    is_quickack: bool
    is_fastopen: bool
    congestion: str
    proxy_out: int
    is_transparent: bool
    key: KeyRow
    deadline_ms: int
    asks_key: bool
    slow_ms: int
    slow_least: int
    factor: int
    low_ms: int
    high_ms: int
    saturated: int
    members: Sequence[tuple[int, int]]
    has_map: bool
    kept: int
    kept_idle_ms: int
    kept_age_ms: int
    sticky: StickyRow | None
    load_name: bytes

class BackendRow(Protocol):
    """node_hash: name_hash of its address as text.   since_ms: monotonic, when it came up; 0 = long ago."""

    id: int
    pool: int
    tier: int
    weight: int
    state: int
    verdict: int
    max_conns: int
    sockaddr: bytes
    node_hash: int
    since_ms: int

class SocketRow(Protocol):
    sock_id: int
    listener: int
    slot: int
    is_wildcard: bool

class WorkerCounters(TypedDict):
    pid: int
    state: int
    adopted_gen: int
    turns: int
    turn_ms: int
    accepted: int
    ended: int
    live: int
    leases: int
    stale_events: int
    accept_paused: int
    access_dropped: int
    buffers_used: int
    buffers_max: int
    timers_live: int
    sessions_max: int
    rejected: int
    unbuffered: int
    n_backend_rows: int
    pipes_lent: int
    pipes_open: int
    pipes_max: int
    pipes_refused: int
    spliced_bytes: int
    spins: int
    turn_us_sum: int
    turn_hist: tuple[int, ...]
    slow_turns: tuple[int, ...]

class ListenerCounters(TypedDict):
    accepted: int
    live: int
    bytes_in: int
    bytes_out: int
    reasons: tuple[int, ...]

class UdpCounters(TypedDict):
    from_clients: int
    to_backends: int
    from_backends: int
    to_clients: int
    receives: int
    sends: int
    assured: int
    kernel_drops: int
    drops: tuple[int, ...]

class HttpCounters(TypedDict):
    """responses: of backends, by the first digit of their status, 1 to 5.   own: the proxy's own, by OWN."""

    requests: int
    responses: tuple[int, ...]
    own: tuple[int, ...]
    retried: int
    reused: int
    rates_forgotten: int

class TlsCounters(TypedDict):
    """resumed: among the handshakes.   failures: by HANDSHAKE_FAILURES."""

    handshakes: int
    resumed: int
    failures: tuple[int, ...]

class PoolCounters(TypedDict):
    asked: int
    answered: int
    misses: tuple[int, ...]
    abandoned: int
    stale: int
    releases_dropped: int

class HttpPoolCounters(TypedDict):
    """responses: that clients got, by the first digit of their status, 1 to 5.   hist: by SPAN_BUCKETS_S.

    sticky: kept, moved, set, forged.
    """

    responses: tuple[int, ...]
    own: int
    unanswered: int
    cut: int
    retried: int
    reused: int
    bytes_in: int
    bytes_out: int
    sticky: Mapping[str, int]
    loads_refused: int
    first_us_sum: int
    total_us_sum: int
    first_hist: tuple[int, ...]
    total_hist: tuple[int, ...]

class BackendCounters(TypedDict):
    sessions: int
    live: int
    bytes_in: int
    bytes_out: int
    outcomes: tuple[int, ...]
    connect_us_sum: int
    connect_hist: tuple[int, ...]

AccessRecord = tuple[int, int, int, str, int, int, int, int, int, int]
"""(end in wall ms, listener, backend or -1, client, bytes in, bytes out, connect us, duration ms, attempts, reason)"""

RequestRecord = tuple[
    int, int, int, str, int, int, int, int, int, int, int, int, int, int, int, int, bool, int,
    bytes, bytes, bytes, bytes, bytes, str,
]  # fmt: skip
"""As AccessRecord, but with the duration in us and bytes of bodies alone; then (pool or -1, route as declared or -1,
status or 0, own by OWN or -1, us to the first byte or -1, minor version, whether the connection had served before, bits
of texts that were cut, method, host, target, user agent, referer, request id)"""

def pack_sockaddr(host: str, port: int) -> bytes: ...
def pack_sockaddr_unix(path: str) -> bytes: ...
def format_sockaddr(sockaddr: bytes) -> str: ...
def pack_routes(
    exact: Sequence[tuple[str, int]], suffixes: Sequence[tuple[str, int]]
) -> tuple[int, int, bytes, bytes]: ...
def name_hash(name: str) -> int: ...
def key_hash(key: bytes) -> int: ...
def pack_snapshot(
    gen: int,
    listeners: Sequence[ListenerRow],
    pools: Sequence[PoolRow],
    backends: Sequence[BackendRow],
    sockets: Sequence[SocketRow],
    *,
    access_log: bool = False,
    drain_ms: int = 30000,
    meta: bytes = b"",
) -> bytes: ...
def verify_snapshot(block: bytes) -> int: ...
def snapshot_meta(block: bytes) -> bytes: ...
def build_shape(
    kind: str, names: Sequence[str], weights: Sequence[int], *, ring: int = 0, size: int = 0
) -> bytes: ...
def build_map(hashes: Sequence[int], nodes: Sequence[int], n_nodes: int) -> bytes: ...
def build_own(kind: str, hashes: bytes, nodes: bytes, n_nodes: int) -> bytes: ...
def pack_table(pool: int, parts: Sequence[tuple[int, bytes, Sequence[int]]]) -> bytes: ...
def pack_message(kind: int, a: int = 0, b: int = 0, ids: Sequence[int] = ()) -> bytes: ...
def unpack_message(message: bytes) -> tuple[int, int, int, tuple[int, ...]]: ...
def board_create(slots: int) -> int: ...

class Board:
    slots: int
    def __init__(self, fd: int, slots: int) -> None: ...
    def worker(self, slot: int) -> WorkerCounters: ...
    def listener(self, id: int, slot: int = -1) -> ListenerCounters: ...
    def udp(self, id: int, slot: int = -1) -> UdpCounters: ...
    def http(self, id: int, slot: int = -1) -> HttpCounters: ...
    def tls(self, id: int, slot: int = -1) -> TlsCounters: ...
    def backend(self, id: int, slot: int = -1) -> BackendCounters: ...
    def pool(self, id: int, slot: int = -1) -> PoolCounters: ...
    def http_pool(self, id: int, slot: int = -1) -> HttpPoolCounters: ...
    def in_flight(self, backend: int) -> int: ...
    def report_load(self, backend: int, ms: int) -> int: ...
    def load_ms(self, backend: int) -> int: ...
    def sessions(self, listener: int) -> int: ...
    def fold(self, slot: int) -> int: ...
    def forget_listener(self, id: int) -> None: ...
    def forget_backend(self, id: int) -> None: ...
    def forget_pool(self, id: int) -> None: ...
    def read_access(self, slot: int, max_n: int = 1024) -> list[AccessRecord]: ...
    def read_requests(self, slot: int, max_n: int = 1024) -> list[RequestRecord]: ...
    def close(self) -> None: ...

def forbid_dumps() -> None:
    """From now on this process leaves no image when it dies, and nobody but root may look into it."""

def local_ports() -> tuple[int, int]: ...

class Worker:
    def __init__(
        self,
        channel_fd: int,
        board_fd: int,
        slot: int,
        *,
        rejoin_fd: int = -1,
        sessions_max: int,
        buffers_bytes: int,
        pipes_bytes: int = 0,
        flows_max: int = ...,
        is_spin: bool = False,
        is_process: bool = False,
    ) -> None: ...
    def run(self) -> int: ...

def worker_process(
    channel_fd: int,
    board_fd: int,
    rejoin_fd: int,
    slot: int,
    sessions_max: int,
    buffers_bytes: int,
    pipes_bytes: int,
    flows_max: int,
    is_spin: bool,
    cpu: int,
    uid: int,
    gid: int,
) -> int: ...
