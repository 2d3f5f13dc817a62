"""Pace: whoever is unknown has all of its room, so that a slot whose time is past says no more than an empty one."""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset
from nginy._fast.base.cdefs cimport ENOMEM, NGY_CHECK
from nginy._fast.mem.region cimport region_close, region_open


cdef int pace_open(pace_t* t, uint32_t n_slots) noexcept nogil:
    memset(t, 0, sizeof(pace_t))
    NGY_CHECK(n_slots >= PACE_WAYS and n_slots & (n_slots - 1) == 0)
    t.n_sets = n_slots // PACE_WAYS
    t.slots = <pace_slot_t*>region_open(n_slots * sizeof(pace_slot_t))
    return -ENOMEM if t.slots == NULL else 0


cdef void pace_close(pace_t* t) noexcept nogil:
    region_close(t.slots, <uint64_t>t.n_sets * PACE_WAYS * sizeof(pace_slot_t))
    memset(t, 0, sizeof(pace_t))


# The slot of a hash. Of a stranger: the one with the earliest time, which is no longer anybody else's.
cdef pace_slot_t* slot_of(pace_t* t, uint64_t hash, uint64_t now_ns) noexcept nogil:
    cdef pace_slot_t* ways = &t.slots[(hash >> 32 & (t.n_sets - 1)) * PACE_WAYS]
    cdef pace_slot_t* first = ways
    cdef uint32_t i
    for i in range(PACE_WAYS):
        if ways[i].hash == hash:
            return &ways[i]
        if ways[i].due_ns < first.due_ns:
            first = &ways[i]
    if first.due_ns > now_ns:
        t.n_forgotten += 1
    first.hash = hash
    first.due_ns = 0
    return first


cdef uint64_t pace_take(pace_t* t, uint64_t hash, uint64_t gap_ns, uint64_t room_ns, uint64_t now_ns) noexcept nogil:
    cdef pace_slot_t* slot = slot_of(t, hash if hash else 1, now_ns)
    if slot.due_ns < now_ns:
        slot.due_ns = now_ns
    if slot.due_ns - now_ns > room_ns:
        return slot.due_ns - now_ns - room_ns
    slot.due_ns += gap_ns
    return 0
