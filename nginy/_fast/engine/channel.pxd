# What control says and is told: one message per datagram of a SOCK_SEQPACKET socket, descriptors by SCM_RIGHTS.
from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.engine.types cimport worker_t

# Read and obey what is there. Control's end closed: go on without it, wait on the rejoin socket.
cdef void channel_event(worker_t* w) noexcept nogil

# A new control has come: it becomes the channel and is told all that this worker holds.
cdef void rejoin_event(worker_t* w) noexcept nogil

# Begin to drain: serve no listener, finish the sessions, until the deadline.
cdef void worker_drain(worker_t* w, uint64_t deadline_ms) noexcept nogil

# A short message to control; lost when control does not read (the board tells the same).
cdef void channel_tell(worker_t* w, uint32_t kind, uint64_t a, uint64_t b) noexcept nogil
