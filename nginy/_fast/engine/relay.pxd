# Copying both ways between two connected legs, with back-pressure, half-close and resets passed on.
from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.engine.types cimport session_t, worker_t

# The back leg is connected: move what is there, keep the session alive by its idle time.
cdef void relay_begin(worker_t* w, session_t* s) noexcept nogil

# Poller bits (poll_t) for one leg, in any state: remembered as leg flags.
cdef void leg_note(session_t* s, int side, uint32_t bits) noexcept nogil

# Move bytes until both ways are blocked or the budget is used up. May end the session.
cdef void relay_run(worker_t* w, session_t* s) noexcept nogil

# Its listener drains: end it at the deadline, if it still lives then.
cdef void relay_cut_at(worker_t* w, session_t* s, uint64_t deadline_ms) noexcept nogil

# The parts of a timer: whether that deadline has come, and the session is ended; bytes may wait that no event has told of
# yet, after a gap of the clock, so both legs are looked at once more; the next time, not behind that deadline.
cdef bint relay_is_cut(worker_t* w, session_t* s) noexcept nogil
cdef void relay_look(session_t* s) noexcept nogil
cdef void relay_arm(worker_t* w, session_t* s, uint64_t due_ms) noexcept nogil

# The session's timer has fired.
cdef void relay_timer(worker_t* w, session_t* s) noexcept nogil
