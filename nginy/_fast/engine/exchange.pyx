"""Exchange: what follows from the flags of both legs while a request and its response pass."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memcpy, memset
from nginy._fast.base.cdefs cimport EAGAIN, likely, unlikely
from nginy._fast.base.layout cimport NO_INDEX, snap_listener_t
from nginy._fast.base.letter cimport RELEASE_ATTEMPT
from nginy._fast.base.limits cimport BUFFER_BYTES, FULL_READS, HEAD_BYTES, LINK_FRESH_MS, READS_PER_EVENT, TURN_BYTES
from nginy._fast.base.status cimport (
    OUTCOME_ABANDONED, OWN_BODY_TOO_LARGE, OWN_NO_BUFFER, OWN_REQUEST_TIMEOUT, REASON_BACK_RESET, REASON_BODY_TOO_LARGE,
    REASON_CLIENT_GONE, REASON_FRONT_RESET, REASON_IDLE, REASON_REQUEST_TIMEOUT,
)
from nginy._fast.engine.again cimport again_lost, again_unsent
from nginy._fast.engine.body cimport body_begin, body_is_bulk, body_move, body_pass
from nginy._fast.engine.caps cimport caps_room, caps_why
from nginy._fast.engine.carry cimport leg_flush, leg_keep, leg_send, spare_at_hand
from nginy._fast.engine.cookies cimport cookies_request
from nginy._fast.engine.exchanges cimport (
    EXCHANGE_AGAIN, EXCHANGE_HEED, EXCHANGE_LINK_KEPT, EXCHANGE_REPEATABLE, EXCHANGE_REUSED, PHASE_HEAD, PHASE_OWN,
    PHASE_RESPONSE, PHASE_SENT, body_t, exchange_t,
)
from nginy._fast.engine.lease cimport lease_drop
from nginy._fast.engine.link cimport exchange_of, head_let_go, link_rest, link_take
from nginy._fast.engine.own cimport exchange_next, own_of_reason, own_respond
from nginy._fast.engine.record cimport record_request
from nginy._fast.engine.relay cimport leg_note, relay_arm, relay_cut_at, relay_is_cut, relay_look
from nginy._fast.engine.respond cimport respond_run
from nginy._fast.engine.response cimport response_read
from nginy._fast.engine.rewriting cimport rewrite_request, rewriting_t
from nginy._fast.engine.routing cimport request_head, route_stays
from nginy._fast.engine.session cimport leg_close, queue_push, session_close, session_release
from nginy._fast.engine.stats cimport count
from nginy._fast.engine.times cimport times_due, times_late, times_over, times_wait
from nginy._fast.engine.types cimport (
    BACK, FRONT, LEG_BROKEN, LEG_EOF, LEG_HTTP, LEG_LAST, LEG_READABLE, LEG_WRITABLE, QUEUE_READY, SESS_EXCHANGE, SESS_HEAD,
    leg_t, session_t, worker_t,
)
from nginy._fast.mem.buffers cimport NO_BUFFER, buffers_at
from nginy._fast.mem.wheel cimport wheel_arm
from nginy._fast.net.poller cimport POLL_BROKEN, POLL_END
from nginy._fast.net.sock cimport sock_peek
from nginy._fast.policy.snapshot cimport snapshot_listener
from nginy._fast.wire.http1 cimport (
    BODY_CHUNKED, METHOD_DELETE, METHOD_GET, METHOD_HEAD, METHOD_OPTIONS, METHOD_PUT, METHOD_TRACE, head_t,
)
from nginy._fast.wire.http1write cimport http1_write_request

ctypedef enum step_t:
    STEP_OVER = 0               # nothing more goes this way for now
    STEP_AGAIN = 1
    STEP_MOVE = 2


cdef void exchange_open(worker_t* w, session_t* s) noexcept nogil:
    cdef exchange_t* x = exchange_of(w, s)
    memset(x, 0, sizeof(exchange_t))
    x.head = x.part = NO_BUFFER
    x.link = NO_INDEX
    s.legs[FRONT].flags |= LEG_HTTP
    s.state = SESS_HEAD


cdef void exchange_refuse(worker_t* w, session_t* s, uint32_t reason) noexcept nogil:
    own_respond(w, s, OWN_REQUEST_TIMEOUT if times_late(w, exchange_of(w, s)) else own_of_reason(reason))


cdef uint64_t exchange_due(const worker_t* w, const session_t* s, uint64_t due_ms) noexcept nogil:
    cdef const exchange_t* x = exchange_of(w, s)
    return x.deadline_ms if x.deadline_ms and x.deadline_ms < due_ms else due_ms


cdef bint exchange_is_late(const worker_t* w, const session_t* s) noexcept nogil:
    return times_late(w, exchange_of(w, s))


# ---- the request goes out ----

# May it be sent twice (RFC 9110, section 9.2.2)?
cdef bint is_idempotent(uint32_t method) noexcept nogil:
    return (
        method == METHOD_GET or method == METHOD_HEAD or method == METHOD_PUT or method == METHOD_DELETE
        or method == METHOD_OPTIONS or method == METHOD_TRACE
    )


cdef bint exchange_reuse(worker_t* w, session_t* s) noexcept nogil:
    cdef exchange_t* x = exchange_of(w, s)
    cdef uint64_t most_ms = <uint64_t>-1
    x.flags &= ~<uint32_t>EXCHANGE_REUSED
    if x.flags & EXCHANGE_AGAIN:
        return False
    if not is_idempotent(x.method):
        most_ms = LINK_FRESH_MS
    if not link_take(w, s, most_ms):
        return False
    x.flags |= EXCHANGE_REUSED
    count(&w.row.http[s.listener].reused, 1)
    return True


# Head, and what came of the body with it, into the spare. Bytes, or 0 = it cannot be passed on.
cdef uint32_t request_write(worker_t* w, session_t* s, exchange_t* x, uint8_t* to) noexcept nogil:
    cdef uint8_t* from_ = buffers_at(&w.http.heads, x.head)
    cdef const head_t* head = request_head(w, s, x)
    cdef rewriting_t rewrite
    cdef uint32_t n, n_body
    cdef int used
    if unlikely(head == NULL):
        return 0
    rewrite_request(w, s, from_ + x.head_at, head, &rewrite)
    if unlikely(x.flags & EXCHANGE_HEED):
        cookies_request(w, s, from_ + x.head_at, head, &rewrite.how)
    n = http1_write_request(from_ + x.head_at, head, &rewrite.how, to, BUFFER_BYTES - HEAD_BYTES)
    if n == 0:
        return 0
    if unlikely(x.record):
        record_request(w, s, x, n)
    body_begin(&x.body[FRONT], head)
    if x.body[FRONT].kind == BODY_CHUNKED:
        caps_room(w, s, &x.body[FRONT])
    x.body_at = x.head_at + x.n_head
    memcpy(to + n, from_ + x.body_at, x.head_end - x.body_at)
    used = body_pass(&x.body[FRONT], to + n, x.head_end - x.body_at, False, &n_body)
    if used < 0:
        return 0
    x.body_at += <uint16_t>used
    return n + n_body


cdef bint request_send(worker_t* w, session_t* s, exchange_t* x) noexcept nogil:
    cdef uint32_t n
    cdef ssize_t sent
    cdef uint8_t* to
    if unlikely(not spare_at_hand(w)):
        own_respond(w, s, OWN_NO_BUFFER)
        return False
    to = buffers_at(&w.carrier.buffers, w.carrier.spare)
    n = request_write(w, s, x, to)
    if n == 0:
        own_respond(w, s, caps_why(&x.body[FRONT]))
        return False
    if x.body[FRONT].is_done and is_idempotent(x.method):
        x.flags |= EXCHANGE_REPEATABLE
    if body_is_bulk(&x.body[FRONT]):
        s.n_full[FRONT] = FULL_READS
    sent = leg_send(w, s, FRONT, to, n)
    if unlikely(sent < 0):
        again_unsent(w, s, x)
        return False
    head_let_go(w, x)
    if 0 <= sent < n:
        leg_keep(&s.legs[FRONT], &w.carrier.spare, 0, sent, n)
    return True


# A generation has come with other routes, and nothing was sent: the request goes where they say.
cdef void exchange_astray(worker_t* w, session_t* s, exchange_t* x) noexcept nogil:
    session_release(w, s, RELEASE_ATTEMPT, OUTCOME_ABANDONED, False)
    leg_close(w, s, BACK, True)
    lease_drop(w, s)
    x.flags |= EXCHANGE_AGAIN
    x.phase = PHASE_HEAD
    s.state = SESS_HEAD
    queue_push(&w.ready, s, QUEUE_READY)


cdef void exchange_begin(worker_t* w, session_t* s) noexcept nogil:
    cdef exchange_t* x = exchange_of(w, s)
    cdef const snap_listener_t* listener = snapshot_listener(&w.snapshot, s.listener)
    cdef uint64_t due_ms
    if unlikely(not route_stays(w, s, x)):
        exchange_astray(w, s, x)
        return
    if likely(listener != NULL):
        s.idle_ms = listener.http.response_ms
    x.phase = PHASE_SENT
    s.state = SESS_EXCHANGE
    s.active_ms = w.now_ms
    s.n_full[0] = s.n_full[1] = 0
    s.legs[BACK].flags |= LEG_WRITABLE
    due_ms = w.now_ms + s.idle_ms
    if unlikely(x.deadline_ms != 0 or not x.body[FRONT].is_done):
        due_ms = times_due(w, s, x)
    wheel_arm(&w.wheel, &s.timer.node, due_ms)
    if unlikely(s.cut_ms):
        relay_cut_at(w, s, s.cut_ms)
    if request_send(w, s, x):
        exchange_run(w, s)


# ---- both ways ----

# Why a session ends whose request cannot go on while its response does.
cdef uint32_t reason_of_body(const body_t* b) noexcept nogil:
    return REASON_BODY_TOO_LARGE if caps_why(b) == OWN_BODY_TOO_LARGE else REASON_FRONT_RESET


# What this direction holds goes first; then, may more come?
cdef step_t step_look(worker_t* w, session_t* s, int side, bint is_through) noexcept nogil:
    cdef leg_t* src = &s.legs[side]
    cdef const leg_t* dst = &s.legs[1 - side]
    if src.buffer != NO_BUFFER and not leg_flush(w, s, side):
        return STEP_AGAIN if dst.flags & LEG_WRITABLE else STEP_OVER    # a pipe that was drained in part
    if is_through or src.flags & (LEG_READABLE | LEG_EOF) != LEG_READABLE:
        return STEP_OVER
    return STEP_MOVE if dst.flags & (LEG_WRITABLE | LEG_BROKEN) == LEG_WRITABLE else STEP_OVER


# One direction of the request's body. True: its budget ended before the bytes did.
cdef bint request_step(worker_t* w, session_t* s, exchange_t* x) noexcept nogil:
    cdef uint64_t most = s.bytes[FRONT] + TURN_BYTES
    cdef uint32_t _turn
    cdef step_t step
    cdef int code
    for _turn in range(READS_PER_EVENT):
        if s.bytes[FRONT] >= most:
            break
        step = step_look(w, s, FRONT, x.body[FRONT].is_done)
        if step == STEP_OVER:
            return False
        code = body_move(w, s, x, FRONT) if step == STEP_MOVE else 0
        if code < 0 and x.phase == PHASE_SENT:
            own_respond(w, s, caps_why(&x.body[FRONT]))
        elif code < 0:
            session_close(w, s, reason_of_body(&x.body[FRONT]))
        if code:                # BODY_WAITS too
            return False
    return True


cdef bint response_step(worker_t* w, session_t* s, exchange_t* x) noexcept nogil:
    cdef uint32_t gen = s.gen
    cdef uint64_t most = s.bytes[BACK] + TURN_BYTES
    cdef uint32_t _turn
    cdef step_t step
    cdef int code
    for _turn in range(READS_PER_EVENT):
        if s.bytes[BACK] >= most:
            break
        step = step_look(w, s, BACK, x.body[BACK].is_done and x.phase == PHASE_RESPONSE)
        if step == STEP_OVER:
            return False
        if step == STEP_AGAIN:
            continue
        if x.phase == PHASE_SENT:
            if not response_read(w, s, x):
                return False
        else:
            code = body_move(w, s, x, BACK)
            if code < 0:
                session_close(w, s, REASON_BACK_RESET)
            if code:            # BODY_WAITS too
                return False
        if s.gen != gen:
            return False
    return True


# May another exchange use the link? Not with bytes in it that nobody asked for, or its end announced.
cdef bint is_clean(const session_t* s, const exchange_t* x) noexcept nogil:
    cdef const leg_t* back = &s.legs[BACK]
    cdef uint8_t one
    if not x.flags & EXCHANGE_LINK_KEPT or not x.body[FRONT].is_done or s.legs[FRONT].buffer != NO_BUFFER:
        return False
    if back.flags & (LEG_EOF | LEG_BROKEN | LEG_LAST):
        return False
    # a receive that was bounded by the body's end does not say that nothing follows
    return not back.flags & LEG_READABLE or sock_peek(back.fd, &one, 1) == -EAGAIN


# Request and response are through.
cdef void exchange_end(worker_t* w, session_t* s, exchange_t* x) noexcept nogil:
    if is_clean(s, x):
        link_rest(w, s)
    else:
        leg_close(w, s, BACK, not x.body[FRONT].is_done)
    exchange_next(w, s)


# Decide what follows. True while the exchange goes on.
cdef bint exchange_settle(worker_t* w, session_t* s, exchange_t* x) noexcept nogil:
    cdef leg_t* front = &s.legs[FRONT]
    cdef leg_t* back = &s.legs[BACK]
    if front.flags & LEG_BROKEN:
        session_close(w, s, REASON_FRONT_RESET)
    elif x.phase == PHASE_RESPONSE and x.body[BACK].is_done and back.buffer == NO_BUFFER:
        exchange_end(w, s, x)
    elif front.flags & LEG_EOF and not x.body[FRONT].is_done and front.buffer == NO_BUFFER:
        session_close(w, s, REASON_CLIENT_GONE)
    elif back.buffer == NO_BUFFER and (back.flags & LEG_EOF or back.flags & (LEG_BROKEN | LEG_READABLE) == LEG_BROKEN):
        again_lost(w, s, x)
    else:
        return True
    return False


cdef void exchange_run(worker_t* w, session_t* s) noexcept nogil:
    cdef exchange_t* x = exchange_of(w, s)
    cdef uint32_t gen = s.gen
    cdef bint has_more
    if unlikely(x.phase == PHASE_OWN):
        respond_run(w, s)
        return
    has_more = request_step(w, s, x)
    if s.gen != gen or s.state != SESS_EXCHANGE:
        return
    has_more |= response_step(w, s, x)
    if s.gen != gen or s.state != SESS_EXCHANGE:
        return
    if exchange_settle(w, s, x) and has_more:
        queue_push(&w.ready, s, QUEUE_READY)


cdef void exchange_event(worker_t* w, session_t* s, int side, uint32_t bits) noexcept nogil:
    cdef exchange_t* x = exchange_of(w, s)
    leg_note(s, side, bits)
    if side == FRONT and bits & (POLL_END | POLL_BROKEN):
        if bits & POLL_BROKEN:
            session_close(w, s, REASON_FRONT_RESET)
            return
        if x.body[FRONT].is_done:       # nobody is left to read the response
            session_close(w, s, REASON_CLIENT_GONE)
            return
    exchange_run(w, s)


cdef void exchange_timer(worker_t* w, session_t* s) noexcept nogil:
    cdef exchange_t* x = exchange_of(w, s)
    cdef uint64_t due_ms = times_due(w, s, x)
    cdef uint32_t gen = s.gen
    cdef uint32_t why
    if relay_is_cut(w, s):
        return
    if due_ms <= w.now_ms:
        relay_look(s)
        due_ms = w.now_ms + times_wait(w, s, x)
    relay_arm(w, s, due_ms)
    exchange_run(w, s)          # in time as well: a body may wait for a buffer (BODY_WAITS)
    if s.gen != gen or s.state != SESS_EXCHANGE:
        return
    why = times_over(w, s, x)
    if why and x.phase == PHASE_SENT:
        own_respond(w, s, why - 1)
    elif why:
        session_close(w, s, REASON_REQUEST_TIMEOUT if why == 1 + OWN_REQUEST_TIMEOUT else REASON_IDLE)
