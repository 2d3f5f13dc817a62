"""Handshake: a client has its time for it; no backend hears of one that never finishes."""

from libc.stdint cimport uint32_t
from nginy._fast.base.cdefs cimport EAGAIN, unlikely
from nginy._fast.base.layout cimport PROTOCOL_HTTP, snap_listener_t
from nginy._fast.base.status cimport REASON_HANDSHAKE_FAILED, REASON_HANDSHAKE_TIMEOUT
from nginy._fast.base.tls cimport (
    TLS_ALERT, TLS_ALPN, TLS_CIPHER, TLS_CLIENT_CERT, TLS_GONE, TLS_HTTP, TLS_LOCAL, TLS_NAME, TLS_NO_TLS, TLS_OTHER,
    TLS_TIMEOUT, TLS_VERSION,
)
from nginy._fast.engine.connect cimport connect_next
from nginy._fast.engine.relay cimport leg_note
from nginy._fast.engine.request cimport request_open, request_run
from nginy._fast.engine.session cimport session_close
from nginy._fast.engine.stats cimport count
from nginy._fast.engine.tls cimport secure_of
from nginy._fast.engine.types cimport (
    FRONT, LEG_COPY, LEG_EAGER, LEG_HTTP, LEG_READABLE, LEG_TLS, SESS_CONNECT, SESS_HANDSHAKE, session_t, worker_t,
)
from nginy._fast.mem.wheel cimport wheel_arm
from nginy._fast.net.openssl cimport ossl
from nginy._fast.net.poller cimport POLL_BROKEN
from nginy._fast.net.secure cimport secure_is_pending, secure_open, secure_shake, secure_t

cdef enum:                      # openssl/sslerr.h, err.h
    REASON_MASK = 0x7fffff
    ALERTS = 1000               # and more: alerts of the peer
    SSL_R_CERTIFICATE_VERIFY_FAILED = 134
    SSL_R_HTTP_REQUEST = 156
    SSL_R_HTTPS_PROXY_REQUEST = 155
    SSL_R_NO_SHARED_CIPHER = 193
    SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE = 199
    SSL_R_CALLBACK_FAILED = 234
    SSL_R_NO_APPLICATION_PROTOCOL = 235
    SSL_R_UNKNOWN_PROTOCOL = 252
    SSL_R_UNSUPPORTED_PROTOCOL = 258
    SSL_R_WRONG_VERSION_NUMBER = 267
    SSL_R_VERSION_TOO_LOW = 396


cdef uint32_t failure_of(unsigned long code) noexcept nogil:
    cdef unsigned long why = code & REASON_MASK
    if code == 0:
        return TLS_GONE
    if why >= ALERTS and why < ALERTS + 256:
        return TLS_ALERT
    if why == SSL_R_HTTP_REQUEST or why == SSL_R_HTTPS_PROXY_REQUEST:
        return TLS_HTTP
    if why == SSL_R_UNSUPPORTED_PROTOCOL or why == SSL_R_VERSION_TOO_LOW:
        return TLS_VERSION
    if why == SSL_R_WRONG_VERSION_NUMBER or why == SSL_R_UNKNOWN_PROTOCOL:
        return TLS_NO_TLS
    if why == SSL_R_NO_SHARED_CIPHER:
        return TLS_CIPHER
    if why == SSL_R_NO_APPLICATION_PROTOCOL:
        return TLS_ALPN
    if why == SSL_R_CALLBACK_FAILED:
        return TLS_NAME
    if why == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE or why == SSL_R_CERTIFICATE_VERIFY_FAILED:
        return TLS_CLIENT_CERT
    return TLS_OTHER


cdef void handshake_fail(worker_t* w, session_t* s, uint32_t why) noexcept nogil:
    count(&w.row.tls[s.listener].failures[why], 1)
    session_close(w, s, REASON_HANDSHAKE_TIMEOUT if why == TLS_TIMEOUT else REASON_HANDSHAKE_FAILED)


cdef void handshake_begin(worker_t* w, session_t* s, const snap_listener_t* listener) noexcept nogil:
    cdef secure_t* x
    if listener.protocol == PROTOCOL_HTTP:
        request_open(w, s)
    s.state = SESS_HANDSHAKE
    if unlikely(w.tls.legs == NULL or w.tls.secrets.fronts[s.listener].ctx == NULL):
        handshake_fail(w, s, TLS_LOCAL)
        return
    x = secure_of(w, s, FRONT)
    x.fd = s.legs[FRONT].fd
    x.front = s.listener
    x.user = w
    if unlikely(secure_open(x, w.tls.secrets.fronts[s.listener].ctx, False) < 0):
        handshake_fail(w, s, TLS_LOCAL)
        return
    s.legs[FRONT].flags |= LEG_TLS | LEG_COPY
    wheel_arm(&w.wheel, &s.timer.node, w.now_ms + listener.handshake_ms)


# The client's first bytes may be with OpenSSL already: no event tells of them.
cdef void handshake_done(worker_t* w, session_t* s, const secure_t* x) noexcept nogil:
    count(&w.row.tls[s.listener].handshakes, 1)
    if ossl.SSL_session_reused(x.ssl):
        count(&w.row.tls[s.listener].resumed, 1)
    if x.is_drained and not secure_is_pending(x):
        s.legs[FRONT].flags &= ~<uint32_t>LEG_READABLE
    if not s.legs[FRONT].flags & LEG_HTTP:
        s.state = SESS_CONNECT
        connect_next(w, s)
        return
    request_open(w, s)
    if s.legs[FRONT].flags & LEG_READABLE:
        request_run(w, s)


cdef void handshake_event(worker_t* w, session_t* s, uint32_t bits) noexcept nogil:
    cdef secure_t* x = secure_of(w, s, FRONT)
    cdef unsigned long code = 0
    cdef int status
    leg_note(s, FRONT, bits)
    if bits & POLL_BROKEN:
        handshake_fail(w, s, TLS_GONE)
        return
    x.is_eager = s.legs[FRONT].flags & LEG_EAGER != 0   # its end is here: a short receive is not the last one
    status = secure_shake(x, &code)
    if status == 1:
        handshake_done(w, s, x)
    elif status != -EAGAIN:
        handshake_fail(w, s, failure_of(code))


cdef void handshake_timer(worker_t* w, session_t* s) noexcept nogil:
    handshake_fail(w, s, TLS_TIMEOUT)
