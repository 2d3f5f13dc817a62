# What bytes in flight lie in: buffers, larger ones, pipes. All bounded, each opened or touched when it is first needed.
from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.engine.types cimport carrier_t, leg_t, worker_t

# Room for buffers_bytes in buffers, a quarter of it in large ones, and for pipes_max pipes. 0, or -ENOMEM.
cdef int carrier_open(carrier_t* c, uint64_t buffers_bytes, uint32_t pipes_max) noexcept nogil
cdef void carrier_close(carrier_t* c) noexcept nogil

# Close some of the pipes that were not needed since the last call.
cdef void carrier_settle(carrier_t* c) noexcept nogil

# An open, empty pipe as the spare. False: none is free, or the kernel gives none; counted, and tried again a second later.
cdef bint pipe_at_hand(worker_t* w) noexcept nogil

# Give back what the leg holds. A pipe with bytes left in it is closed, never lent again.
cdef void leg_give_buffer(worker_t* w, leg_t* leg) noexcept nogil
