"""Request: an incomplete head waits in its buffer, within its time; a client between two requests holds no buffer."""

from libc.stdint cimport uint16_t, uint32_t, uint8_t
from libc.string cimport memmove
from nginy._fast.base.cdefs cimport EAGAIN, likely, unlikely
from nginy._fast.base.layout cimport NO_INDEX, snap_listener_t
from nginy._fast.base.limits cimport BUFFER_BYTES, HEAD_BYTES, LINGER_MS
from nginy._fast.base.status cimport (
    OWN_BAD_REQUEST, OWN_HEAD_TIMEOUT, OWN_HEAD_TOO_LONG, OWN_METHOD_REFUSED, OWN_NO_BUFFER, REASON_CLIENT_GONE, REASON_CLOSED,
    REASON_FRONT_RESET, REASON_IDLE,
)
from nginy._fast.engine.body cimport body_begin
from nginy._fast.engine.caps cimport caps_is_long, caps_refuse
from nginy._fast.engine.carry cimport leg_received, leg_recv
from nginy._fast.engine.connect cimport connect_next
from nginy._fast.engine.exchange cimport exchange_open
from nginy._fast.engine.exchanges cimport (
    EXCHANGE_AGAIN, EXCHANGE_COUNTED, EXCHANGE_EXPECTS, EXCHANGE_KEPT, EXCHANGE_LAST, EXCHANGE_OLD, EXCHANGE_UPGRADE,
    PHASE_BACKEND,
    PHASE_LINGER, exchange_t,
)
from nginy._fast.engine.link cimport exchange_of, head_give
from nginy._fast.engine.own cimport own_of_refusal, own_respond
from nginy._fast.engine.record cimport is_logged, record_begin
from nginy._fast.engine.relay cimport leg_note
from nginy._fast.engine.rewriting cimport request_id_make
from nginy._fast.engine.routing cimport request_head, route_request, route_stays
from nginy._fast.engine.session cimport queue_push, session_close
from nginy._fast.engine.stats cimport count
from nginy._fast.engine.tally cimport tally_begin
from nginy._fast.engine.types cimport (
    BACK, FRONT, LEG_EOF, LEG_READABLE, QUEUE_READY, SESS_CONNECT, SESS_HEAD, session_side, session_t, worker_t,
)
from nginy._fast.mem.buffers cimport NO_BUFFER, buffers_at, buffers_take
from nginy._fast.mem.wheel cimport wheel_arm
from nginy._fast.net.poller cimport POLL_BROKEN
from nginy._fast.net.sock cimport sock_recv
from nginy._fast.policy.snapshot cimport snapshot_listener
from nginy._fast.wire.http1 cimport METHOD_CONNECT, head_t, http1_request


cdef void request_open(worker_t* w, session_t* s) noexcept nogil:
    cdef const snap_listener_t* listener = snapshot_listener(&w.snapshot, s.listener)
    exchange_open(w, s)
    if likely(listener != NULL):
        exchange_of(w, s).site_sum = listener.http.n_block != 0
        wheel_arm(&w.wheel, &s.timer.node, w.now_ms + listener.http.head_ms)


# ---- receiving ----

# Nothing begun, nothing held.
cdef bint is_silent(const exchange_t* x) noexcept nogil:
    return x.head_at == x.head_end


# What came earlier moves to the front, so that a head has all of the buffer.
cdef bint head_room(worker_t* w, exchange_t* x) noexcept nogil:
    cdef uint8_t* at
    if x.head == NO_BUFFER:
        x.head = buffers_take(&w.http.heads)
        x.head_at = x.head_end = x.body_at = 0
        return x.head != NO_BUFFER
    if x.head_at:
        at = buffers_at(&w.http.heads, x.head)
        memmove(at, at + x.head_at, x.head_end - x.head_at)
        x.head_end -= x.head_at
        x.head_at = x.body_at = 0
    return True


