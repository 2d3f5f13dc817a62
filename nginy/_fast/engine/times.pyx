"""Times: whose silence counts is decided when a time is over, so that bytes cost no more than noting when they moved."""

from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.base.layout cimport snap_listener_t
from nginy._fast.base.status cimport OWN_BODY_TIMEOUT, OWN_REQUEST_TIMEOUT, OWN_RESPONSE_TIMEOUT
from nginy._fast.engine.exchanges cimport EXCHANGE_EXPECTS, PHASE_SENT, exchange_t
from nginy._fast.engine.types cimport BACK, FRONT, LEG_WRITABLE, session_t, worker_t
from nginy._fast.mem.buffers cimport NO_BUFFER
from nginy._fast.policy.snapshot cimport snapshot_listener


# How long a client may be silent in the middle of its request's body.
cdef uint64_t body_ms(const worker_t* w, const session_t* s) noexcept nogil:
    cdef const snap_listener_t* listener = snapshot_listener(&w.snapshot, s.listener)
    return s.idle_ms if listener == NULL else listener.caps.body_ms


# Nothing of the body is stuck on its way to the backend, and the client was not told to wait.
cdef bint waits_for_client(const session_t* s, const exchange_t* x) noexcept nogil:
    return (
        x.phase == PHASE_SENT and not x.body[FRONT].is_done and not x.flags & EXCHANGE_EXPECTS
        and s.legs[FRONT].buffer == NO_BUFFER and s.legs[BACK].flags & LEG_WRITABLE != 0
    )


# While a body is under way either time may be the one, whichever is shorter.
cdef uint64_t silence_ms(const worker_t* w, const session_t* s, const exchange_t* x) noexcept nogil:
    if x.phase == PHASE_SENT and not x.body[FRONT].is_done:
        return min(<uint64_t>s.idle_ms, body_ms(w, s))
    return s.idle_ms


cdef bint times_late(const worker_t* w, const exchange_t* x) noexcept nogil:
    return x.deadline_ms != 0 and x.deadline_ms <= w.now_ms


cdef uint64_t times_due(const worker_t* w, const session_t* s, const exchange_t* x) noexcept nogil:
    cdef uint64_t due_ms = s.active_ms + silence_ms(w, s, x)
    return x.deadline_ms if x.deadline_ms and x.deadline_ms < due_ms else due_ms


cdef uint64_t times_wait(const worker_t* w, const session_t* s, const exchange_t* x) noexcept nogil:
    cdef uint64_t wait_ms = silence_ms(w, s, x)
    if x.deadline_ms > w.now_ms and x.deadline_ms - w.now_ms < wait_ms:
        return x.deadline_ms - w.now_ms
    return wait_ms


cdef uint32_t times_over(const worker_t* w, const session_t* s, const exchange_t* x) noexcept nogil:
    if times_late(w, x):
        return 1 + OWN_REQUEST_TIMEOUT
    if waits_for_client(s, x):
        return 1 + OWN_BODY_TIMEOUT if s.active_ms + body_ms(w, s) <= w.now_ms else 0
    return 1 + OWN_RESPONSE_TIMEOUT if s.active_ms + s.idle_ms <= w.now_ms else 0
