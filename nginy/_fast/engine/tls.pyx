"""TLS: bytes of a leg go through OpenSSL, which may hold some that the kernel no longer has: a leg is readable until neither
of them has any."""

from libc.stdint cimport uint32_t, uint8_t
from nginy._fast.base.cdefs cimport EAGAIN, EINPROGRESS
from nginy._fast.engine.types cimport (
    BACK, FRONT, LEG_BROKEN, LEG_CROSSED, LEG_EAGER, LEG_EOF, LEG_HTTP, LEG_READABLE, LEG_TLS, SESS_RELAY, leg_t, session_t,
    worker_t,
)
from nginy._fast.net.secure cimport (
    secure_close, secure_finish, secure_is_pending, secure_peek, secure_recv, secure_send, secure_t,
)
from nginy._fast.net.sock cimport sock_finish


# An end without close_notify may be somebody else's doing. Lengths tell a request's end, whatever a client says; what goes on
# until the end was cut off.
cdef bint is_cut_short(const session_t* s, int side) noexcept nogil:
    return side == BACK or not s.legs[FRONT].flags & LEG_HTTP or s.state == SESS_RELAY


cdef ssize_t tls_received(session_t* s, int side, secure_t* x, ssize_t got) noexcept nogil:
    cdef leg_t* leg = &s.legs[side]
    if got > 0:
        if x.is_drained and not secure_is_pending(x):
            leg.flags &= ~<uint32_t>LEG_READABLE
        return got
    leg.flags &= ~<uint32_t>LEG_READABLE
    if got == -EAGAIN:
        return got
    if got == -EINPROGRESS:
        leg.flags |= LEG_CROSSED
        return -EAGAIN
    leg.flags |= LEG_EOF
    if got == 0 or x.is_cut and not is_cut_short(s, side):
        return 0
    leg.flags |= LEG_BROKEN
    return got


cdef ssize_t tls_recv(worker_t* w, session_t* s, int side, uint8_t* to, size_t n) noexcept nogil:
    cdef secure_t* x = secure_of(w, s, side)
    x.is_eager = s.legs[side].flags & LEG_EAGER != 0
    return tls_received(s, side, x, secure_recv(x, to, n))


cdef ssize_t tls_peek(worker_t* w, session_t* s, int side, uint8_t* to, size_t n) noexcept nogil:
    cdef secure_t* x = secure_of(w, s, side)
    cdef ssize_t got
    x.is_eager = s.legs[side].flags & LEG_EAGER != 0
    got = secure_peek(x, to, n)
    return got if got > 0 else tls_received(s, side, x, got)


cdef ssize_t tls_send(worker_t* w, session_t* s, int side, const uint8_t* from_, size_t n) noexcept nogil:
    return secure_send(secure_of(w, s, side), from_, n)


cdef int tls_finish(worker_t* w, session_t* s, int side) noexcept nogil:
    cdef int status = secure_finish(secure_of(w, s, side))
    return status if status < 0 else sock_finish(s.legs[side].fd)


cdef void tls_drop(worker_t* w, session_t* s, bint is_front_reset, bint is_back_reset) noexcept nogil:
    cdef secure_t* x
    cdef int side
    for side in range(2):
        if not s.legs[side].flags & LEG_TLS:
            continue
        x = secure_of(w, s, side)
        if not (is_front_reset if side == FRONT else is_back_reset):
            secure_finish(x)
        secure_close(x)
        s.legs[side].flags &= ~<uint32_t>LEG_TLS
