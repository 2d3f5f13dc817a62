"""Puts keys and policies in front of pytest and pytest-benchmark. Not in wheels."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from nginy._fast.base.layout cimport NO_INDEX, snap_key_t
from nginy._fast.base.limits cimport MAX_BACKENDS, MAX_TRIED
from nginy._fast.mem.hash cimport hash_bytes
from nginy._fast.policy.choose cimport (
    attempt_t, chooser_close, chooser_distrust, chooser_open, chooser_settle, chooser_spent, chooser_t, policy_choose,
)
from nginy._fast.policy.key cimport key_extract, key_t, visit_hash, visit_t
from nginy._fast.policy.route cimport route_find
from nginy._fast.policy.snapshot cimport snapshot_listener, snapshot_pool, snapshot_read, snapshot_t
from nginy._fast.policy.table cimport table_read, table_t


cdef class Visit:
    """What is known of a client. Addresses: 4 or 16 bytes, or none; session: what UDP takes for the session's key."""

    cdef visit_t visit
    cdef key_t session
    cdef bytes name, received, session_bytes

    def __cinit__(
        self, bytes ip=b"", uint16_t port=0, bytes local_ip=b"", uint16_t local_port=0, listener_hash=0, bytes name=b"",
        bytes received=b"", bytes session=None,
    ):
        memset(&self.visit, 0, sizeof(visit_t))
        self.name, self.received, self.session_bytes = name, received, session
        self.visit.family = self.address(self.visit.ip, ip)
        self.visit.local_family = self.address(self.visit.local_ip, local_ip)
        self.visit.port, self.visit.local_port = port, local_port
        self.visit.listener_hash = listener_hash
        self.visit.name, self.visit.n_name = <const uint8_t*>name, len(name)
        self.visit.bytes, self.visit.n_bytes = <const uint8_t*>received, len(received)
        if session is not None:
            self.session.at, self.session.n = <const uint8_t*>session, len(session)
            self.visit.session = &self.session

    cdef uint8_t address(self, uint8_t* to, bytes ip) except 255:
        if len(ip) not in (0, 4, 16):
            raise ValueError(f"an address of {len(ip)} bytes")
        memcpy(to, <const uint8_t*>ip, len(ip))
        return {0: 0, 4: 4, 16: 6}[len(ip)]


cdef class Chooser:
    """A worker's choices over one snapshot block, with in-flight counts set by the test."""

    cdef chooser_t chooser
    cdef snapshot_t snapshot
    cdef bytes block
    cdef dict tables
    cdef uint32_t* in_flight
    cdef uint32_t* load_ms

    def __cinit__(self, bytes block, uint64_t seed=1, uint32_t phase=0):
        self.in_flight = <uint32_t*>calloc(MAX_BACKENDS + 1, sizeof(uint32_t))
        self.load_ms = <uint32_t*>calloc(MAX_BACKENDS + 1, sizeof(uint32_t))
        if (
            self.in_flight == NULL or self.load_ms == NULL
            or chooser_open(&self.chooser, self.in_flight, self.load_ms, seed, phase) < 0
        ):
            raise MemoryError
        self.tables = {}
        self.use(block)

    def __dealloc__(self):
        chooser_close(&self.chooser)
        free(self.in_flight)
        free(self.load_ms)

    def use(self, bytes block):
        """Adopt another snapshot; cursors stay."""
        self.block = block
        if snapshot_read(&self.snapshot, <const uint8_t*>self.block, len(block)) < 0:
            raise ValueError("unsound snapshot")
        chooser_settle(&self.chooser, &self.snapshot)

    def adopt(self, bytes block):
        """A published table; before `use` of the snapshot that needs it, as a worker gets them, or after it."""
        cdef table_t fresh
        if table_read(&fresh, <const uint8_t*>block, len(block)) < 0:
            raise ValueError("unsound table")
        self.tables[fresh.header.pool] = block
        self.chooser.tables[fresh.header.pool] = fresh

    def has_table(self, uint32_t pool):
        return self.chooser.tables[pool].base != NULL

    def set_in_flight(self, uint32_t backend, uint32_t n):
        self.in_flight[backend] = n

    def set_load(self, uint32_t backend, uint32_t ms):
        self.load_ms[backend] = ms

    def note_spent(self, uint32_t backend, uint64_t us, uint64_t now_ms):
        chooser_spent(&self.chooser, backend, us, now_ms)

    def distrust(self, uint32_t backend, uint64_t now_ms):
        chooser_distrust(&self.chooser, backend, now_ms)

    def choose(self, uint32_t pool, key=b"", tried=(), uint64_t now_ms=1, Visit visit=None):
        """Backend id, or a negative reason code. key: taken as hashed already, unless there is a visit."""
        cdef attempt_t attempt
        cdef bytes kept = key
        cdef uint32_t i
        cdef int at
        memset(&attempt, 0, sizeof(attempt))
        if visit is None:
            attempt.key_hash = hash_bytes(<const uint8_t*>kept, len(kept), 0)
            attempt.is_hashed = True
        else:
            attempt.visit = &visit.visit
        attempt.now_ms = now_ms
        attempt.n_tried = min(len(tried), MAX_TRIED)
        for i in range(attempt.n_tried):
            attempt.tried[i] = tried[i]
        at = policy_choose(&self.chooser, &self.snapshot, pool, &attempt)
        return at if at < 0 else self.snapshot.backends[at].id

    def key_of(self, uint32_t pool, Visit visit not None):
        """The key that the pool goes by, b"" when the visit has none, and the hash that a choice goes by."""
        cdef const snap_key_t* conf = &snapshot_pool(&self.snapshot, pool).key
        cdef key_t key
        key_extract(&key, conf, &visit.visit)
        return key.at[:key.n] if key.n else b"", visit_hash(conf, &visit.visit)

    def churn(self, uint32_t pool, uint32_t n):
        """Choose n times with keys 0..n-1; the sum of positions, for benchmarks."""
        cdef attempt_t attempt
        cdef uint32_t i
        cdef int64_t total = 0
        memset(&attempt, 0, sizeof(attempt))
        attempt.now_ms = 1
        attempt.is_hashed = True
        for i in range(n):
            attempt.key_hash = hash_bytes(<const uint8_t*>&i, 4, 0)
            total += policy_choose(&self.chooser, &self.snapshot, pool, &attempt)
        return total


def route_of(bytes block, uint32_t listener, bytes name):
    """Pool id that a listener sends a server name to, or None."""
    cdef snapshot_t s
    cdef uint32_t pool
    if snapshot_read(&s, <const uint8_t*>block, len(block)) < 0:
        raise ValueError("unsound snapshot")
    pool = route_find(&s, snapshot_listener(&s, listener), <const uint8_t*>name, <uint32_t>len(name))
    return None if pool == NO_INDEX else pool