# One receive. False: nothing new, and maybe the end of the session.
cdef bint head_receive(worker_t* w, session_t* s, exchange_t* x) noexcept nogil:
    cdef ssize_t room, got
    if unlikely(not head_room(w, x)):
        own_respond(w, s, OWN_NO_BUFFER)
        return False
    room = HEAD_BYTES - x.head_end
    if room == 0:
        own_respond(w, s, OWN_HEAD_TOO_LONG)
        return False
    got = leg_recv(w, s, FRONT, buffers_at(&w.http.heads, x.head) + x.head_end, room)
    if got > 0:
        x.head_end += <uint16_t>got
        return True
    if got != -EAGAIN:
        session_close(w, s, REASON_CLIENT_GONE if not is_silent(x) else (REASON_CLOSED if got == 0 else REASON_FRONT_RESET))
    elif is_silent(x):
        head_give(w, x)
    return False


# ---- a whole head ----

# It asks for more than its listener lets it have: it is told so. A client with too long a head gets no second try.
cdef bint request_refuse(
    worker_t* w, session_t* s, exchange_t* x, const snap_listener_t* listener, const head_t* head
) noexcept nogil:
    cdef uint32_t why = caps_refuse(w, s, listener, head)
    if why == 0:
        return False
    if why == 1 + OWN_HEAD_TOO_LONG:
        x.flags &= ~<uint32_t>EXCHANGE_KEPT
    own_respond(w, s, why - 1)
    return True


cdef void request_begin(worker_t* w, session_t* s, exchange_t* x, const head_t* head) noexcept nogil:
    cdef const snap_listener_t* listener = snapshot_listener(&w.snapshot, s.listener)
    x.n_head = <uint16_t>head.n_bytes
    x.body_at = x.head_at + x.n_head
    x.method = head.method
    x.phase = PHASE_BACKEND
    x.begin_us = w.now_us
    x.n_requests += 1
    x.rules = 0
    x.flags = 0
    if head.minor == 0:
        x.flags |= EXCHANGE_OLD
    if head.is_upgrade:
        x.flags |= EXCHANGE_UPGRADE
    if not head.is_kept:
        x.flags |= EXCHANGE_LAST
    if listener != NULL and head.is_kept and (listener.http.requests == 0 or x.n_requests < listener.http.requests):
        x.flags |= EXCHANGE_KEPT
    if head.is_expecting:
        x.flags |= EXCHANGE_EXPECTS
    request_id_make(w, x)
    x.deadline_ms = 0
    if listener != NULL and unlikely(listener.caps.request_ms != 0):
        x.deadline_ms = w.now_ms + listener.caps.request_ms
    body_begin(&x.body[FRONT], head)
    s.n_tried = 0
    if listener != NULL:
        session_side(w, s).retries = listener.retries
    s.bytes[FRONT] = s.bytes[BACK] = 0
    s.connect_us = 0
    if unlikely(is_logged(w)):
        record_begin(w, s, x, buffers_at(&w.http.heads, x.head) + x.head_at, head)
    count(&w.row.http[s.listener].requests, 1)
    if listener != NULL and unlikely(listener.caps.is_tight) and request_refuse(w, s, x, listener, head):
        return
    if head.method == METHOD_CONNECT:
        own_respond(w, s, OWN_METHOD_REFUSED)
        return
    if route_request(w, s, x, head):
        tally_begin(w, s, x)
        s.state = SESS_CONNECT
        connect_next(w, s)


# What the buffer holds, as a head. True: it was one, or cannot become one, and what follows has begun.
cdef bint head_look(worker_t* w, session_t* s, exchange_t* x) noexcept nogil:
    cdef const uint8_t* at = buffers_at(&w.http.heads, x.head) + x.head_at
    cdef uint32_t n = x.head_end - x.head_at
    cdef int code
    w.http.whose = NO_INDEX     # whoever's it was: it is overwritten
    code = http1_request(at, n, x.n_seen, &w.http.request)
    if code == 0 and likely(not caps_is_long(w, s, n)):
        x.n_seen = <uint16_t>n
        return False
    x.n_seen = 0
    if code <= 0:
        x.n_head = 0
        x.method = 0
        own_respond(w, s, own_of_refusal(<uint32_t>-code) if code else OWN_HEAD_TOO_LONG)
        return True
    w.http.whose = s.timer.idx
    request_begin(w, s, x, &w.http.request)
    return True


