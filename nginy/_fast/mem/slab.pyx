"""Slab: bounded storage for objects of one kind."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset
from nginy._fast.base.cdefs cimport ENOMEM
from nginy._fast.mem.region cimport region_close, region_open


cdef int slab_open(slab_t* s, uint32_t item_bytes, uint32_t cap) noexcept nogil:
    memset(s, 0, sizeof(slab_t))
    s.item_bytes = item_bytes
    s.cap = cap
    s.free_head = SLAB_NONE
    s.base = <uint8_t*>region_open(<uint64_t>cap * item_bytes)
    s.next_free = <uint32_t*>region_open(<uint64_t>cap * sizeof(uint32_t))
    if s.base == NULL or s.next_free == NULL:
        slab_close(s)
        return -ENOMEM
    return 0


cdef void slab_close(slab_t* s) noexcept nogil:
    region_close(s.base, <uint64_t>s.cap * s.item_bytes)
    region_close(s.next_free, <uint64_t>s.cap * sizeof(uint32_t))
    memset(s, 0, sizeof(slab_t))


cdef uint32_t slab_take(slab_t* s) noexcept nogil:
    cdef uint32_t idx = s.free_head
    if idx != SLAB_NONE:
        s.free_head = s.next_free[idx]
    elif s.n_touched < s.cap:
        idx = s.n_touched
        s.n_touched += 1
    else:
        return SLAB_NONE
    s.next_free[idx] = SLAB_TAKEN
    s.n_taken += 1
    return idx


cdef bint slab_give(slab_t* s, uint32_t idx) noexcept nogil:
    if not slab_is_taken(s, idx):
        return False
    s.next_free[idx] = s.free_head
    s.free_head = idx
    s.n_taken -= 1
    return True
