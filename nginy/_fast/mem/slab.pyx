"""Slab: bounded storage for objects of one kind."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset
from nginy._fast.base.cdefs cimport ENOMEM, unlikely
from nginy._fast.mem.region cimport region_close, region_open, region_trim


cdef int slab_open(slab_t* s, uint32_t item_bytes, uint32_t side_bytes, uint32_t cap, uint32_t shift) noexcept nogil:
    memset(s, 0, sizeof(slab_t))
    s.item_bytes = item_bytes
    s.side_bytes = side_bytes
    s.cap = cap
    s.shift = shift
    s.n_chunks = <uint32_t>((<uint64_t>cap + (1 << shift) - 1) >> shift)
    s.partial = s.idle = s.idle_tail = s.bare = SLAB_NONE
    s.base = <uint8_t*>region_open(<uint64_t>cap * item_bytes)
    s.next_free = <uint32_t*>region_open(<uint64_t>cap * sizeof(uint32_t))
    s.chunks = <slab_chunk_t*>region_open(<uint64_t>s.n_chunks * sizeof(slab_chunk_t))
    if side_bytes:
        s.side = <uint8_t*>region_open(<uint64_t>cap * side_bytes)
    if s.base == NULL or s.next_free == NULL or s.chunks == NULL or (side_bytes and s.side == NULL):
        slab_close(s)
        return -ENOMEM
    return 0


cdef void slab_close(slab_t* s) noexcept nogil:
    region_close(s.base, <uint64_t>s.cap * s.item_bytes)
    region_close(s.side, <uint64_t>s.cap * s.side_bytes)
    region_close(s.next_free, <uint64_t>s.cap * sizeof(uint32_t))
    region_close(s.chunks, <uint64_t>s.n_chunks * sizeof(slab_chunk_t))
    memset(s, 0, sizeof(slab_t))


# ---- lists of chunks ----

cdef void partial_push(slab_t* s, uint32_t at) noexcept nogil:
    cdef slab_chunk_t* c = &s.chunks[at]
    c.prev = SLAB_NONE
    c.next = s.partial
    if s.partial != SLAB_NONE:
        s.chunks[s.partial].prev = at
    s.partial = at


cdef void partial_drop(slab_t* s, uint32_t at) noexcept nogil:
    cdef slab_chunk_t* c = &s.chunks[at]
    if c.prev == SLAB_NONE:
        s.partial = c.next
    else:
        s.chunks[c.prev].next = c.next
    if c.next != SLAB_NONE:
        s.chunks[c.next].prev = c.prev


cdef void idle_push(slab_t* s, uint32_t at) noexcept nogil:
    cdef slab_chunk_t* c = &s.chunks[at]
    c.prev = SLAB_NONE
    c.next = s.idle
    if s.idle == SLAB_NONE:
        s.idle_tail = at
    else:
        s.chunks[s.idle].prev = at
    s.idle = at
    s.n_idle += 1


cdef uint32_t idle_pop(slab_t* s) noexcept nogil:
    cdef uint32_t at = s.idle
    s.idle = s.chunks[at].next
    if s.idle == SLAB_NONE:
        s.idle_tail = SLAB_NONE
    else:
        s.chunks[s.idle].prev = SLAB_NONE
    s.n_idle -= 1
    if s.n_idle < s.n_idle_low:
        s.n_idle_low = s.n_idle
    return at


# A chunk with nothing taken: the one used last, else one without memory yet. SLAB_NONE when all are in use.
cdef uint32_t chunk_unused(slab_t* s) noexcept nogil:
    cdef uint32_t at
    if s.idle != SLAB_NONE:
        return idle_pop(s)
    if s.bare != SLAB_NONE:
        at = s.bare
        s.bare = s.chunks[at].next
        return at
    if s.n_known == s.n_chunks:
        return SLAB_NONE
    s.chunks[s.n_known].free_head = SLAB_NONE
    s.n_known += 1
    return s.n_known - 1


cdef inline uint32_t chunk_room(const slab_t* s, uint32_t at) noexcept nogil:
    cdef uint32_t first = at << s.shift
    return s.cap - first if s.cap - first < <uint32_t>(1 << s.shift) else <uint32_t>(1 << s.shift)


# ---- objects ----

cdef uint32_t slab_take(slab_t* s) noexcept nogil:
    cdef uint32_t at = s.partial
    cdef bint was_unused = at == SLAB_NONE
    cdef slab_chunk_t* c
    cdef uint32_t idx
    if was_unused:
        at = chunk_unused(s)
        if unlikely(at == SLAB_NONE):
            return SLAB_NONE
    c = &s.chunks[at]
    idx = c.free_head
    if idx != SLAB_NONE:
        c.free_head = s.next_free[idx]
    else:
        idx = (at << s.shift) + c.n_fresh
        c.n_fresh += 1
        if idx >= s.n_touched:
            s.n_touched = idx + 1
    s.next_free[idx] = SLAB_TAKEN
    s.n_taken += 1
    c.n_taken += 1
    if c.n_taken == chunk_room(s, at):
        if not was_unused:
            partial_drop(s, at)
    elif was_unused:
        partial_push(s, at)
    return idx


cdef bint slab_give(slab_t* s, uint32_t idx) noexcept nogil:
    cdef uint32_t at = idx >> s.shift
    cdef slab_chunk_t* c
    cdef bint was_full
    if not slab_is_taken(s, idx):
        return False
    c = &s.chunks[at]
    was_full = c.n_taken == chunk_room(s, at)
    s.next_free[idx] = c.free_head
    c.free_head = idx
    c.n_taken -= 1
    s.n_taken -= 1
    if c.n_taken == 0:
        if not was_full:
            partial_drop(s, at)
        idle_push(s, at)
    elif was_full:
        partial_push(s, at)
    return True


# ---- memory back to the kernel ----

cdef uint32_t slab_settle(slab_t* s) noexcept nogil:
    cdef uint32_t unneeded = s.n_idle_low
    s.n_idle_low = s.n_idle
    return unneeded


cdef bint slab_trim(slab_t* s, void* beside, uint32_t beside_bytes) noexcept nogil:
    cdef uint32_t at = s.idle_tail
    cdef slab_chunk_t* c
    cdef uint64_t first, n
    if at == SLAB_NONE:
        return False
    c = &s.chunks[at]
    s.idle_tail = c.prev
    if c.prev == SLAB_NONE:
        s.idle = SLAB_NONE
    else:
        s.chunks[c.prev].next = SLAB_NONE
    s.n_idle -= 1
    if s.n_idle < s.n_idle_low:
        s.n_idle_low = s.n_idle
    first = <uint64_t>at << s.shift
    n = chunk_room(s, at)
    region_trim(s.base, first * s.item_bytes, n * s.item_bytes)
    if s.side != NULL:
        region_trim(s.side, first * s.side_bytes, n * s.side_bytes)
    if beside != NULL:
        region_trim(beside, first * beside_bytes, n * beside_bytes)
    c.free_head = SLAB_NONE
    c.n_fresh = 0
    c.next = s.bare
    s.bare = at
    return True
