"""Buffers: blocks of BUFFER_BYTES, bounded by runtime.buffers."""

from libc.stdint cimport uint64_t
from nginy._fast.base.limits cimport BUFFER_BYTES
from nginy._fast.mem.slab cimport slab_close, slab_open


cdef int buffers_open(buffers_t* b, uint64_t n_bytes) noexcept nogil:
    cdef uint64_t n = n_bytes // BUFFER_BYTES
    return slab_open(&b.blocks, BUFFER_BYTES, <uint32_t>(n if n else 1))


cdef void buffers_close(buffers_t* b) noexcept nogil:
    slab_close(&b.blocks)
