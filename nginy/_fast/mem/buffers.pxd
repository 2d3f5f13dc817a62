# A worker's pool of relay buffers of one size: lent only while bytes are on their way, last given first taken (hot in cache).
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from nginy._fast.mem.slab cimport SLAB_NONE, slab_at, slab_give, slab_t, slab_take

cdef enum:
    NO_BUFFER = 0x7fffffff

cdef struct buffers_t:
    slab_t blocks

# n buffers of block_bytes. 0, or -ENOMEM.
cdef int buffers_open(buffers_t* b, uint32_t n, uint32_t block_bytes) noexcept nogil
cdef void buffers_close(buffers_t* b) noexcept nogil

# NO_BUFFER when all are lent.
cdef inline uint32_t buffers_take(buffers_t* b) noexcept nogil:
    return slab_take(&b.blocks)

cdef inline void buffers_give(buffers_t* b, uint32_t idx) noexcept nogil:
    slab_give(&b.blocks, idx)

cdef inline uint8_t* buffers_at(const buffers_t* b, uint32_t idx) noexcept nogil:
    return <uint8_t*>slab_at(&b.blocks, idx)
