"""Buffers: equal blocks, bounded by runtime.buffers."""

from libc.stdint cimport uint32_t
from nginy._fast.mem.slab cimport slab_close, slab_open


cdef int buffers_open(buffers_t* b, uint32_t n, uint32_t block_bytes) noexcept nogil:
    return slab_open(&b.blocks, block_bytes, 0, n, 0)


cdef void buffers_close(buffers_t* b) noexcept nogil:
    slab_close(&b.blocks)
