# Choosing a backend and connecting to it, candidate after candidate, while no byte has reached one.
from libc.stdint cimport uint32_t
from nginy._fast.engine.types cimport session_t, worker_t

# Begin with the first candidate, or go on with the next. Ends the session when there is none left.
cdef void connect_next(worker_t* w, session_t* s) noexcept nogil

# Poller bits for a leg of a session that has no backend yet.
cdef void connect_event(worker_t* w, session_t* s, int side, uint32_t bits) noexcept nogil

# The connect time is over.
cdef void connect_timer(worker_t* w, session_t* s) noexcept nogil

# The pool that was asked has answered, or will not: go on with the backend at this position, its lease taken; -1 = with what
# its native policy chooses, by the key that came or by the default one.
cdef void connect_answered(worker_t* w, session_t* s, int at) noexcept nogil
