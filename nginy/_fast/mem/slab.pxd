# A fixed number of equal objects: taken and given in O(1), last given first taken, addresses never move. One thread.
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    SLAB_NONE = 0x7fffffff      # no index: the slab is full
    SLAB_TAKEN = 0x7ffffffe     # mark in next_free of a taken object

cdef struct slab_t:
    uint8_t* base               # owned; cap * item_bytes, untouched pages cost nothing
    uint32_t* next_free         # owned; cap entries
    uint32_t item_bytes
    uint32_t cap                # objects
    uint32_t n_touched          # objects ever taken: [0, n_touched)
    uint32_t free_head
    uint32_t n_taken            # the occupancy; nothing else counts it

# Reserve cap objects of item_bytes. 0, or -ENOMEM with nothing held.
cdef int slab_open(slab_t* s, uint32_t item_bytes, uint32_t cap) noexcept nogil
cdef void slab_close(slab_t* s) noexcept nogil

# Take one object; its bytes are whatever the last owner left (zero at first). SLAB_NONE when full.
cdef uint32_t slab_take(slab_t* s) noexcept nogil

# Give it back. Giving twice is refused (false) and changes nothing.
cdef bint slab_give(slab_t* s, uint32_t idx) noexcept nogil

cdef inline bint slab_is_taken(const slab_t* s, uint32_t idx) noexcept nogil:
    return idx < s.n_touched and s.next_free[idx] == SLAB_TAKEN

cdef inline void* slab_at(const slab_t* s, uint32_t idx) noexcept nogil:
    return s.base + <uint64_t>idx * s.item_bytes
