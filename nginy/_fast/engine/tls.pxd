# TLS legs: what carries bytes calls these where LEG_TLS is set. They keep the leg's flags.
from libc.stdint cimport uint32_t, uint8_t
from nginy._fast.engine.types cimport session_t, worker_t
from nginy._fast.net.secure cimport secure_t

cdef inline secure_t* secure_of(const worker_t* w, const session_t* s, int side) noexcept nogil:
    return &w.tls.legs[2 * s.timer.idx + <uint32_t>side]

# Bytes > 0, 0 = the end, -EAGAIN = nothing now, other = broken.
cdef ssize_t tls_recv(worker_t* w, session_t* s, int side, uint8_t* to, size_t n) noexcept nogil
cdef ssize_t tls_peek(worker_t* w, session_t* s, int side, uint8_t* to, size_t n) noexcept nogil
cdef ssize_t tls_send(worker_t* w, session_t* s, int side, const uint8_t* from_, size_t n) noexcept nogil

# No more bytes from us: close_notify, then FIN. -EAGAIN: no room for it now.
cdef int tls_finish(worker_t* w, session_t* s, int side) noexcept nogil

# The session ends: a last word to legs that end cleanly, and nothing is held any more.
cdef void tls_drop(worker_t* w, session_t* s, bint is_front_reset, bint is_back_reset) noexcept nogil
