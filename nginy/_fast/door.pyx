"""The door: all that Python sees of the data plane. Errors become exceptions here and nowhere else."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from nginy._fast.base.cdefs cimport (
    MFD_ALLOW_SEALING, MFD_CLOEXEC, PR_SET_DUMPABLE, PR_SET_NAME, PR_SET_NO_NEW_PRIVS, c_ftruncate, c_memfd_create, c_prctl,
    errno, ngy_store32,
)
from nginy._fast.base cimport board as board_layout
from nginy._fast.base cimport layout, limits, routing, status
from nginy._fast.base cimport message as messages
from nginy._fast.base.board cimport (
    access_record_t, backend_row_t, board_header_t, http_pool_row_t, http_row_t, listener_row_t,
    request_record_t, udp_row_t, worker_row_t,
)
from nginy._fast.base.letter cimport pool_row_t
from nginy._fast.base.tls cimport tls_row_t
from nginy._fast.base cimport tls as tls_layout
from nginy._fast.engine.board cimport (
    board_t, board_attach, board_detach, board_fold, board_forget_backend, board_forget_listener, board_forget_pool,
    board_read_backend, board_read_http, board_read_http_pool, board_read_listener,
    board_read_pool, board_read_tls, board_read_udp, board_read_worker, board_take_access, board_take_request,
)
from nginy._fast.engine.flows cimport flow_t
from nginy._fast.engine.stats cimport board_bytes
from nginy._fast.engine.tally cimport span_bound_us
from nginy._fast.engine.types cimport session_side_t, session_t, worker_t
from nginy._fast.engine.worker cimport worker_close, worker_open, worker_options_t, worker_run, worker_take_signals
from nginy._fast.logged cimport access_fields, http_pool_fields, request_fields
from nginy._fast.mem.clock cimport clock_us
from nginy._fast.mem.hash cimport hash_bytes, hash_mix
from nginy._fast.mem.region cimport region_close, region_map
from nginy._fast.policy cimport choose
from nginy._fast.policy.ring cimport RING_KETAMA, RING_NGINX, RING_OWN
from nginy._fast.policy.key cimport key_hash as hash_of_key
from nginy._fast.policy.key cimport key_t
from nginy._fast.policy.load cimport load_mix
from nginy._fast.policy.pack cimport snapshot_size, snapshot_write
from nginy._fast.policy.snapshot cimport snapshot_read, snapshot_t
from nginy._fast.rows cimport SnapshotRows, check_id, check_rows, routes_pack
from nginy._fast.shapes cimport map_build, own_build, shape_build, table_pack

import os
import socket
import struct

LAYOUT_VERSION = layout.LAYOUT_VERSION
MAX_WORKERS = limits.MAX_WORKERS
MAX_LISTENERS = limits.MAX_LISTENERS
MAX_POOLS = limits.MAX_POOLS
MAX_BACKENDS = limits.MAX_BACKENDS
NOBODY = limits.MAX_BACKENDS
MAX_SOCKETS = limits.MAX_SOCKETS
SHARED_SLOT = limits.SHARED_SLOT
MAX_MESSAGE_FDS = limits.MAX_MESSAGE_FDS
MAX_MESSAGE_BYTES = sizeof(messages.message_t)
SESSION_BYTES = sizeof(session_t) + sizeof(session_side_t) + 4   # and the slab's own
BUFFER_BYTES = limits.BUFFER_BYTES
PIPE_BYTES = limits.PIPE_BYTES
REASONS = (
    "closed", "front_reset", "back_reset", "idle", "half_close_timeout", "connect_failed", "connect_timeout", "no_backend",
    "backends_full", "session_limit", "slab_full", "no_descriptor", "no_port", "client_gone", "backend_down",
    "drain_deadline", "stopped", "worker_died", "evicted", "backend_removed", "preread_timeout",
    "no_route", "body_too_large", "handshake_failed", "handshake_timeout", "request_timeout",
)
DROPS = (
    "table_full", "session_limit", "no_backend", "backends_full", "no_descriptor", "no_port", "refused", "source_flows",
    "source_rate", "flow_rate", "datagram_rate", "bandwidth", "send_full", "send_nobufs", "send_error", "unexpected",
    "proxy_header", "loop", "truncated", "draining",
)
MISSES = ("late", "raised", "none", "wrong", "unusable", "dead", "no_room")
OWN = (
    "bad_request", "no_route", "method_refused", "head_timeout", "head_too_long", "back_reset", "bad_response",
    "connect_failed", "no_backend", "backends_full", "no_descriptor", "no_port", "no_buffer", "connect_timeout",
    "response_timeout", "bad_version", "unclear_path", "responded", "redirected",
    "target_too_long", "body_too_large", "request_rate", "body_timeout", "request_timeout",
)
HANDSHAKE_FAILURES = (
    "no_tls", "http", "version", "cipher", "alpn", "name", "client_cert", "alert", "gone", "timeout", "local", "other",
)
PROTOCOLS = {"tcp": layout.PROTOCOL_TCP, "udp": layout.PROTOCOL_UDP, "http": layout.PROTOCOL_HTTP}
KEYS = {
    "tuple": layout.KEY_TUPLE, "source": layout.KEY_SOURCE, "bytes": layout.KEY_BYTES, "quic_cid": layout.KEY_QUIC_CID,
    "destination": layout.KEY_DESTINATION, "sni": layout.KEY_SNI, "listener": layout.KEY_LISTENER,
    "constant": layout.KEY_CONSTANT, "session": layout.KEY_SESSION, "header": layout.KEY_HEADER,
    "cookie": layout.KEY_COOKIE, "path": layout.KEY_PATH, "query": layout.KEY_QUERY, "host": layout.KEY_HOST,
}
PREREADS = {"off": routing.PREREAD_OFF, "bytes": routing.PREREAD_BYTES, "tls_hello": routing.PREREAD_HELLO}
STICKY = {"off": layout.STICKY_OFF, "insert": layout.STICKY_INSERT, "prefix": layout.STICKY_PREFIX}
SAME_SITE = {"lax": layout.SAME_SITE_LAX, "strict": layout.SAME_SITE_STRICT, "none": layout.SAME_SITE_NONE}
CHECKS = {"none": layout.CHECK_NONE, "dns": layout.CHECK_DNS}
PROXY_OUT = {"off": layout.PROXY_OFF, "flow": layout.PROXY_FLOW, "datagram": layout.PROXY_DATAGRAM}
NO_BOUND = layout.NO_BOUND
MAX_FLOWS = limits.MAX_FLOWS
KEY_SLICE_BYTES = limits.KEY_SLICE_BYTES
FLOW_BYTES = sizeof(flow_t)   # beside an entry of the table
OUTCOMES = ("connected", "refused", "timeout", "unreachable", "reset", "local_error", "self_connect", "abandoned")
CONNECT_BUCKETS_S = tuple(1e-4 * 2**i for i in range(board_layout.CONNECT_BUCKETS))
TURN_BUCKETS_S = tuple(8e-6 * 2**i for i in range(board_layout.TURN_BUCKETS))
SPAN_BUCKETS_S = tuple(span_bound_us(i) / 1e6 for i in range(board_layout.SPAN_BUCKETS))
TURN_STAGES = ("events", "control", "ready", "timers", "upkeep")
POLICIES = {
    "round_robin": choose.POLICY_ROUND_ROBIN, "least_conn": choose.POLICY_LEAST_CONN, "least_time": choose.POLICY_LEAST_TIME,
    "random": choose.POLICY_RANDOM, "random2": choose.POLICY_RANDOM2, "first": choose.POLICY_FIRST,
    "source_hash": choose.POLICY_SOURCE_HASH, "rendezvous": choose.POLICY_RENDEZVOUS, "ring": choose.POLICY_RING,
    "maglev": choose.POLICY_MAGLEV, "jump": choose.POLICY_JUMP, "jump_load": choose.POLICY_JUMP_LOAD,
    "bounded_ring": choose.POLICY_BOUNDED_RING, "bounded_maglev": choose.POLICY_BOUNDED_MAGLEV,
    "hash_preserve": choose.POLICY_HASH_PRESERVE,
}
RINGS = {"own": RING_OWN, "nginx": RING_NGINX, "ketama": RING_KETAMA}
STATES = {"ready": 0, "drain": 1, "maint": 2}
VERDICTS = {"unknown": 0, "up": 1, "down": 2}
MSG_SOCKETS = messages.MSG_SOCKETS
MSG_SNAPSHOT = messages.MSG_SNAPSHOT
MSG_SERVE = messages.MSG_SERVE
MSG_DRAIN = messages.MSG_DRAIN
MSG_STOP = messages.MSG_STOP
MSG_MAILBOX = messages.MSG_MAILBOX
MSG_TABLE = messages.MSG_TABLE
MSG_KEEP = messages.MSG_KEEP
MSG_CERTS = messages.MSG_CERTS
MSG_CERTS_REFUSED = messages.MSG_CERTS_REFUSED
MSG_TABLE_REFUSED = messages.MSG_TABLE_REFUSED
MSG_READY = messages.MSG_READY
MSG_ADOPTED = messages.MSG_ADOPTED
MSG_REJECTED = messages.MSG_REJECTED
MSG_DRAINED = messages.MSG_DRAINED
MSG_HELLO = messages.MSG_HELLO

_MESSAGE_HEAD = struct.Struct("=IHHQQ")
_REFUSALS = (
    "", "cannot be mapped", "is not sealed", "has another layout", "has a wrong checksum", "points outside itself",
    "cannot be used by OpenSSL",
)
_WORKER_FIELDS = (
    "pid", "state", "adopted_gen", "turns", "turn_ms", "accepted", "ended", "live", "leases", "stale_events",
    "accept_paused", "access_dropped", "buffers_used", "buffers_max", "timers_live", "sessions_max", "rejected", "unbuffered",
    "n_backend_rows", "pipes_lent", "pipes_open", "pipes_max", "pipes_refused", "spliced_bytes", "spins", "turn_us_sum",
)

assert len(REASONS) == status.REASON_COUNT and len(OUTCOMES) == status.OUTCOME_COUNT
assert len(DROPS) == status.DROP_COUNT
assert len(MISSES) == status.MISS_COUNT
assert len(OWN) == status.OWN_COUNT
assert len(HANDSHAKE_FAILURES) == tls_layout.TLS_FAILURE_COUNT
assert len(TURN_STAGES) == board_layout.STAGE_COUNT


cdef raise_status(long status_code, what):
    raise OSError(-status_code, f"{what}: {os.strerror(-status_code)}")


# ---- addresses ----

def pack_sockaddr(host: str, port: int) -> bytes:
    """sockaddr_in or sockaddr_in6 of a literal address, as connect(2) takes it. ValueError for anything else."""
    if not 0 < port < 65536:
        raise ValueError(f"port {port} is not in 1..65535")
    scope = 0
    if "%" in host:
        host, zone = host.split("%", 1)
        scope = int(zone) if zone.isdigit() else socket.if_nametoindex(zone)
    try:
        if ":" in host:
            return struct.pack("=H", socket.AF_INET6) + struct.pack(">HI", port, 0) + \
                socket.inet_pton(socket.AF_INET6, host) + struct.pack("=I", scope)
        return struct.pack("=H", socket.AF_INET) + struct.pack(">H", port) + socket.inet_pton(socket.AF_INET, host) + bytes(8)
    except OSError:
        raise ValueError(f"{host!r} is not an IP address") from None


def pack_sockaddr_unix(path: str) -> bytes:
    """sockaddr_un of a path of at most 107 bytes."""
    name = os.fsencode(path)
    if not 0 < len(name) < 108:
        raise ValueError(f"unix socket path of {len(name)} bytes; 1..107 fit")
    return struct.pack("=H", socket.AF_UNIX) + name + b"\0"


def format_sockaddr(sockaddr: bytes) -> str:
    """host:port, [v6]:port or unix:path."""
    family = struct.unpack_from("=H", sockaddr)[0]
    if family == socket.AF_UNIX:
        return "unix:" + os.fsdecode(sockaddr[2:].rstrip(b"\0"))
    port = struct.unpack_from(">H", sockaddr, 2)[0]
    if family == socket.AF_INET:
        return f"{socket.inet_ntop(family, sockaddr[4:8])}:{port}"
    return f"[{socket.inet_ntop(socket.AF_INET6, sockaddr[8:24])}]:{port}"


# ---- snapshot ----

def pack_routes(exact, suffixes) -> tuple:
    """(n_exact, n_suffix, rows, names) of one listener's routes: what ListenerRow.routes carries.

    Each route is (name, pool id), in lower case; of `*.example.org` the name is `example.org`. Once per configuration: the
    answer is the same for every generation. Errors: ValueError for an id out of range.
    """
    return routes_pack(exact, suffixes)


def name_hash(name: str) -> int:
    """64 bits that stand for a name on every worker and machine."""
    cdef bytes text = name.encode()
    return hash_bytes(<const uint8_t*>text, len(text), len(text))


def key_hash(key: bytes) -> int:
    """What a choice by this key goes by; an address is 16 bytes, IPv4 first and zeros behind, and its family, 4 or 6."""
    cdef key_t what
    what.at, what.n = <const uint8_t*>key, len(key)
    return hash_of_key(&what)


def pack_snapshot(gen, listeners, pools, backends, sockets, *, access_log=False, drain_ms=30000, meta=b"") -> bytes:
    """One snapshot block: flat, checksummed, without pointers; to be sealed and sent to the workers.

    Rows are read by attribute (ListenerRow, PoolRow, BackendRow, SocketRow of the stub); backends in any order.
    meta: control's own notes, kept with the block. Errors: ValueError for an id or value out of range.
    """
    cdef SnapshotRows rows = SnapshotRows()
    cdef bytes notes = bytes(meta)
    cdef uint64_t n_bytes
    cdef uint8_t* block
    by_tier = sorted(backends, key=lambda row: (row.pool, row.tier))
    check_rows(listeners, pools, by_tier, sockets)
    rows.take_listeners(listeners)
    rows.take_pools(pools)
    rows.take_backends(by_tier)
    rows.take_tags(pools, by_tier)
    rows.take_sockets(sockets)
    rows.parts.gen = gen
    rows.parts.meta, rows.parts.n_meta_bytes = <const uint8_t*>notes, len(notes)
    rows.parts.drain_ms, rows.parts.is_access_log = drain_ms, bool(access_log)
    n_bytes = snapshot_size(&rows.parts)
    packed = bytearray(n_bytes)
    block = packed
    snapshot_write(&rows.parts, block, n_bytes)
    return bytes(packed)


def verify_snapshot(block: bytes) -> int:
    """The generation of a sound block; ValueError says why it is not one."""
    cdef snapshot_t s
    cdef bytes kept = bytes(block)
    cdef int code = snapshot_read(&s, <const uint8_t*>kept, len(kept))
    if code < 0:
        raise ValueError(f"snapshot {_REFUSALS[-code]}")
    return s.header.gen


def snapshot_meta(block: bytes) -> bytes:
    """Control's notes in a sound block."""
    cdef snapshot_t s
    cdef bytes kept = bytes(block)
    cdef int code = snapshot_read(&s, <const uint8_t*>kept, len(kept))
    if code < 0:
        raise ValueError(f"snapshot {_REFUSALS[-code]}")
    return kept[s.header.off_meta:s.header.off_meta + s.header.n_meta_bytes]


