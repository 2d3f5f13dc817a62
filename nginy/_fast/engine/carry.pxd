# Moving bytes from one leg to the other. What goes straight on uses the worker's spare; what is stuck stays in it, with the
# leg, and the worker takes another.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from nginy._fast.engine.types cimport leg_t, session_t, worker_t

cdef enum:
    ALL_BYTES = 1 << 30         # no bound on what is received

# Receive at most `most` bytes from one side and send straight on. Returns the bytes delivered; 0: look at the flags of both
# legs. What was received and not delivered is stuck with the leg.
cdef uint64_t leg_move(worker_t* w, session_t* s, int side, uint32_t most) noexcept nogil

# The parts of it. A spare buffer at hand; what a receive of `room` bytes says about the leg; bytes taken by the other leg, 0 =
# none for now, -1 = the other side is gone; the spare with bytes [sent, got) becomes the leg's.
cdef bint spare_at_hand(worker_t* w) noexcept nogil
cdef void leg_received(leg_t* src, ssize_t got, ssize_t room) noexcept nogil
cdef ssize_t leg_send(worker_t* w, session_t* s, int side, const uint8_t* at, size_t n) noexcept nogil
cdef void leg_keep(leg_t* src, uint32_t* spare, uint32_t kind, ssize_t sent, ssize_t got) noexcept nogil

# Send what is stuck from this side to the other leg. True when nothing is stuck any more; false with the other leg
# still writable: try again.
cdef bint leg_flush(worker_t* w, session_t* s, int side) noexcept nogil

# One receive from a leg, and what it says of it; one send to a leg: as sock_recv and sock_send. Inside TLS where it has that.
cdef ssize_t leg_recv(worker_t* w, session_t* s, int side, uint8_t* to, ssize_t room) noexcept nogil
cdef ssize_t leg_put(worker_t* w, session_t* s, int side, const uint8_t* from_, size_t n) noexcept nogil

# No more bytes to this leg from us. 0 or -errno; -EAGAIN: it has to be said once more, when the leg can send (TLS).
cdef int leg_finish(worker_t* w, session_t* s, int side) noexcept nogil

# n bytes from this side were taken by the other.
cdef void leg_sent(worker_t* w, session_t* s, int side, ssize_t n) noexcept nogil
