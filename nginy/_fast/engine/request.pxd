# Requests of clients: a head is read whole, says where it wants to go, and is on its way to a backend.
from libc.stdint cimport uint32_t
from nginy._fast.engine.types cimport session_t, worker_t

# A listener's new session.
cdef void request_open(worker_t* w, session_t* s) noexcept nogil

# Poller bits for the client's leg between two exchanges; and the session's timer.
cdef void request_event(worker_t* w, session_t* s, uint32_t bits) noexcept nogil
cdef void request_timer(worker_t* w, session_t* s) noexcept nogil

# The worker or its listener leaves: a client between two requests does too, any other after its response. One that has just
# come, and whose request is on its way, has a moment left for it.
cdef void request_leave(worker_t* w, session_t* s) noexcept nogil

# Go on: with another attempt, with what is in the head buffer, with what can be received.
cdef void request_run(worker_t* w, session_t* s) noexcept nogil
