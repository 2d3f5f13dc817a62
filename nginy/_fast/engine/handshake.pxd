# Between accept and everything else, where a listener has certificates.
from libc.stdint cimport uint32_t
from nginy._fast.base.layout cimport snap_listener_t
from nginy._fast.engine.types cimport session_t, worker_t

cdef void handshake_begin(worker_t* w, session_t* s, const snap_listener_t* listener) noexcept nogil
cdef void handshake_event(worker_t* w, session_t* s, uint32_t bits) noexcept nogil
cdef void handshake_timer(worker_t* w, session_t* s) noexcept nogil