# The first bytes of a head begin its time.
cdef void head_wait(worker_t* w, session_t* s, exchange_t* x) noexcept nogil:
    cdef const snap_listener_t* listener = snapshot_listener(&w.snapshot, s.listener)
    if is_silent(x) or x.deadline_ms or listener == NULL:
        return
    x.deadline_ms = w.now_ms + listener.http.head_ms
    wheel_arm(&w.wheel, &s.timer.node, x.deadline_ms)


# All is said: what still comes is thrown away.
cdef void linger(worker_t* w, session_t* s) noexcept nogil:
    cdef ssize_t got = sock_recv(s.legs[FRONT].fd, w.carrier.scratch, BUFFER_BYTES)
    leg_received(&s.legs[FRONT], got, BUFFER_BYTES)
    if got <= 0 and got != -EAGAIN or s.legs[FRONT].flags & LEG_EOF:
        session_close(w, s, REASON_CLOSED)
    elif s.legs[FRONT].flags & LEG_READABLE:
        queue_push(&w.ready, s, QUEUE_READY)


# Another attempt, in another generation maybe.
cdef void request_again(worker_t* w, session_t* s, exchange_t* x) noexcept nogil:
    cdef const head_t* head
    x.phase = PHASE_BACKEND
    if not route_stays(w, s, x):
        s.n_tried = 0
        x.flags &= ~<uint32_t>EXCHANGE_COUNTED
        head = request_head(w, s, x)
        if head == NULL:
            own_respond(w, s, OWN_BAD_REQUEST)
            return
        if not route_request(w, s, x, head):
            return
        tally_begin(w, s, x)
    s.state = SESS_CONNECT
    connect_next(w, s)


cdef void request_run(worker_t* w, session_t* s) noexcept nogil:
    cdef exchange_t* x = exchange_of(w, s)
    if x.flags & EXCHANGE_AGAIN:
        request_again(w, s, x)
        return
    if x.phase == PHASE_LINGER:
        linger(w, s)
        return
    if not is_silent(x) and x.n_seen == 0 and head_look(w, s, x):
        return
    while s.legs[FRONT].flags & (LEG_READABLE | LEG_EOF) == LEG_READABLE:
        if not head_receive(w, s, x) or head_look(w, s, x):
            return
    if s.legs[FRONT].flags & LEG_EOF:
        session_close(w, s, REASON_CLOSED if is_silent(x) else REASON_CLIENT_GONE)
        return
    head_wait(w, s, x)


cdef void request_event(worker_t* w, session_t* s, uint32_t bits) noexcept nogil:
    leg_note(s, FRONT, bits)
    if bits & POLL_BROKEN:
        session_close(w, s, REASON_FRONT_RESET)
    else:
        request_run(w, s)


cdef void request_timer(worker_t* w, session_t* s) noexcept nogil:
    cdef exchange_t* x = exchange_of(w, s)
    if x.phase == PHASE_LINGER:
        session_close(w, s, REASON_CLOSED)
    elif is_silent(x):
        session_close(w, s, REASON_IDLE)
    else:
        own_respond(w, s, OWN_HEAD_TIMEOUT)


cdef void request_leave(worker_t* w, session_t* s) noexcept nogil:
    cdef exchange_t* x = exchange_of(w, s)
    cdef uint32_t gen = s.gen
    if x.phase == PHASE_LINGER or x.flags & EXCHANGE_AGAIN or not is_silent(x):
        return
    s.legs[FRONT].flags |= LEG_READABLE     # no event has told yet of what came just now
    request_run(w, s)
    if s.gen != gen or s.state != SESS_HEAD or x.phase == PHASE_LINGER or not is_silent(x):
        return
    if x.n_requests:
        session_close(w, s, REASON_CLOSED)
    else:
        wheel_arm(&w.wheel, &s.timer.node, w.now_ms + LINGER_MS)
