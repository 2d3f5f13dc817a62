# An exchange on two connected legs: the request's head as we write it, bodies both ways with back-pressure, the response's
# head as we write it, then the next exchange. What needs another backend goes back to where backends are chosen: the
# session is queued.
from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.engine.types cimport session_t, worker_t

# Begin with a listener's new session.
cdef void exchange_open(worker_t* w, session_t* s) noexcept nogil

# The back leg is connected: send the request.
cdef void exchange_begin(worker_t* w, session_t* s) noexcept nogil

# No backend for this request (reason_t): the client is told.
cdef void exchange_refuse(worker_t* w, session_t* s, uint32_t reason) noexcept nogil

# While a backend is looked for: the earlier of a time and the end of all of the request's, and whether that is over.
cdef uint64_t exchange_due(const worker_t* w, const session_t* s, uint64_t due_ms) noexcept nogil
cdef bint exchange_is_late(const worker_t* w, const session_t* s) noexcept nogil

# A link of the backend that was chosen becomes the back leg. False: a connection is to be opened.
cdef bint exchange_reuse(worker_t* w, session_t* s) noexcept nogil

# Poller bits for one leg while an exchange runs; and the session's timer.
cdef void exchange_event(worker_t* w, session_t* s, int side, uint32_t bits) noexcept nogil
cdef void exchange_timer(worker_t* w, session_t* s) noexcept nogil

# Move bytes until both ways are blocked or the budget is used up.
cdef void exchange_run(worker_t* w, session_t* s) noexcept nogil
