"""Own: the statuses that a proxy itself has to tell (RFC 9110, section 15), each counted by its reason."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memcpy, strlen
from nginy._fast.base.cdefs cimport EAGAIN, unlikely
from nginy._fast.base.layout cimport snap_listener_t
from nginy._fast.base.letter cimport RELEASE_SESSION
from nginy._fast.base.limits cimport LINGER_MS
from nginy._fast.base.status cimport (
    OWN_BACKENDS_FULL, OWN_BACK_RESET, OWN_BAD_REQUEST, OWN_BAD_RESPONSE, OWN_BAD_VERSION, OWN_BODY_TIMEOUT,
    OWN_BODY_TOO_LARGE, OWN_CONNECT_FAILED, OWN_CONNECT_TIMEOUT, OWN_HEAD_TIMEOUT, OWN_HEAD_TOO_LONG, OWN_METHOD_REFUSED,
    OWN_NO_BACKEND, OWN_NO_BUFFER, OWN_NO_DESCRIPTOR, OWN_NO_PORT, OWN_NO_ROUTE, OWN_REQUEST_RATE, OWN_REQUEST_TIMEOUT,
    OWN_RESPONSE_TIMEOUT, OWN_TARGET_TOO_LONG, OWN_UNCLEAR_PATH, REASON_BACKENDS_FULL, REASON_BACK_RESET, REASON_CLOSED,
    REASON_CONNECT_FAILED, REASON_CONNECT_TIMEOUT, REASON_FRONT_RESET, REASON_IDLE, REASON_NO_BACKEND, REASON_NO_DESCRIPTOR,
    REASON_NO_PORT, REASON_REQUEST_TIMEOUT,
)
from nginy._fast.engine.carrier cimport leg_give_buffer
from nginy._fast.engine.carry cimport leg_finish, leg_put
from nginy._fast.engine.exchanges cimport EXCHANGE_KEPT, EXCHANGE_LAST, PHASE_HEAD, PHASE_LINGER, exchange_t
from nginy._fast.engine.lease cimport lease_drop
from nginy._fast.engine.link cimport exchange_of, head_give, part_give
from nginy._fast.engine.record cimport is_logged, record_end, record_own
from nginy._fast.engine.remainder cimport remainder_keep
from nginy._fast.engine.rewriting cimport request_id_make, request_id_write
from nginy._fast.engine.rules cimport rules_put
from nginy._fast.engine.session cimport leg_close, queue_push, session_close, session_release
from nginy._fast.engine.stats cimport count
from nginy._fast.engine.tally cimport tally_answer, tally_end
from nginy._fast.engine.types cimport (
    BACK, FRONT, LEG_ASKED, LEG_EOF, LEG_KEYED, LEG_OWN, LEG_READABLE, QUEUE_READY, SESS_HEAD, leg_t, session_side,
    session_t, worker_t,
)
from nginy._fast.mem.buffers cimport NO_BUFFER
from nginy._fast.mem.wheel cimport wheel_arm
from nginy._fast.policy.snapshot cimport snapshot_listener
from nginy._fast.wire.http1 cimport BODY_LENGTH, BODY_NONE, HTTP_BAD_VERSION, HTTP_TOO_LONG, METHOD_HEAD
from nginy._fast.wire.phrase cimport http_phrase


cdef uint32_t own_of_reason(uint32_t reason) noexcept nogil:
    if reason == REASON_NO_BACKEND:
        return OWN_NO_BACKEND
    if reason == REASON_BACKENDS_FULL:
        return OWN_BACKENDS_FULL
    if reason == REASON_CONNECT_FAILED:
        return OWN_CONNECT_FAILED
    if reason == REASON_CONNECT_TIMEOUT:
        return OWN_CONNECT_TIMEOUT
    if reason == REASON_NO_PORT:
        return OWN_NO_PORT
    return OWN_NO_DESCRIPTOR


cdef uint32_t own_of_refusal(uint32_t refusal) noexcept nogil:
    if refusal == HTTP_TOO_LONG:
        return OWN_HEAD_TOO_LONG
    return OWN_BAD_VERSION if refusal == HTTP_BAD_VERSION else OWN_BAD_REQUEST


cdef uint32_t status_of(uint32_t why) noexcept nogil:
    if why == OWN_BAD_REQUEST or why == OWN_UNCLEAR_PATH:
        return 400
    if why == OWN_NO_ROUTE:
        return 404
    if why == OWN_METHOD_REFUSED:
        return 405
    if why == OWN_HEAD_TIMEOUT or why == OWN_BODY_TIMEOUT:
        return 408
    if why == OWN_BODY_TOO_LARGE:
        return 413
    if why == OWN_TARGET_TOO_LONG:
        return 414
    if why == OWN_REQUEST_RATE:
        return 429
    if why == OWN_HEAD_TOO_LONG:
        return 431
    if why == OWN_CONNECT_FAILED or why == OWN_BACK_RESET or why == OWN_BAD_RESPONSE:
        return 502
    if why == OWN_CONNECT_TIMEOUT or why == OWN_RESPONSE_TIMEOUT or why == OWN_REQUEST_TIMEOUT:
        return 504
    if why == OWN_BAD_VERSION:
        return 505
    return 503


cdef uint8_t* own_put(uint8_t* to, const char* text) noexcept nogil:
    cdef size_t n = strlen(text)
    memcpy(to, text, n)
    return to + n


cdef uint8_t* own_put_number(uint8_t* to, uint32_t number) noexcept nogil:
    cdef uint8_t digits[10]
    cdef int n = 0
    while n == 0 or number:
        digits[n] = <uint8_t>(48 + number % 10)
        number //= 10
        n += 1
    while n:
        n -= 1
        to[0] = digits[n]
        to += 1
    return to


cdef uint8_t* own_put_status(uint8_t* to, uint32_t status) noexcept nogil:
    return own_put(own_put_number(to, status), http_phrase(status))


# What has no request is named, too: whoever asks why it was refused can say which one.
cdef uint8_t* put_request_id(worker_t* w, exchange_t* x, uint8_t* to) noexcept nogil:
    if x.n_head == 0:
        x.rules = 0
        request_id_make(w, x)
    to = own_put(to, b"\r\nX-Request-ID: ")
    return to + request_id_write(x, to)


# The whole message in the carrier's scratch.
cdef uint32_t own_write(worker_t* w, session_t* s, exchange_t* x, uint32_t why, bint is_kept) noexcept nogil:
    cdef uint32_t status = status_of(why)
    cdef uint8_t* to = w.carrier.scratch
    cdef uint8_t* at = own_put_status(own_put(to, b"HTTP/1.1 "), status)
    at = own_put(at, b"\r\nContent-Type: text/plain\r\nContent-Length: ")
    at = own_put_number(at, 3 + <uint32_t>strlen(http_phrase(status)) + 1)
    if why == OWN_METHOD_REFUSED:
        at = own_put(at, b"\r\nAllow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH")
    if why == OWN_REQUEST_RATE:
        at = own_put_number(own_put(at, b"\r\nRetry-After: "), w.http.wait_s)
    at = rules_put(w, s, x, own_put(put_request_id(w, x, at), b"\r\n"), True)
    at = own_put(at, b"Connection: keep-alive\r\n\r\n" if is_kept else b"Connection: close\r\n\r\n")
    if x.method != METHOD_HEAD:
        at = own_put(own_put_status(at, status), b"\n")
    return <uint32_t>(at - to)


# Whether all of the request has been received; what is left of it in the head buffer is passed over then.
cdef bint request_is_over(exchange_t* x) noexcept nogil:
    if x.n_head == 0:
        return False
    if x.body[FRONT].is_done:
        return True
    if x.body[FRONT].kind == BODY_LENGTH and <uint64_t>(x.head_end - x.body_at) >= x.body[FRONT].left:
        x.body_at += <uint16_t>x.body[FRONT].left
        x.body[FRONT].left = 0
        x.body[FRONT].is_done = 1
        return True
    return x.body[FRONT].kind == BODY_NONE


cdef bint own_is_kept(const worker_t* w, exchange_t* x) noexcept nogil:
    return request_is_over(x) and x.flags & EXCHANGE_KEPT != 0 and not w.is_draining


cdef void own_respond(worker_t* w, session_t* s, uint32_t why) noexcept nogil:
    cdef exchange_t* x = exchange_of(w, s)
    cdef bint is_kept = own_is_kept(w, x)
    own_send(w, s, why, own_write(w, s, x, why, is_kept), is_kept)


cdef ssize_t own_pass(worker_t* w, session_t* s, const uint8_t* from_, uint32_t n) noexcept nogil:
    cdef ssize_t sent = leg_put(w, s, FRONT, from_, n)
    if sent == -EAGAIN:
        return 0
    if sent < 0:
        session_close(w, s, REASON_FRONT_RESET)
        return sent
    count(&w.row.listeners[s.listener].bytes_out, <uint64_t>sent)
    s.bytes[BACK] += <uint64_t>sent
    return sent


# Of a message of ours.
cdef uint32_t status_at(const uint8_t* message) noexcept nogil:
    return (message[9] - 48) * 100 + (message[10] - 48) * 10 + (message[11] - 48)


# How it ended, as a session of TCP would have.
cdef uint32_t reason_of(uint32_t why) noexcept nogil:
    if why == OWN_BACK_RESET or why == OWN_BAD_RESPONSE:
        return REASON_BACK_RESET
    if why == OWN_RESPONSE_TIMEOUT or why == OWN_BODY_TIMEOUT:
        return REASON_IDLE
    if why == OWN_REQUEST_TIMEOUT:
        return REASON_REQUEST_TIMEOUT
    if why == OWN_CONNECT_FAILED:
        return REASON_CONNECT_FAILED
    if why == OWN_CONNECT_TIMEOUT:
        return REASON_CONNECT_TIMEOUT
    if why == OWN_NO_BACKEND:
        return REASON_NO_BACKEND
    if why == OWN_BACKENDS_FULL:
        return REASON_BACKENDS_FULL
    if why == OWN_NO_PORT:
        return REASON_NO_PORT
    return REASON_NO_DESCRIPTOR if why == OWN_NO_DESCRIPTOR or why == OWN_NO_BUFFER else REASON_CLOSED


# A class in Python that was asked for this request learns that it came to nothing.
cdef void own_tell(worker_t* w, session_t* s, uint32_t why) noexcept nogil:
    if unlikely(s.legs[FRONT].flags & LEG_ASKED):
        session_release(w, s, RELEASE_SESSION, reason_of(why), True)
        s.legs[FRONT].flags &= ~<uint32_t>LEG_ASKED


cdef void own_send(worker_t* w, session_t* s, uint32_t why, uint32_t n, bint is_kept) noexcept nogil:
    cdef exchange_t* x = exchange_of(w, s)
    cdef ssize_t sent
    count(&w.row.http[s.listener].own[why], 1)
    if unlikely(is_logged(w)):
        record_own(w, s, x, why, w.carrier.scratch, n)
    tally_answer(w, s, x, status_at(w.carrier.scratch), True)
    own_tell(w, s, why)
    if s.legs[BACK].fd >= 0:
        leg_close(w, s, BACK, True)
    sent = own_pass(w, s, w.carrier.scratch, n)     # 0: what was said before is still on its way
    if sent < 0:
        return
    if not is_kept:
        x.flags &= ~<uint32_t>EXCHANGE_KEPT
    if unlikely(<uint32_t>sent < n):
        remainder_keep(w, s, x, <uint32_t>sent, n)
    else:
        exchange_next(w, s)


# ---- between two exchanges ----

cdef void head_consume(worker_t* w, exchange_t* x) noexcept nogil:
    x.head_at = x.body_at
    x.n_head = 0
    x.n_seen = 0
    x.method = 0
    if x.head_at >= x.head_end:
        head_give(w, x)


cdef void exchange_clear(worker_t* w, session_t* s) noexcept nogil:
    cdef exchange_t* x = exchange_of(w, s)
    leg_give_buffer(w, &s.legs[FRONT])
    part_give(w, x)


# No further request: the connection ends, but what the client still sends must not reset it before it has read all.
cdef void exchange_last(worker_t* w, session_t* s, exchange_t* x) noexcept nogil:
    cdef leg_t* front = &s.legs[FRONT]
    cdef bint is_over = request_is_over(x) and x.body_at == x.head_end and not front.flags & LEG_READABLE
    if front.flags & LEG_EOF or is_over and x.flags & EXCHANGE_LAST:
        session_close(w, s, REASON_CLOSED)
        return
    head_give(w, x)
    x.phase = PHASE_LINGER
    x.flags = 0
    leg_finish(w, s, FRONT)
    wheel_arm(&w.wheel, &s.timer.node, w.now_ms + LINGER_MS)
    queue_push(&w.ready, s, QUEUE_READY)


cdef void exchange_next(worker_t* w, session_t* s) noexcept nogil:
    cdef exchange_t* x = exchange_of(w, s)
    cdef const snap_listener_t* listener = snapshot_listener(&w.snapshot, s.listener)
    if unlikely(x.record):
        record_end(w, s, x, REASON_CLOSED)
    tally_end(w, s, x, True)
    session_release(w, s, RELEASE_SESSION, REASON_CLOSED, True)
    lease_drop(w, s)
    exchange_clear(w, s)
    s.legs[FRONT].flags &= ~<uint32_t>(LEG_ASKED | LEG_KEYED | LEG_OWN)
    session_side(w, s).visit = 0
    s.n_tried = 0
    s.state = SESS_HEAD
    if not x.flags & EXCHANGE_KEPT or w.is_draining or listener == NULL:
        exchange_last(w, s, x)
        return
    head_consume(w, x)
    x.phase = PHASE_HEAD
    x.flags = 0
    x.deadline_ms = 0
    wheel_arm(&w.wheel, &s.timer.node, w.now_ms + listener.http.kept_ms)
    if x.head != NO_BUFFER or s.legs[FRONT].flags & (LEG_READABLE | LEG_EOF):
        queue_push(&w.ready, s, QUEUE_READY)