# ---- published tables ----

def build_shape(kind: str, names, weights, *, ring: int = 0, size: int = 0) -> bytes:
    """A table of nodes without their ids, for pack_table. ring: of RINGS; size: slots of a Maglev table, a prime.

    Takes milliseconds without the GIL. Errors: ValueError for an unknown kind, weights all 0, a size that is no prime, too
    many points; MemoryError.
    """
    return shape_build(kind, list(names), list(weights), ring, size)


def build_map(hashes, nodes, n_nodes: int) -> bytes:
    """Keys (key_hash) and the position of the node of each, as build_shape. Errors: ValueError for a key that stands twice."""
    return map_build(list(hashes), list(nodes), n_nodes)


def build_own(kind: str, hashes: bytes, nodes: bytes, n_nodes: int) -> bytes:
    """A ring or a Maglev table as somebody else has made it, as build_shape; without the GIL.

    hashes: of the points of a ring, uint32 each, ascending; none for a Maglev table.   nodes: of each point or slot, as
    a position, uint32 each.   Errors: ValueError, also for two points of one hash; MemoryError.
    """
    return own_build(kind, hashes, nodes, n_nodes)


def pack_table(pool: int, parts) -> bytes:
    """One published table: (tier, shape, backend id of each node) of each tier; id NOBODY for a node that is not there.

    Tiers whose shape and ids are the same objects share them. Errors: ValueError.
    """
    check_id("pool", pool, limits.MAX_POOLS)
    return table_pack(pool, parts)


