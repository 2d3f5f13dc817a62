# What a listener lets its clients have of a request: bytes of its head, target and body, and how many in a time.
from libc.stdint cimport uint32_t
from nginy._fast.base.layout cimport snap_listener_t
from nginy._fast.engine.exchanges cimport body_t
from nginy._fast.engine.types cimport session_t, worker_t
from nginy._fast.wire.http1 cimport head_t

# A whole head, where the listener's caps are tight. 0: it may go on, and is counted for its client; else 1 + own_t.
cdef uint32_t caps_refuse(
    worker_t* w, const session_t* s, const snap_listener_t* listener, const head_t* head
) noexcept nogil

# Whether n bytes are too many for a head of this session's listener.
cdef bint caps_is_long(const worker_t* w, const session_t* s, uint32_t n) noexcept nogil

# The room of a body in chunks, which has just begun; and why a body was refused (own_t).
cdef void caps_room(const worker_t* w, const session_t* s, body_t* b) noexcept nogil
cdef uint32_t caps_why(const body_t* b) noexcept nogil
