"""Tabled: a look-up, and then on past those who cannot be taken; every walk is bounded."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t
from nginy._fast.base.layout cimport NO_INDEX, snap_backend_t
from nginy._fast.policy.bounded cimport bounded_cap
from nginy._fast.policy.choose cimport chooser_t
from nginy._fast.policy.keyed cimport choose_rendezvous
from nginy._fast.policy.look cimport load_of, look_hash, look_t, take_id, walk_from
from nginy._fast.policy.maglev cimport MAGLEV_PROBES, maglev_next, maglev_t
from nginy._fast.policy.ring cimport ring_find, ring_next, ring_point_t, ring_t
from nginy._fast.policy.table cimport TABLE_MAGLEV, TABLE_MAP, TABLE_RING, table_entry_t, table_tier, table_tier_t

cdef enum:
    POINTS_MOST = 4096          # of a ring in one choice: with 160 points each, some 25 backends in a row are out
    SLOTS_MOST = 256            # of a Maglev table, behind its own fresh hashes

cdef struct room_t:             # who counts as having room, beside max_conns
    uint64_t total              # in flight on all usable ones of the tier
    uint64_t cap                # of each, where all weights are the same; 0 = each has its own
    uint32_t factor             # thousandths; 0 = not bounded
    uint32_t saturated          # sessions per unit of weight; 0 = no bound


cdef void room_none(room_t* room) noexcept nogil:
    room.factor = 0
    room.saturated = 0


cdef void room_bounded(chooser_t* c, look_t* look, room_t* room) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t weight = 1
    room.factor = look.pool.factor
    room.saturated = 0
    room.total = 0
    for i in range(look.tier.first, look.tier.first + look.tier.n):
        if look.s.backends[i].is_usable:
            room.total += load_of(c, look.s.backends[i].id)
            weight = look.s.backends[i].weight
    room.cap = 0
    if look.tier.is_equal and look.tier.weight_sum:
        room.cap = bounded_cap(room.total, weight, look.tier.weight_sum, room.factor)


cdef bint has_room(chooser_t* c, look_t* look, const room_t* room, const snap_backend_t* b) noexcept nogil:
    if room.factor and room.cap:
        return load_of(c, b.id) < room.cap
    if room.factor:
        return load_of(c, b.id) < bounded_cap(room.total, b.weight, look.tier.weight_sum, room.factor)
    return room.saturated == 0 or load_of(c, b.id) < <uint64_t>room.saturated * b.weight


cdef int walk_ring(chooser_t* c, look_t* look, const table_tier_t* part, const room_t* room) noexcept nogil:
    cdef ring_t ring
    cdef uint32_t at, id, _turn
    cdef uint32_t last = NO_INDEX
    cdef int got
    ring.points = <const ring_point_t*>(c.tables[look.pool.id].base + part.off)
    ring.starts = <const uint32_t*>(c.tables[look.pool.id].base + part.off_starts)
    ring.n_points = part.n
    ring.n_bits = part.n_bits
    at = ring_find(&ring, <uint32_t>(look_hash(look) >> 32))
    for _turn in range(min(part.n, <uint32_t>POINTS_MOST)):
        id = ring.points[at].index
        if id != last:
            got = take_id(c, look, id)
            if got >= 0 and has_room(c, look, room, &look.s.backends[got]):
                return got
            last = id
        at = ring_next(&ring, at)
    return -1


cdef int walk_maglev(chooser_t* c, look_t* look, const table_tier_t* part, const room_t* room) noexcept nogil:
    cdef maglev_t m
    cdef uint64_t h = look_hash(look)
    cdef uint32_t turn
    cdef int got
    m.slots = <const uint16_t*>(c.tables[look.pool.id].base + part.off)
    m.size = part.n
    for turn in range(MAGLEV_PROBES + min(part.n, <uint32_t>SLOTS_MOST)):
        got = take_id(c, look, maglev_next(&m, h, turn))
        if got >= 0 and has_room(c, look, room, &look.s.backends[got]):
            return got
    return -1


# Where a bounded walk found nobody: anybody of the tier, from a place that the key names.
cdef int walk_tier(chooser_t* c, look_t* look) noexcept nogil:
    return walk_from(c, look, <uint32_t>((look_hash(look) >> 32) * look.tier.n >> 32))


cdef const table_tier_t* part_of(chooser_t* c, look_t* look, uint32_t kind) noexcept nogil:
    return table_tier(&c.tables[look.pool.id], look.s.backends[look.tier.first].tier, kind)


cdef int choose_ring(chooser_t* c, look_t* look, bint is_bounded) noexcept nogil:
    cdef const table_tier_t* part = part_of(c, look, TABLE_RING)
    cdef room_t room
    cdef int got
    if part == NULL:
        return choose_rendezvous(c, look)
    room_none(&room)
    if is_bounded:
        room_bounded(c, look, &room)
    got = walk_ring(c, look, part, &room)
    return got if got >= 0 else walk_tier(c, look)


cdef int choose_maglev(chooser_t* c, look_t* look, bint is_bounded) noexcept nogil:
    cdef const table_tier_t* part = part_of(c, look, TABLE_MAGLEV)
    cdef room_t room
    cdef int got
    if part == NULL:
        return choose_rendezvous(c, look)
    room_none(&room)
    if is_bounded:
        room_bounded(c, look, &room)
    got = walk_maglev(c, look, part, &room)
    return got if got >= 0 else walk_tier(c, look)


cdef int choose_mapped(chooser_t* c, look_t* look) noexcept nogil:
    cdef const table_tier_t* part = part_of(c, look, TABLE_MAP)
    cdef const table_entry_t* entries
    cdef uint64_t h
    cdef uint32_t low = 0
    cdef uint32_t high, mid
    if part == NULL:
        return -1
    entries = <const table_entry_t*>(c.tables[look.pool.id].base + part.off)
    high = part.n
    h = look_hash(look)
    while low < high:
        mid = (low + high) // 2
        if entries[mid].hash < h:
            low = mid + 1
        else:
            high = mid
    return take_id(c, look, entries[low].id) if low < part.n and entries[low].hash == h else -1


# The first one on the ring that is not saturated; when all are, the key's own, up to max_conns.
cdef int choose_preserve(chooser_t* c, look_t* look) noexcept nogil:
    cdef const table_tier_t* part = part_of(c, look, TABLE_RING)
    cdef room_t room
    cdef int got = -1
    if part == NULL:
        return choose_rendezvous(c, look)
    room_none(&room)
    room.saturated = look.pool.saturated
    if room.saturated:
        got = walk_ring(c, look, part, &room)
    room.saturated = 0
    if got < 0:
        got = walk_ring(c, look, part, &room)
    return got if got >= 0 else walk_tier(c, look)