# ---- channel ----

def pack_message(kind: int, a: int = 0, b: int = 0, ids=()) -> bytes:
    """One channel message; at most MAX_MESSAGE_FDS ids."""
    if len(ids) > limits.MAX_MESSAGE_IDS:
        raise ValueError(f"{len(ids)} ids in a message, {limits.MAX_MESSAGE_IDS} fit")
    return _MESSAGE_HEAD.pack(messages.MESSAGE_MAGIC, kind, len(ids), a, b) + struct.pack(f"={len(ids)}I", *ids)


def unpack_message(message: bytes) -> tuple:
    """(kind, a, b, ids). ValueError for anything but a whole message."""
    if len(message) < _MESSAGE_HEAD.size:
        raise ValueError(f"message of {len(message)} bytes")
    magic, kind, n, a, b = _MESSAGE_HEAD.unpack_from(message)
    if magic != messages.MESSAGE_MAGIC or len(message) != _MESSAGE_HEAD.size + 4 * n:
        raise ValueError("not a channel message")
    return kind, a, b, struct.unpack_from(f"={n}I", message, _MESSAGE_HEAD.size)


# ---- board ----

def board_create(slots: int) -> int:
    """A fresh board in anonymous shared memory, for so many workers. Returns its descriptor, close-on-exec."""
    cdef board_header_t* header
    cdef int fd
    if not 0 < slots <= limits.MAX_WORKERS:
        raise ValueError(f"{slots} slots; 1..{limits.MAX_WORKERS}")
    fd = c_memfd_create(b"nginy-board", MFD_CLOEXEC | MFD_ALLOW_SEALING)
    if fd < 0:
        raise_status(-errno, "board")
    header = NULL
    if c_ftruncate(fd, board_bytes(slots)) == 0:
        header = <board_header_t*>region_map(fd, 4096, True)
    if header == NULL:
        os.close(fd)
        raise MemoryError("no room for the board")
    header.version = layout.LAYOUT_VERSION
    header.slots = slots
    header.magic = board_layout.BOARD_MAGIC
    region_close(header, 4096)
    return fd


