"""The flow table of the data plane for Python programs: the same code that a worker runs, one flow or a batch at a time."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.math cimport ceil
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset, strlen
from nginy._fast.base.cdefs cimport AF_INET, AF_INET6
from nginy._fast.base cimport limits
from nginy._fast.base.limits cimport EVICT_LOOKS, FLOW_TICK_SHIFT
from nginy._fast.mem.flowtable cimport (
    FLOW_ASSURED, FLOW_NONE, flow_key_t, flowtable_add, flowtable_assure, flowtable_close, flowtable_expire, flowtable_find,
    flowtable_find_many, flowtable_hash, flowtable_oldest, flowtable_open, flowtable_remove, flowtable_side, flowtable_t,
    flowtable_touch, flowtable_wait,
)

import os

cdef extern from "arpa/inet.h":
    int inet_pton(int family, const char* text, void* address)
    const char* inet_ntop(int family, const void* address, char* text, uint32_t n_bytes)

cdef enum:
    BATCH = 64                  # keys looked up at once
    TEXT_BYTES = 46             # INET6_ADDRSTRLEN
    MAX_TURNS = 0x7fffffff

FlowKey = tuple[str, int, str, int]
KEY_BYTES = sizeof(flow_key_t)
MAX_FLOWS = limits.MAX_FLOWS
TICK_S = (1 << FLOW_TICK_SHIFT) / 1000
MAX_IDLE_S = 1e8                # ticks are compared within half of 32 bits


# ---- keys: both addresses as IPv6, IPv4 mapped; then both ports ----

cdef int address_read(object text, str whose, uint64_t* words) except -1:
    cdef Py_ssize_t n_chars = 0
    cdef const char* chars
    cdef uint8_t* at = <uint8_t*>words
    if not isinstance(text, str):
        raise TypeError(f"flow key: {whose} address {text!r} is no text; write it as '192.0.2.1' or '2001:db8::1'")
    chars = PyUnicode_AsUTF8AndSize(text, &n_chars)
    if strlen(chars) == <size_t>n_chars:
        memset(at, 0, 10)
        memset(at + 10, 255, 2)
        if inet_pton(AF_INET, chars, at + 12) == 1 or inet_pton(AF_INET6, chars, at) == 1:
            return 0
    raise ValueError(f"flow key: {whose} address {text!r} is no IP address; write it as '192.0.2.1' or '2001:db8::1'")


cdef int port_read(object number, str whose) except -1:
    if not isinstance(number, int):
        raise TypeError(f"flow key: {whose} port {number!r} is no number")
    if not 0 <= number <= 65535:
        raise ValueError(f"flow key: {whose} port {number} is not in 0..65535")
    return number


cdef int key_read(object key, flow_key_t* to) except -1:
    if not isinstance(key, tuple) or len(key) != 4:
        raise TypeError(f"flow key {key!r}: write (client address, client port, local address, local port)")
    address_read(key[0], "client", &to.words[0])
    address_read(key[2], "local", &to.words[2])
    to.words[4] = <uint64_t>port_read(key[1], "client") << 16 | <uint64_t>port_read(key[3], "local")
    return 0


cdef str address_text(const uint64_t* words):
    cdef const uint8_t* at = <const uint8_t*>words
    cdef char text[TEXT_BYTES]
    if words[0] == 0 and (<const uint32_t*>at)[2] == <uint32_t>0xffff0000:
        inet_ntop(AF_INET, at + 12, text, TEXT_BYTES)
    else:
        inet_ntop(AF_INET6, at, text, TEXT_BYTES)
    return text.decode("ascii")


cdef tuple key_text(const flow_key_t* key):
    cdef uint64_t ports = key.words[4]
    return address_text(&key.words[0]), ports >> 16, address_text(&key.words[2]), ports & 0xffff


cdef int check_number(str name, object number) except -1:
    if not isinstance(number, int):
        raise TypeError(f"{name} {number!r} is no whole number")
    try:
        <int64_t>number
    except OverflowError:
        raise ValueError(f"{name} {number} does not fit 64 bits, signed") from None
    return 0


def pack(keys):
    """Flow keys as `FlowTable.get_packed` takes them: KEY_BYTES each, one behind the other.

    Good within this process only. TypeError, ValueError: what is wrong with which key.
    """
    cdef list kept = list(keys)
    cdef bytearray packed = bytearray(len(kept) * sizeof(flow_key_t))
    cdef flow_key_t* at = <flow_key_t*><char*>packed
    cdef Py_ssize_t i
    for i in range(len(kept)):
        key_read(kept[i], &at[i])
    return bytes(packed)


# ---- time ----

cdef uint32_t tick_of(double now_s) except? 0xffffffff:
    if not 0 <= now_s < 1e15:
        raise ValueError(f"now_s {now_s}: seconds of a clock that never goes back, 0 or more")
    return <uint32_t>(<uint64_t>(now_s * 1000) >> FLOW_TICK_SHIFT)


# One more than fit: a tick may have begun just before the flow was active.
cdef uint32_t ticks_in(double idle_s) except? 0xffffffff:
    if not 0 <= idle_s <= MAX_IDLE_S:
        raise ValueError(f"idle_s {idle_s} is not in 0..{MAX_IDLE_S:.0f}")
    return <uint32_t>(ceil(idle_s * 1000 / (1 << FLOW_TICK_SHIFT))) + 1


# ---- the table ----

cdef class FlowTable:
    """A bounded table of flows: a key (client address, client port, local address, local port) and a 64-bit number each.

    size: flows that fit, 1 to MAX_FLOWS; n_bytes are reserved for them, and touched as flows come.
    seed: of the keyed hash; left out, it is drawn by the system.
    A flow is unreplied until `assure`. When the table is full, `add` evicts the unreplied flow that has been silent longest.
    Times are seconds of a clock of the caller's that never goes back, such as time.monotonic(). One thread at a time.
    Keys that are no such tuple are refused: TypeError, ValueError. Source of the design: docs/architecture.md.
    """

    cdef flowtable_t table

    def __cinit__(self, size, *, seed=None):
        if not 0 < size <= MAX_FLOWS:
            raise ValueError(f"a table of {size} flows; 1 to {MAX_FLOWS} are possible")
        if seed is None:
            seed = int.from_bytes(os.urandom(8), "little")
        if flowtable_open(&self.table, size, sizeof(int64_t), <uint64_t>(seed & 0xffffffffffffffff), 0) < 0:
            raise MemoryError(f"no address space for a table of {size} flows")

    def __dealloc__(self):
        flowtable_close(&self.table)

    cdef int64_t* value(self, uint32_t idx) noexcept:
        return <int64_t*>flowtable_side(&self.table, idx)

    cdef uint32_t find(self, object key) except? FLOW_NONE:
        cdef flow_key_t words
        key_read(key, &words)
        return flowtable_find(&self.table, &words, flowtable_hash(&self.table, &words))

    cdef tuple take_out(self, uint32_t idx):
        item = key_text(&self.table.entries[idx].key), self.value(idx)[0]
        flowtable_remove(&self.table, idx)
        return item

    def get(self, key):
        """The flow's number; None when there is no such flow. Says nothing about its being active."""
        cdef uint32_t idx = self.find(key)
        return None if idx == FLOW_NONE else self.value(idx)[0]

    def get_many(self, keys):
        """`get` for each key of a sequence, as a list. The look-ups overlap; reading the tuples takes most of the time."""
        cdef list kept = list(keys)
        cdef flow_key_t words[BATCH]
        cdef uint64_t hashes[BATCH]
        cdef uint32_t found[BATCH]
        cdef Py_ssize_t first, i, n
        numbers = []
        for first in range(0, len(kept), BATCH):
            n = min(len(kept) - first, <Py_ssize_t>BATCH)
            for i in range(n):
                key_read(kept[first + i], &words[i])
            flowtable_find_many(&self.table, words, <uint32_t>n, hashes, found)
            for i in range(n):
                numbers.append(None if found[i] == FLOW_NONE else self.value(found[i])[0])
        return numbers

    def get_packed(self, keys, missing=-1):
        """The numbers of many flows at once, as a memoryview of 64-bit numbers; `missing` stands where there is no flow.

        keys: what `pack` returns, or any bytes-like object of such keys. The fastest way from Python: nothing is made for
        a single key. ValueError: not a whole number of keys, or `missing` does not fit 64 bits.
        """
        cdef Py_buffer view
        cdef bytearray numbers
        check_number("missing", missing)
        PyObject_GetBuffer(keys, &view, PyBUF_SIMPLE)
        try:
            if view.len % sizeof(flow_key_t):
                raise ValueError(f"packed keys: {view.len} bytes are not a multiple of {KEY_BYTES}; pack() makes them")
            numbers = bytearray(view.len // sizeof(flow_key_t) * sizeof(int64_t))
            self.fill(<const uint8_t*>view.buf, <int64_t*><char*>numbers, view.len // sizeof(flow_key_t), missing)
        finally:
            PyBuffer_Release(&view)
        return memoryview(numbers).cast("q")

    cdef void fill(self, const uint8_t* keys, int64_t* numbers, Py_ssize_t n_keys, int64_t missing) noexcept:
        cdef flow_key_t kept[BATCH]
        cdef const flow_key_t* words
        cdef uint64_t hashes[BATCH]
        cdef uint32_t found[BATCH]
        cdef const int64_t* values = self.value(0)
        cdef Py_ssize_t first, i, n
        for first in range(0, n_keys, BATCH):
            n = min(n_keys - first, <Py_ssize_t>BATCH)
            words = <const flow_key_t*>(keys + first * sizeof(flow_key_t))
            if <uintptr_t>keys % 8:     # the caller's bytes may lie anywhere
                memcpy(kept, words, n * sizeof(flow_key_t))
                words = kept
            flowtable_find_many(&self.table, words, <uint32_t>n, hashes, found)
            for i in range(n):
                numbers[first + i] = missing if found[i] == FLOW_NONE else values[found[i]]

    def add(self, key, value, double now_s):
        """Begin a flow, unreplied. Returns the (key, number) that was evicted to make room, None when there was room.

        ValueError: the key has a flow already, or the number does not fit 64 bits.
        OverflowError: the table is full, and every flow in it has been answered.
        """
        cdef uint32_t tick = tick_of(now_s)
        cdef flow_key_t words
        cdef uint64_t hash
        cdef uint32_t idx
        evicted = None
        key_read(key, &words)
        check_number("value", value)
        hash = flowtable_hash(&self.table, &words)
        if flowtable_find(&self.table, &words, hash) != FLOW_NONE:
            raise ValueError(f"flow {key!r} is there already: remove it first")
        if self.table.n_taken == self.table.cap:
            evicted = self.evict()
        idx = flowtable_add(&self.table, &words, hash, tick)
        self.value(idx)[0] = value
        return evicted

    cdef tuple evict(self):
        cdef uint32_t idx = flowtable_oldest(&self.table, EVICT_LOOKS)
        if idx == FLOW_NONE:
            raise OverflowError(f"all {self.table.cap} flows have been answered and stay: expire some, or use a larger table")
        return self.take_out(idx)

    def touch(self, key, double now_s):
        """Note that the flow is active. False when there is no such flow."""
        cdef uint32_t tick = tick_of(now_s)
        cdef uint32_t idx = self.find(key)
        if idx == FLOW_NONE:
            return False
        flowtable_touch(&self.table, idx, tick)
        return True

    def assure(self, key):
        """Note that the flow was answered: from now on nothing evicts it. False when there is no such flow."""
        cdef uint32_t idx = self.find(key)
        if idx == FLOW_NONE:
            return False
        flowtable_assure(&self.table, idx)
        return True

    def is_assured(self, key):
        cdef uint32_t idx = self.find(key)
        return idx != FLOW_NONE and self.table.entries[idx].state & FLOW_ASSURED != 0

    def remove(self, key):
        """End the flow. Returns its number, None when there is no such flow."""
        cdef uint32_t idx = self.find(key)
        return None if idx == FLOW_NONE else self.take_out(idx)[1]

    def expire(self, double now_s, double idle_s, limit=None):
        """Remove the flows that have been silent for idle_s, and up to 128 ms longer: a list of their (key, number).

        limit: flows to look at in this call at most; the rest waits for the next one. None: as many as there are.
        """
        cdef uint32_t now_tick = tick_of(now_s)
        cdef uint32_t idle_ticks = ticks_in(idle_s)
        cdef uint32_t out[BATCH]
        cdef uint32_t i, n, looks
        cdef uint64_t left
        if limit is not None and limit < 0:
            raise ValueError(f"limit {limit}: 0 or more flows to look at, or None")
        left = MAX_TURNS if limit is None else limit
        items = []
        while left and flowtable_wait(&self.table, now_tick, idle_ticks, 1) == 0:
            looks = <uint32_t>min(left, <uint64_t>BATCH)
            n = flowtable_expire(&self.table, now_tick, idle_ticks, out, looks)
            for i in range(n):
                items.append(self.take_out(out[i]))
            left -= looks
        return items

    def __len__(self):
        return self.table.n_taken

    def __contains__(self, key):
        return self.find(key) != FLOW_NONE

    @property
    def size(self):
        return self.table.cap

    @property
    def n_assured(self):
        """Flows that have been answered."""
        return self.table.n_assured

    @property
    def n_bytes(self):
        """Address space reserved; what has never been used takes no memory."""
        return self.table.n_bytes
