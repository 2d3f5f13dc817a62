# A client's first bytes, looked at before a backend is chosen. They stay in the kernel until the relay takes them: nothing is
# held for a client that says little, and all that follows is as without a preread.
from libc.stdint cimport uint32_t
from nginy._fast.base.layout cimport snap_listener_t
from nginy._fast.engine.types cimport session_t, worker_t

# A fresh session of a listener that wants it: wait for the bytes.
cdef void preread_begin(worker_t* w, session_t* s, const snap_listener_t* listener) noexcept nogil

# An event of the front leg, and the end of the time. The session may be connecting, relaying or over afterwards.
cdef void preread_event(worker_t* w, session_t* s, uint32_t bits) noexcept nogil
cdef void preread_timer(worker_t* w, session_t* s) noexcept nogil