cdef class Board:
    """The workers' counters, read by control. Owns fd and its mapping; not for two threads at once."""

    cdef board_t board
    cdef readonly int slots
    cdef int fd

    def __cinit__(self, int fd, int slots):
        cdef int code = board_attach(&self.board, fd, slots)
        self.fd = -1
        if code < 0:
            raise_status(code, "board")
        self.fd = fd
        self.slots = slots

    def __dealloc__(self):
        board_detach(&self.board)

    def close(self):
        board_detach(&self.board)
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    cdef check(self, what, value, limit):
        if self.board.base == NULL:
            raise ValueError("the board is closed")
        check_id(what, value, limit)

    def worker(self, slot):
        cdef worker_row_t row
        cdef const uint64_t* fields = &row.pid
        self.check("slot", slot, self.slots)
        board_read_worker(&self.board, slot, &row)
        return {name: fields[i] for i, name in enumerate(_WORKER_FIELDS)} | {
            "turn_hist": tuple(row.turn_hist[i] for i in range(board_layout.TURN_BUCKETS + 1)),
            "slow_turns": tuple(row.slow_turns[i] for i in range(board_layout.STAGE_COUNT)),
        }

    def listener(self, id, slot=-1):
        cdef listener_row_t row
        self.check("listener", id, limits.MAX_LISTENERS)
        board_read_listener(&self.board, id, slot, &row)
        return {
            "accepted": row.accepted, "live": row.live, "bytes_in": row.bytes_in, "bytes_out": row.bytes_out,
            "reasons": tuple(row.reasons[i] for i in range(status.REASON_COUNT)),
        }

    def backend(self, id, slot=-1):
        cdef backend_row_t row
        self.check("backend", id, limits.MAX_BACKENDS)
        board_read_backend(&self.board, id, slot, &row)
        return {
            "sessions": row.sessions, "live": row.live, "bytes_in": row.bytes_in, "bytes_out": row.bytes_out,
            "outcomes": tuple(row.outcomes[i] for i in range(status.OUTCOME_COUNT)),
            "connect_us_sum": row.connect_us_sum,
            "connect_hist": tuple(row.connect_hist[i] for i in range(board_layout.CONNECT_BUCKETS + 1)),
        }

    def udp(self, id, slot=-1):
        cdef udp_row_t row
        self.check("listener", id, limits.MAX_LISTENERS)
        board_read_udp(&self.board, id, slot, &row)
        return {
            "from_clients": row.from_clients, "to_backends": row.to_backends, "from_backends": row.from_backends,
            "to_clients": row.to_clients, "receives": row.receives, "sends": row.sends, "assured": row.assured,
            "kernel_drops": row.kernel_drops, "drops": tuple(row.drops[i] for i in range(status.DROP_COUNT)),
        }

    def http(self, id, slot=-1):
        cdef http_row_t row
        self.check("listener", id, limits.MAX_LISTENERS)
        board_read_http(&self.board, id, slot, &row)
        return {
            "requests": row.requests, "responses": tuple(row.responses[i] for i in range(5)),
            "own": tuple(row.own[i] for i in range(status.OWN_COUNT)), "retried": row.retried, "reused": row.reused,
            "rates_forgotten": row.rates_forgotten,
        }

    def tls(self, id, slot=-1):
        cdef tls_row_t row
        self.check("listener", id, limits.MAX_LISTENERS)
        board_read_tls(&self.board, id, slot, &row)
        return {
            "handshakes": row.handshakes, "resumed": row.resumed,
            "failures": tuple(row.failures[i] for i in range(tls_layout.TLS_FAILURE_COUNT)),
        }

    def pool(self, id, slot=-1):
        cdef pool_row_t row
        self.check("pool", id, limits.MAX_POOLS)
        board_read_pool(&self.board, id, slot, &row)
        return {
            "asked": row.asked, "answered": row.answered, "misses": tuple(row.misses[i] for i in range(status.MISS_COUNT)),
            "abandoned": row.abandoned, "stale": row.stale, "releases_dropped": row.releases_dropped,
        }

    def http_pool(self, id, slot=-1):
        cdef http_pool_row_t row
        self.check("pool", id, limits.MAX_POOLS)
        board_read_http_pool(&self.board, id, slot, &row)
        return http_pool_fields(&row)

    def in_flight(self, backend):
        self.check("backend", backend, limits.MAX_BACKENDS)
        return self.board.shared.in_flight[<uint32_t>backend]

    def report_load(self, backend, ms):
        """A load that a backend tells of itself: a tenth of it goes into its average, which is returned."""
        cdef uint32_t* load
        self.check("backend", backend, limits.MAX_BACKENDS)
        load = &self.board.shared.load_ms[<uint32_t>backend]
        fresh = min(max(ms, 0), 2**31)
        ngy_store32(load, load_mix(load[0], fresh))
        return load[0]

    def load_ms(self, backend):
        """The average of the loads that a backend has told of; 0 when it never did."""
        self.check("backend", backend, limits.MAX_BACKENDS)
        return self.board.shared.load_ms[<uint32_t>backend]

    def sessions(self, listener):
        self.check("listener", listener, limits.MAX_LISTENERS)
        return self.board.shared.sessions[<uint32_t>listener]

    def fold(self, slot):
        self.check("slot", slot, self.slots)
        return board_fold(&self.board, slot)

    def forget_listener(self, id):
        self.check("listener", id, limits.MAX_LISTENERS)
        board_forget_listener(&self.board, id)

    def forget_backend(self, id):
        self.check("backend", id, limits.MAX_BACKENDS)
        board_forget_backend(&self.board, id)

    def forget_pool(self, id):
        self.check("pool", id, limits.MAX_POOLS)
        board_forget_pool(&self.board, id)

    def read_access(self, slot, max_n=1024):
        cdef access_record_t r
        cdef uint32_t slot_idx
        self.check("slot", slot, self.slots)
        slot_idx = slot
        records = []
        while len(records) < max_n and board_take_access(&self.board, slot_idx, &r):
            records.append(access_fields(&r))
        return records

    def read_requests(self, slot, max_n=1024):
        cdef uint64_t room[limits.DRAFT_WORDS]
        cdef request_record_t* r = <request_record_t*>room
        cdef uint32_t slot_idx
        self.check("slot", slot, self.slots)
        slot_idx = slot
        records = []
        while len(records) < max_n and board_take_request(&self.board, slot_idx, r):
            records.append(request_fields(r))
        return records


