"""Puts the structures of the data plane in front of pytest and pytest-benchmark. Not in wheels."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from nginy._fast.base.limits cimport BUFFER_BYTES, MAX_BACKENDS, MAX_TRIED
from nginy._fast.mem.buffers cimport NO_BUFFER, buffers_close, buffers_give, buffers_open, buffers_t, buffers_take
from nginy._fast.mem.clock cimport clock_ms, clock_us
from nginy._fast.mem.hash cimport hash_bytes
from nginy._fast.mem.slab cimport (
    SLAB_NONE, slab_at, slab_close, slab_give, slab_is_taken, slab_open, slab_settle, slab_t, slab_take, slab_trim,
)
from nginy._fast.mem.wheel cimport (
    wheel_advance, wheel_arm, wheel_disarm, wheel_is_armed, wheel_node_t, wheel_open, wheel_t, wheel_take_due,
    wheel_wait_ms,
)
from nginy._fast.policy.choose cimport (
    attempt_t, chooser_close, chooser_distrust, chooser_open, chooser_t, policy_choose,
)
from nginy._fast.policy.snapshot cimport snapshot_read, snapshot_t


def hash_of(data: bytes, seed: int = 0) -> int:
    cdef bytes kept = data
    return hash_bytes(<const uint8_t*>kept, len(kept), seed)


def clocks() -> tuple:
    """(ms, us), monotonic."""
    return clock_ms(), clock_us()


cdef class Slab:
    """A slab of 64-byte objects, 1 << shift to a chunk: 64 fill a page."""

    cdef slab_t slab

    def __cinit__(self, uint32_t cap, uint32_t shift=6):
        if slab_open(&self.slab, 64, 0, cap, shift) < 0:
            raise MemoryError

    def __dealloc__(self):
        slab_close(&self.slab)

    def take(self):
        """Index, or None when full."""
        cdef uint32_t idx = slab_take(&self.slab)
        return None if idx == SLAB_NONE else idx

    def give(self, uint32_t idx):
        return slab_give(&self.slab, idx)

    def is_taken(self, uint32_t idx):
        return slab_is_taken(&self.slab, idx)

    def settle(self):
        """Chunks that were idle since the last call."""
        return slab_settle(&self.slab)

    def trim(self):
        return slab_trim(&self.slab)

    def write(self, uint32_t idx, uint64_t value):
        (<uint64_t*>slab_at(&self.slab, idx))[0] = value

    def read(self, uint32_t idx):
        return (<uint64_t*>slab_at(&self.slab, idx))[0]

    @property
    def n_taken(self):
        return self.slab.n_taken

    def churn(self, uint32_t n):
        """Take and give n times; for benchmarks."""
        cdef uint32_t _turn
        for _turn in range(n):
            slab_give(&self.slab, slab_take(&self.slab))


cdef class Buffers:
    cdef buffers_t buffers

    def __cinit__(self, uint64_t n_bytes):
        if buffers_open(&self.buffers, <uint32_t>max(n_bytes // BUFFER_BYTES, 1), BUFFER_BYTES) < 0:
            raise MemoryError

    def __dealloc__(self):
        buffers_close(&self.buffers)

    def take(self):
        cdef uint32_t idx = buffers_take(&self.buffers)
        return None if idx == NO_BUFFER else idx

    def give(self, uint32_t idx):
        buffers_give(&self.buffers, idx)


cdef class Wheel:
    """n timers numbered from 0, on one wheel. Times in ms, given by the caller."""

    cdef wheel_t* wheel
    cdef wheel_node_t* nodes
    cdef uint32_t n

    def __cinit__(self, uint32_t n, uint64_t now_ms):
        self.n = n
        self.wheel = <wheel_t*>calloc(1, sizeof(wheel_t))
        self.nodes = <wheel_node_t*>calloc(n, sizeof(wheel_node_t))
        if self.wheel == NULL or self.nodes == NULL:
            raise MemoryError
        wheel_open(self.wheel, now_ms)

    def __dealloc__(self):
        free(self.wheel)
        free(self.nodes)

    cdef wheel_node_t* node(self, uint32_t i) except NULL:
        if i >= self.n:
            raise IndexError(i)
        return &self.nodes[i]

    def arm(self, uint32_t i, uint64_t deadline_ms):
        wheel_arm(self.wheel, self.node(i), deadline_ms)

    def disarm(self, uint32_t i):
        wheel_disarm(self.wheel, self.node(i))

    def is_armed(self, uint32_t i):
        return wheel_is_armed(self.node(i))

    def advance(self, uint64_t now_ms):
        """Numbers of the timers that fire now."""
        cdef wheel_node_t* node
        fired = []
        wheel_advance(self.wheel, now_ms)
        while True:
            node = wheel_take_due(self.wheel)
            if node == NULL:
                return fired
            fired.append(<uint64_t>(node - self.nodes))

    def wait_ms(self, uint64_t now_ms, uint32_t max_ms):
        return wheel_wait_ms(self.wheel, now_ms, max_ms)

    @property
    def n_armed(self):
        return self.wheel.n_armed

    def churn(self, uint32_t rounds, uint64_t now_ms):
        """Re-arm every timer so many times; for benchmarks."""
        cdef uint32_t i, _turn
        for _turn in range(rounds):
            for i in range(self.n):
                wheel_arm(self.wheel, &self.nodes[i], now_ms + 1000 + i)


cdef class Chooser:
    """A worker's choices over one snapshot block, with in-flight counts set by the test."""

    cdef chooser_t chooser
    cdef snapshot_t snapshot
    cdef bytes block
    cdef uint32_t* in_flight

    def __cinit__(self, bytes block, uint64_t seed=1, uint32_t phase=0):
        self.in_flight = <uint32_t*>calloc(MAX_BACKENDS + 1, sizeof(uint32_t))
        if self.in_flight == NULL or chooser_open(&self.chooser, self.in_flight, seed, phase) < 0:
            raise MemoryError
        self.use(block)

    def __dealloc__(self):
        chooser_close(&self.chooser)
        free(self.in_flight)

    def use(self, bytes block):
        """Adopt another snapshot; cursors stay."""
        self.block = block
        if snapshot_read(&self.snapshot, <const uint8_t*>self.block, len(block)) < 0:
            raise ValueError("unsound snapshot")

    def set_in_flight(self, uint32_t backend, uint32_t n):
        self.in_flight[backend] = n

    def distrust(self, uint32_t backend, uint64_t now_ms):
        chooser_distrust(&self.chooser, backend, now_ms)

    def choose(self, uint32_t pool, key=b"", tried=(), uint64_t now_ms=1):
        """Backend id, or a negative reason code."""
        cdef attempt_t attempt
        cdef uint32_t i
        cdef int at
        memset(&attempt, 0, sizeof(attempt))
        attempt.key_hash = hash_of(key)
        attempt.now_ms = now_ms
        attempt.n_tried = min(len(tried), MAX_TRIED)
        for i in range(attempt.n_tried):
            attempt.tried[i] = tried[i]
        at = policy_choose(&self.chooser, &self.snapshot, pool, &attempt)
        return at if at < 0 else self.snapshot.backends[at].id

    def churn(self, uint32_t pool, uint32_t n):
        """Choose n times with keys 0..n-1; the sum of positions, for benchmarks."""
        cdef attempt_t attempt
        cdef uint32_t i
        cdef int64_t total = 0
        memset(&attempt, 0, sizeof(attempt))
        attempt.now_ms = 1
        for i in range(n):
            attempt.key_hash = hash_bytes(<const uint8_t*>&i, 4, 0)
            total += policy_choose(&self.chooser, &self.snapshot, pool, &attempt)
        return total
