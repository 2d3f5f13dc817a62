"""Choices: what a worker would choose, without a worker. The same compiled functions over the same blocks."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from nginy._fast.base.layout cimport NO_INDEX, snap_listener_t, snap_pool_t
from nginy._fast.base.limits cimport MAX_BACKENDS, MAX_TRIED
from nginy._fast.policy.choose cimport (
    attempt_t, chooser_close, chooser_distrust, chooser_open, chooser_settle, chooser_spent, policy_choose,
)
from nginy._fast.policy.key cimport key_extract, key_t, visit_hash, visit_t
from nginy._fast.policy.maglev cimport maglev_slot, maglev_t
from nginy._fast.policy.ring cimport ring_find, ring_point_t, ring_t
from nginy._fast.policy.route cimport route_find
from nginy._fast.policy.snapshot cimport snapshot_listener, snapshot_pool, snapshot_read, snapshot_t
from nginy._fast.policy.table cimport TABLE_MAGLEV, TABLE_MAP, TABLE_RING, table_read, table_t, table_tier_t
from nginy._fast.sites cimport Request

TRIED_MOST = MAX_TRIED


cdef class Visit:
    """What is known of a client when its backend is chosen.

    ip, local_ip: 4 or 16 bytes in network order, or none.   name: server name of a TLS hello.   received: first bytes, or
    the payload of a datagram.   session: what a UDP listener takes for its session's key; None where it is the address.
    request: of HTTP; None where there is none.
    """

    def __cinit__(
        self, bytes ip=b"", uint16_t port=0, *, bytes local_ip=b"", uint16_t local_port=0, uint32_t listener=0,
        uint64_t listener_hash=0, bytes name=b"", bytes received=b"", bytes session=None, Request request=None,
    ):
        memset(&self.visit, 0, sizeof(visit_t))
        self.name, self.received, self.session_bytes, self.request = name, received, session, request
        self.visit.family = self.address(self.visit.ip, ip)
        self.visit.local_family = self.address(self.visit.local_ip, local_ip)
        self.visit.port, self.visit.local_port = port, local_port
        self.visit.listener, self.visit.listener_hash = listener, listener_hash
        self.visit.name, self.visit.n_name = <const uint8_t*>name, len(name)
        self.visit.bytes, self.visit.n_bytes = <const uint8_t*>received, len(received)
        if session is not None:
            self.session.at, self.session.n = <const uint8_t*>session, len(session)
            self.visit.session = &self.session
        if request is not None:
            self.visit.request, self.visit.head = <const uint8_t*>request.bytes, &request.head

    cdef uint8_t address(self, uint8_t* to, bytes ip) except 255:
        if len(ip) not in (0, 4, 16):
            raise ValueError(f"an address of {len(ip)} bytes; 4, 16 or none")
        memcpy(to, <const uint8_t*>ip, len(ip))
        return {0: 0, 4: 4, 16: 6}[len(ip)]


cdef class Choices:
    """One worker's chooser over one block. Owns copies of what it is given. For one thread.

    Errors: ValueError for a block that is not sound, and for ids out of range.
    """

    def __cinit__(self, bytes block, uint64_t seed=1, uint32_t phase=0):
        self.in_flight = <uint32_t*>calloc(MAX_BACKENDS + 1, sizeof(uint32_t))
        self.load_ms = <uint32_t*>calloc(MAX_BACKENDS + 1, sizeof(uint32_t))
        self.tables = {}
        if (
            self.in_flight == NULL or self.load_ms == NULL
            or chooser_open(&self.chooser, self.in_flight, self.load_ms, seed, phase) < 0
        ):
            raise MemoryError
        self.use(block)

    def __dealloc__(self):
        chooser_close(&self.chooser)
        free(self.in_flight)
        free(self.load_ms)

    def use(self, bytes block):
        """Adopt another snapshot; turns and samples stay."""
        cdef snapshot_t fresh
        if snapshot_read(&fresh, <const uint8_t*>block, len(block)) < 0:
            raise ValueError("the snapshot is not sound")
        self.block, self.snapshot = block, fresh
        chooser_settle(&self.chooser, &self.snapshot)

    def adopt(self, bytes table):
        """A published table of a pool (door.pack_table), in place of the one before."""
        cdef table_t fresh
        if table_read(&fresh, <const uint8_t*>table, len(table)) < 0:
            raise ValueError("the table is not sound")
        self.tables[fresh.header.pool] = table
        self.chooser.tables[fresh.header.pool] = fresh

    cdef uint32_t known(self, backend) except? 4294967295:
        if not 0 <= backend <= MAX_BACKENDS:
            raise ValueError(f"backend {backend} is not in 0..{MAX_BACKENDS}")
        return backend

    def set_in_flight(self, backend, uint32_t n):
        """So many sessions on this backend, over all workers."""
        self.in_flight[self.known(backend)] = n

    def get_in_flight(self, backend):
        """Sessions on this backend."""
        return self.in_flight[self.known(backend)]

    def set_load(self, backend, uint32_t ms):
        """What a backend has reported of its load, averaged."""
        self.load_ms[self.known(backend)] = ms

    def note_spent(self, backend, uint64_t us, uint64_t now_ms):
        """A backend took so long to connect or to begin its answer."""
        chooser_spent(&self.chooser, self.known(backend), us, now_ms)

    def distrust(self, backend, uint64_t now_ms):
        """As after a failed attempt: not preferred for a second."""
        chooser_distrust(&self.chooser, self.known(backend), now_ms)

    def route(self, uint32_t listener, Visit visit not None):
        """Pool id that the listener sends this visit to, by its server name; None: nowhere."""
        cdef const snap_listener_t* row = snapshot_listener(&self.snapshot, listener)
        cdef uint32_t pool
        if row == NULL:
            raise ValueError(f"no listener {listener}")
        pool = route_find(&self.snapshot, row, visit.visit.name, visit.visit.n_name)
        return None if pool == NO_INDEX else pool

    def choose(self, uint32_t pool, Visit visit not None, tried=(), uint64_t now_ms=1):
        """Backend id, or a negative reason code. tried: ids of earlier attempts, the last MAX_TRIED of them count."""
        cdef attempt_t attempt
        cdef uint32_t i
        cdef int at
        memset(&attempt, 0, sizeof(attempt))
        attempt.visit = &visit.visit
        attempt.now_ms = now_ms
        attempt.n_tried = min(len(tried), MAX_TRIED)
        for i in range(attempt.n_tried):
            attempt.tried[i] = tried[i]
        at = policy_choose(&self.chooser, &self.snapshot, pool, &attempt)
        return at if at < 0 else self.snapshot.backends[at].id

    def key_of(self, uint32_t pool, Visit visit not None):
        """The key that the pool's policy finds, b"" when there is none of its kind, and the hash that it goes by."""
        cdef const snap_pool_t* row = snapshot_pool(&self.snapshot, pool)
        cdef key_t key
        if row == NULL:
            raise ValueError(f"no pool {pool}")
        key_extract(&key, &row.key, &visit.visit)
        return key.at[:key.n] if key.n else b"", visit_hash(&row.key, &visit.visit)

    def place_of(self, uint32_t pool, Visit visit not None):
        """Where the pool's table is looked up first: ("point", hash of the key, hash of the point, backend id) of a ring,
        ("slot", slot, slots, backend id) of a Maglev table, None without a table. Of its lowest tier.
        """
        cdef const snap_pool_t* row = snapshot_pool(&self.snapshot, pool)
        cdef const table_t* table = &self.chooser.tables[pool]
        cdef const table_tier_t* part
        cdef ring_t ring
        cdef maglev_t slots
        cdef uint64_t h
        cdef uint32_t at
        if row == NULL or table.base == NULL or table.header.n_tiers == 0:
            return None
        h = visit_hash(&row.key, &visit.visit)
        part = &table.tiers[0]
        for at in range(table.header.n_tiers):
            if table.tiers[at].kind != TABLE_MAP:
                part = &table.tiers[at]
                break
        if part.kind == TABLE_RING:
            ring.points = <const ring_point_t*>(table.base + part.off)
            ring.starts = <const uint32_t*>(table.base + part.off_starts)
            ring.n_points, ring.n_bits = part.n, part.n_bits
            at = ring_find(&ring, <uint32_t>(h >> 32))
            return "point", h >> 32, ring.points[at].hash, ring.points[at].index
        if part.kind == TABLE_MAGLEV:
            slots.slots, slots.size = <const uint16_t*>(table.base + part.off), part.n
            at = maglev_slot(&slots, h)
            return "slot", at, part.n, slots.slots[at]
        return None
