# Datagrams of a flow whose backend is being asked for. They wait in one relay buffer, in the order they came.
from libc.stdint cimport uint32_t
from nginy._fast.engine.flows cimport datagram_t, flow_t
from nginy._fast.engine.types cimport worker_t

# A buffer for this flow. False: too many flows wait already, or all buffers are lent.
cdef bint held_open(worker_t* w, flow_t* f) noexcept nogil

# Give the buffer back, whatever is in it; idempotent. The datagrams read from it end with it.
cdef void held_close(worker_t* w, flow_t* f) noexcept nogil

# Keep a copy. False: it does not fit, or DATAGRAM_BATCH are there already.
cdef bint held_add(worker_t* w, flow_t* f, const datagram_t* d) noexcept nogil

# Datagrams in it.
cdef uint32_t held_count(const worker_t* w, const flow_t* f) noexcept nogil

# What is in a buffer, as a chain of at most DATAGRAM_BATCH; how many. They point into the buffer.
cdef uint32_t held_read(const worker_t* w, const flow_t* f, datagram_t* out) noexcept nogil
