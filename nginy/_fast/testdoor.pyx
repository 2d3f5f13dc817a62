"""Puts the structures of the data plane in front of pytest and pytest-benchmark. Not in wheels."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy
from nginy._fast.base.cdefs cimport c_clock_gettime, timespec
from nginy._fast.base.board cimport request_record_t, request_ring_t
from nginy._fast.base.limits cimport BUFFER_BYTES, DRAFT_BYTES, DRAFT_WORDS, REQUEST_RING_BYTES
from nginy._fast.engine.records cimport records_push, records_take
from nginy._fast.mem.buffers cimport NO_BUFFER, buffers_close, buffers_give, buffers_open, buffers_t, buffers_take
from nginy._fast.mem.clock cimport clock_ms, clock_us
from nginy._fast.mem.flowtable cimport (
    FLOW_NONE, FLOW_SLOTS, FLOW_WHEEL_SLOTS, flow_key_t, flowtable_add, flowtable_assure,
    flowtable_bytes, flowtable_close, flowtable_expire, flowtable_find, flowtable_find_many, flowtable_hash, flowtable_is_taken,
    flowtable_oldest, flowtable_open, flowtable_park, flowtable_remove, flowtable_t, flowtable_touch, flowtable_unpark,
    flowtable_wait,
)
from nginy._fast.mem.hash cimport hash_bytes, hash_mix, random_next
from nginy._fast.mem.pace cimport pace_close, pace_open, pace_t, pace_take
from nginy._fast.mem.slab cimport (
    SLAB_NONE, slab_at, slab_close, slab_give, slab_is_taken, slab_open, slab_settle, slab_t, slab_take, slab_trim,
)
from nginy._fast.mem.wheel cimport (
    wheel_advance, wheel_arm, wheel_disarm, wheel_is_armed, wheel_node_t, wheel_open, wheel_t, wheel_take_due,
    wheel_wait_ms,
)
from nginy._fast.wire.tlshello cimport tlshello_read, tlshello_t

cdef extern from "time.h":
    int CLOCK_THREAD_CPUTIME_ID


def hash_of(data: bytes, seed: int = 0) -> int:
    cdef bytes kept = data
    return hash_bytes(<const uint8_t*>kept, len(kept), seed)


def tls_hello(size_t address, uint32_t n) -> tuple:
    """(what tlshello_read returns, name, ALPN as on the wire) of n bytes at an address."""
    cdef tlshello_t hello
    code = tlshello_read(<const uint8_t*>address, n, &hello)
    return code, bytes(hello.name[:hello.n_name]), bytes(hello.alpn[:hello.n_alpn])


def clocks() -> tuple:
    """(ms, us), monotonic."""
    return clock_ms(), clock_us()


cdef class Pace:
    """A table of rates; times in nanoseconds, given by the caller."""

    cdef pace_t pace

    def __cinit__(self, uint32_t n_slots):
        if pace_open(&self.pace, n_slots) < 0:
            raise MemoryError

    def __dealloc__(self):
        pace_close(&self.pace)

    @property
    def n_forgotten(self):
        return self.pace.n_forgotten

    def take(self, uint64_t hash, uint64_t gap_ns, uint64_t room_ns, uint64_t now_ns):
        """0, or how long to wait."""
        return pace_take(&self.pace, hash, gap_ns, room_ns, now_ns)


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
        return slab_trim(&self.slab, NULL, 0)

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


cdef class Records:
    """The ring of access records of HTTP. A record is its bytes after a length of four, a multiple of eight in all."""

    cdef request_ring_t* ring
    RING_BYTES = REQUEST_RING_BYTES
    LEAST = sizeof(request_record_t)
    MOST = DRAFT_BYTES

    def __cinit__(self):
        self.ring = <request_ring_t*>calloc(1, sizeof(request_ring_t))
        if self.ring == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.ring)

    def push(self, bytes rest):
        cdef uint64_t room[DRAFT_WORDS]
        cdef request_record_t* r = <request_record_t*>room
        assert 4 + len(rest) <= DRAFT_BYTES
        r.n_bytes = 4 + len(rest)
        memcpy(<uint8_t*>room + 4, <const uint8_t*>rest, len(rest))
        return bool(records_push(self.ring, r))

    def take(self):
        """None when there is none."""
        cdef uint64_t room[DRAFT_WORDS]
        cdef request_record_t* r = <request_record_t*>room
        if not records_take(self.ring, r):
            return None
        return (<const uint8_t*>room)[4:r.n_bytes]

    def spoil(self, uint32_t at, uint32_t length):
        """What a broken worker might write."""
        (<uint32_t*>(self.ring.bytes + at))[0] = length

    def unread(self):
        return self.ring.tail - self.ring.head


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


# ---- flow table ----

# What this thread has had of a processor: others on the machine do not count.
cdef uint64_t thread_ns() noexcept nogil:
    cdef timespec ts
    c_clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts)
    return <uint64_t>ts.tv_sec * 1000000000 + <uint64_t>ts.tv_nsec


cdef enum:
    BATCH = 64


# The n-th of a row of different keys, as a client towards one listener makes them.
cdef void key_number(flow_key_t* key, uint64_t n) noexcept nogil:
    cdef uint64_t client = <uint32_t>(n * <uint64_t>2654435761)
    key.words[0] = 0
    key.words[1] = client << 32 | <uint64_t>0xffff0000
    key.words[2] = 0
    key.words[3] = <uint64_t>0x0100000affff0000
    key.words[4] = (hash_mix(n) & 0xffff) << 16 | 53


cdef uint32_t random_below(uint64_t* state, uint32_t n) noexcept nogil:
    return <uint32_t>((random_next(state) >> 32) * n >> 32)


cdef int key_of(bytes text, flow_key_t* key) except -1:
    if len(text) != sizeof(flow_key_t):
        raise ValueError(f"a key of {len(text)} bytes")
    memcpy(key, <const uint8_t*>text, sizeof(flow_key_t))
    return 0


cdef class Flows:
    """A flow table by index. Keys are 40 bytes; times are ticks, given by the caller; a hash may be forced."""

    cdef flowtable_t table
    cdef uint64_t last_seed

    def __cinit__(self, uint32_t cap, uint32_t side_bytes=0, uint64_t seed=1, uint32_t now=0):
        if flowtable_open(&self.table, cap, side_bytes, seed, now) < 0:
            raise MemoryError

    def __dealloc__(self):
        flowtable_close(&self.table)

    def hash(self, bytes key):
        cdef flow_key_t words
        key_of(key, &words)
        return flowtable_hash(&self.table, &words)

    def find(self, bytes key, hash=None):
        """Index, or None."""
        cdef flow_key_t words
        key_of(key, &words)
        idx = flowtable_find(&self.table, &words, flowtable_hash(&self.table, &words) if hash is None else hash)
        return None if idx == FLOW_NONE else idx

    def find_many(self, keys):
        """Indices or None, in batches as a worker does."""
        cdef flow_key_t words[BATCH]
        cdef uint64_t hashes[BATCH]
        cdef uint32_t found[BATCH]
        result = []
        for first in range(0, len(keys), BATCH):
            some = keys[first : first + BATCH]
            for i, key in enumerate(some):
                key_of(key, &words[<uint32_t>i])
            flowtable_find_many(&self.table, words, len(some), hashes, found)
            for i, key in enumerate(some):
                assert hashes[<uint32_t>i] == self.hash(key)
                result.append(None if found[<uint32_t>i] == FLOW_NONE else found[<uint32_t>i])
        return result

    def add(self, bytes key, uint32_t now=0, hash=None):
        """Index, or None when full."""
        cdef flow_key_t words
        key_of(key, &words)
        idx = flowtable_add(&self.table, &words, flowtable_hash(&self.table, &words) if hash is None else hash, now)
        return None if idx == FLOW_NONE else idx

    cdef uint32_t taken(self, uint32_t idx) except? FLOW_NONE:
        if not flowtable_is_taken(&self.table, idx):
            raise IndexError(idx)
        return idx

    def unpark(self, uint32_t idx, bytes key, uint32_t now=0, hash=None):
        cdef flow_key_t words
        key_of(key, &words)
        hash = flowtable_hash(&self.table, &words) if hash is None else hash
        flowtable_unpark(&self.table, self.taken(idx), &words, hash, now)

    def touch(self, uint32_t idx, uint32_t now):
        flowtable_touch(&self.table, self.taken(idx), now)

    def assure(self, uint32_t idx):
        flowtable_assure(&self.table, self.taken(idx))

    def park(self, uint32_t idx):
        flowtable_park(&self.table, self.taken(idx))

    def remove(self, uint32_t idx):
        return flowtable_remove(&self.table, idx)

    def is_taken(self, uint32_t idx):
        return flowtable_is_taken(&self.table, idx)

    def oldest(self, uint32_t looks):
        idx = flowtable_oldest(&self.table, looks)
        return None if idx == FLOW_NONE else idx

    def expire(self, uint32_t now, uint32_t idle, uint32_t max_n=BATCH):
        """Indices of silent entries, at most max_n and at most 64."""
        cdef uint32_t out[BATCH]
        cdef uint32_t n = flowtable_expire(&self.table, now, idle, out, min(max_n, BATCH))
        return [out[i] for i in range(n)]

    def wait(self, uint32_t now, uint32_t idle, uint32_t max_ticks=1 << 30):
        return flowtable_wait(&self.table, now, idle, max_ticks)

    @property
    def n_taken(self):
        return self.table.n_taken

    @property
    def n_assured(self):
        return self.table.n_assured

    @property
    def n_buckets(self):
        return self.table.n_buckets

    @property
    def n_bytes(self):
        return self.table.n_bytes

    def places(self):
        """(bucket, index) of each slot that names an entry."""
        return [
            (at, self.table.buckets[at].entries[slot])
            for at in range(self.table.n_buckets) for slot in range(FLOW_SLOTS) if self.table.buckets[at].tags[slot]
        ]

    def passed(self):
        """What each bucket counts as passing it by."""
        return [self.table.buckets[at].n_passed for at in range(self.table.n_buckets)]

    def listed(self):
        """Indices in the order of their lists, unreplied ones first; each list is walked forwards and checked backwards."""
        cdef uint32_t number, idx, before
        seen = [[], []]
        for number in range(2 * FLOW_WHEEL_SLOTS):
            if not self.table.is_filled[number >> 6] >> (number & 63) & 1:
                continue
            before = self.table.cap + number
            idx = self.table.heads[number].next
            assert idx < self.table.cap, "a list that is marked as filled is empty"
            while idx < self.table.cap:
                assert self.table.entries[idx].link.prev == before
                seen[number >= FLOW_WHEEL_SLOTS].append(idx)
                before, idx = idx, self.table.entries[idx].link.next
            assert self.table.heads[number].prev == before and idx == self.table.cap + number
        return seen

    # ---- at the speed of C, for benchmarks: nanoseconds of CPU per step; keys are numbers ----

    def fill(self, uint64_t n, uint32_t now=0):
        """Add the keys 0 to n - 1."""
        cdef flow_key_t key
        cdef uint64_t i
        for i in range(n):
            key_number(&key, i)
            flowtable_add(&self.table, &key, flowtable_hash(&self.table, &key), now)

    def assure_all(self):
        cdef uint32_t idx
        for idx in range(self.table.n_fresh):
            if flowtable_is_taken(&self.table, idx):
                flowtable_assure(&self.table, idx)

    def touch_all(self, uint32_t now):
        cdef uint32_t idx
        for idx in range(self.table.n_fresh):
            flowtable_touch(&self.table, idx, now)

    def time_find(self, uint32_t n_keys, uint32_t n, uint64_t seed, bint is_chained, uint64_t first=0):
        """Look up n random ones of the keys first to first + n_keys - 1; chained: what the entry says decides on the next."""
        cdef flow_key_t key
        cdef uint32_t found
        cdef uint64_t start_ns = thread_ns()
        cdef uint32_t _turn
        for _turn in range(n):
            key_number(&key, first + random_below(&seed, n_keys))
            found = flowtable_find(&self.table, &key, flowtable_hash(&self.table, &key))
            if is_chained:
                seed += self.table.entries[found].key.words[0]  # 0; only the processor has to wait for it
        return (thread_ns() - start_ns) / <double>n

    def time_find_many(self, uint32_t n_keys, uint32_t n, uint64_t seed, uint32_t batch=BATCH, uint64_t first=0):
        """The same in batches."""
        cdef flow_key_t keys[BATCH]
        cdef uint64_t hashes[BATCH]
        cdef uint32_t found[BATCH]
        cdef uint64_t start_ns = thread_ns()
        cdef uint32_t i, _turn
        for _turn in range(n // batch):
            for i in range(batch):
                key_number(&keys[i], first + random_below(&seed, n_keys))
            flowtable_find_many(&self.table, keys, batch, hashes, found)
        return (thread_ns() - start_ns) / <double>(n // batch * batch)

    def time_reads(self, uint32_t n, uint64_t seed):
        """Two reads, each of a random line that depends on the one before: of the table's buckets, then of its entries."""
        cdef uint32_t idx, _turn
        cdef uint64_t start_ns = thread_ns()
        for _turn in range(n):
            idx = self.table.buckets[random_below(&seed, self.table.n_buckets)].entries[0]
            idx += <uint32_t>((seed >> 32) * self.table.n_fresh >> 32)
            idx -= self.table.n_fresh if idx >= self.table.n_fresh else 0
            seed += self.table.entries[idx].key.words[0]
        self.last_seed = seed       # or the compiler would leave the reads out
        return (thread_ns() - start_ns) / <double>n

    def time_churn(self, uint32_t n, uint64_t first):
        """A full table under a flood: look up a key that is not there, evict the oldest flow, add."""
        cdef flow_key_t key
        cdef uint64_t hash, i
        cdef uint64_t start_ns = thread_ns()
        for i in range(n):
            key_number(&key, first + i)
            hash = flowtable_hash(&self.table, &key)
            if flowtable_find(&self.table, &key, hash) == FLOW_NONE:
                flowtable_remove(&self.table, flowtable_oldest(&self.table, 8))
                flowtable_add(&self.table, &key, hash, <uint32_t>(i >> 12))
        return (thread_ns() - start_ns) / <double>n

    def time_expire(self, uint32_t now, uint32_t idle):
        """Expire and remove all that has to go, 64 looks a call: (calls, removed, longest call in us)."""
        cdef uint32_t out[BATCH]
        cdef uint32_t n, i, calls = 0, removed = 0
        cdef uint64_t start_ns, longest_ns = 0
        while flowtable_wait(&self.table, now, idle, 1) == 0:
            start_ns = thread_ns()
            n = flowtable_expire(&self.table, now, idle, out, BATCH)
            for i in range(n):
                flowtable_remove(&self.table, out[i])
            longest_ns = max(longest_ns, thread_ns() - start_ns)
            calls += 1
            removed += n
        return calls, removed, longest_ns / 1000


def flows_bytes(uint32_t cap, uint32_t side_bytes=0):
    return flowtable_bytes(cap, side_bytes)
