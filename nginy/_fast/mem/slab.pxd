# A bounded number of equal objects, each with an optional cold part beside it; taken and given in O(1), addresses never
# move. Objects lie in chunks: used chunks are filled before idle ones are touched, and a chunk that has been idle for a
# while gives its memory back. One thread.
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    SLAB_NONE = 0x7fffffff      # no index: the slab is full
    SLAB_TAKEN = 0x7ffffffe     # mark in next_free of a taken object

cdef struct slab_chunk_t:
    uint32_t free_head
    uint32_t n_fresh            # objects handed out since the chunk was last bare
    uint32_t n_taken
    uint32_t next               # in the list of its kind
    uint32_t prev

cdef struct slab_t:
    uint8_t* base               # owned; cap * item_bytes, untouched pages cost nothing
    uint8_t* side               # owned; cap * side_bytes: the cold parts; NULL = none
    uint32_t* next_free         # owned; cap entries
    slab_chunk_t* chunks        # owned
    uint32_t item_bytes
    uint32_t side_bytes
    uint32_t cap                # objects
    uint32_t shift              # a chunk has 1 << shift objects
    uint32_t n_chunks
    uint32_t n_known            # chunks ever used: [0, n_known)
    uint32_t partial            # list of chunks with taken and free objects, last changed first
    uint32_t idle               # list of chunks with nothing taken, last idle first
    uint32_t idle_tail
    uint32_t bare               # list of chunks that gave their memory back
    uint32_t n_idle
    uint32_t n_idle_low         # fewest since the last slab_settle: so many were not needed
    uint32_t n_touched          # objects ever taken lie in [0, n_touched)
    uint32_t n_taken            # the occupancy; nothing else counts it

# Reserve cap objects of item_bytes with side_bytes (0 = none) beside each, 1 << shift to a chunk.
# 0, or -ENOMEM with nothing held.
cdef int slab_open(slab_t* s, uint32_t item_bytes, uint32_t side_bytes, uint32_t cap, uint32_t shift) noexcept nogil
cdef void slab_close(slab_t* s) noexcept nogil

# Take one object; its bytes are whatever the last owner left, or zero. SLAB_NONE when full.
cdef uint32_t slab_take(slab_t* s) noexcept nogil

# Give it back. Giving twice is refused (false) and changes nothing.
cdef bint slab_give(slab_t* s, uint32_t idx) noexcept nogil

# Begin a new period. Returns how many chunks were idle during the whole of the last one.
cdef uint32_t slab_settle(slab_t* s) noexcept nogil

# Give the memory of the chunk that has been idle longest back to the kernel. False when none is idle. beside: of this many
# bytes for each object, in the same order, which somebody else keeps; their memory goes with it. NULL = nothing.
cdef bint slab_trim(slab_t* s, void* beside, uint32_t beside_bytes) noexcept nogil

cdef inline bint slab_is_taken(const slab_t* s, uint32_t idx) noexcept nogil:
    return idx < s.n_touched and s.next_free[idx] == SLAB_TAKEN

cdef inline void* slab_at(const slab_t* s, uint32_t idx) noexcept nogil:
    return s.base + <uint64_t>idx * s.item_bytes

cdef inline void* slab_side(const slab_t* s, uint32_t idx) noexcept nogil:
    return s.side + <uint64_t>idx * s.side_bytes