# ---- worker ----

def local_ports() -> tuple:
    """First and last source port that the kernel picks, from ip(7) ip_local_port_range."""
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
            first, last = file.read().split()
            return int(first), int(last)
    except (OSError, ValueError):
        return 1024, 65535


def forbid_dumps() -> None:
    """From now on this process leaves no image when it dies, and nobody but root may look into it (prctl(2))."""
    c_prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


cdef class Worker:
    """One worker for one thread. Takes over channel_fd, board_fd and rejoin_fd, also when it fails to start.

    sessions_max: bound of its slab. buffers_bytes, pipes_bytes: bounds of what carries bytes in flight; without pipes
    nothing is spliced. flows_max: UDP flows that descriptors and ports allow. is_spin: poll again before waiting while work
    comes quickly. is_process: nothing else lives in it. Errors: OSError.
    """

    cdef worker_t* w

    def __cinit__(
        self, int channel_fd, int board_fd, int slot, *, int rejoin_fd=-1, sessions_max, buffers_bytes, pipes_bytes=0,
        flows_max=limits.MAX_FLOWS, is_spin=False, is_process=False,
    ):
        cdef worker_options_t options
        cdef board_header_t* header = <board_header_t*>region_map(board_fd, 4096, False)
        cdef int code
        options.channel_fd = channel_fd
        options.board_fd = board_fd
        options.rejoin_fd = rejoin_fd
        options.slot = slot
        options.slots = header.slots if header != NULL else 0
        options.flows_max = min(max(flows_max, 1), limits.MAX_FLOWS)
        options.sessions_max = min(max(sessions_max, 1), 1 << 24)
        options.buffers_bytes = buffers_bytes
        options.pipes_max = min(pipes_bytes // limits.PIPE_BYTES, limits.MAX_PIPES)
        options.is_spin = bool(is_spin)
        options.is_process = bool(is_process)
        options.port_min, options.port_max = local_ports()
        options.seed = hash_mix(clock_us() ^ int.from_bytes(os.urandom(7), "little"))
        options.secret[0], options.secret[1] = struct.unpack("=QQ", os.urandom(16))
        region_close(header, 4096)
        self.w = <worker_t*>calloc(1, sizeof(worker_t))
        if self.w == NULL:
            raise MemoryError
        code = worker_open(self.w, &options)
        if code < 0:
            free(self.w)
            self.w = NULL
            raise_status(code, f"worker {slot}")

    def __dealloc__(self):
        if self.w != NULL:
            worker_close(self.w)
            free(self.w)

    def run(self):
        """Serve until told to stop or drained; blocks without the GIL. Returns 0. To be called once."""
        if self.w == NULL:
            raise ValueError("this worker has run already")
        with nogil:
            worker_run(self.w)
            worker_close(self.w)
        free(self.w)
        self.w = NULL
        return 0


def worker_process(
    channel_fd, board_fd, rejoin_fd, slot, sessions_max, buffers_bytes, pipes_bytes, flows_max, is_spin, cpu, uid, gid
) -> int:
    """The whole life of a worker process: name, place, rights, loop. cpu: the one it is pinned to; -1 leaves that, the
    user (uid) or the group (gid) as it is."""
    cdef bytes name = b"nginy-worker-%d" % slot
    worker_take_signals()
    c_prctl(PR_SET_NAME, <unsigned long><const char*>name, 0, 0, 0)
    if cpu >= 0:
        os.sched_setaffinity(0, {cpu})
    if gid >= 0:
        os.setgroups([])
        os.setgid(gid)
    if uid >= 0:
        os.setuid(uid)
    if c_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0:
        raise_status(-errno, "no_new_privs")
    worker = Worker(
        channel_fd, board_fd, slot, rejoin_fd=rejoin_fd, sessions_max=sessions_max, buffers_bytes=buffers_bytes,
        pipes_bytes=pipes_bytes, flows_max=flows_max, is_spin=is_spin, is_process=True,
    )
    return worker.run()
