# Moving bytes from one leg to the other. What goes straight on uses the worker's spare; what is stuck stays in it, with the
# leg, and the worker takes another.
from libc.stdint cimport uint64_t
from nginy._fast.engine.types cimport session_t, worker_t

# Receive from one side and send straight on. Returns the bytes delivered; 0: look at the flags of both legs.
cdef uint64_t leg_move(worker_t* w, session_t* s, int side) noexcept nogil

# Send what is stuck from this side to the other leg. True when nothing is stuck any more; false with the other leg
# still writable: try again.
cdef bint leg_flush(worker_t* w, session_t* s, int side) noexcept nogil

# n bytes from this side were taken by the other.
cdef void leg_sent(worker_t* w, session_t* s, int side, ssize_t n) noexcept nogil
