"""Response: the head goes into the same buffer, in front of the body bytes that came with it, so one send carries both."""

from libc.stdint cimport uint16_t, uint32_t, uint8_t
from libc.string cimport memcpy, memmove
from nginy._fast.base.cdefs cimport unlikely
from nginy._fast.base.layout cimport snap_listener_t
from nginy._fast.base.limits cimport BUFFER_BYTES, FULL_READS, HEAD_BYTES, HEAD_GROWTH
from nginy._fast.base.status cimport OWN_BAD_RESPONSE, OWN_NO_BUFFER, REASON_BACK_RESET
from nginy._fast.engine.body cimport body_begin, body_is_bulk, body_pass
from nginy._fast.engine.carry cimport leg_keep, leg_recv, leg_send, spare_at_hand
from nginy._fast.engine.cookies cimport cookies_response
from nginy._fast.engine.exchanges cimport (
    EXCHANGE_AGAIN, EXCHANGE_EXPECTS, EXCHANGE_HEED, EXCHANGE_KEPT, EXCHANGE_LINK_KEPT, EXCHANGE_OLD, EXCHANGE_REPEATABLE,
    EXCHANGE_UPGRADE, PHASE_RESPONSE, exchange_t,
)
from nginy._fast.engine.link cimport head_give, head_let_go, part_give
from nginy._fast.engine.own cimport own_respond
from nginy._fast.engine.record cimport record_response
from nginy._fast.engine.relay cimport relay_begin
from nginy._fast.engine.rewriting cimport rewrite_response, rewriting_t
from nginy._fast.engine.session cimport session_close
from nginy._fast.engine.stats cimport count
from nginy._fast.engine.tally cimport tally_answer
from nginy._fast.engine.types cimport BACK, FRONT, LEG_BULK, LEG_EOF, leg_t, session_t, worker_t
from nginy._fast.mem.buffers cimport NO_BUFFER, buffers_at, buffers_take
from nginy._fast.policy.choose cimport chooser_spent
from nginy._fast.policy.snapshot cimport snapshot_listener
from nginy._fast.wire.http1 cimport BODY_CHUNKED, BODY_UNTIL_END, head_t, http1_response
from nginy._fast.wire.http1write cimport http1_write_response

cdef enum:
    BODY_AT = HEAD_GROWTH       # where a receive into an empty buffer begins: room for a head that has grown


cdef bint response_bad(worker_t* w, session_t* s, exchange_t* x, uint32_t why) noexcept nogil:
    part_give(w, x)
    own_respond(w, s, why)
    return False


# ---- the head ----

# A spare with what is known of the head so far, and what comes now. Bytes in all from BODY_AT on; 0: nothing new.
cdef uint32_t head_fill(worker_t* w, session_t* s, exchange_t* x, uint8_t* at) noexcept nogil:
    cdef ssize_t room = (HEAD_BYTES if s.legs[BACK].flags & LEG_BULK else BUFFER_BYTES - BODY_AT) - x.n_part
    cdef ssize_t got
    if x.n_part:
        memcpy(at + BODY_AT, buffers_at(&w.http.heads, x.part), x.n_part)
    got = leg_recv(w, s, BACK, at + BODY_AT + x.n_part, room)
    return x.n_part + <uint32_t>got if got > 0 else 0


# The head is not whole: keep it for the next receive. False: there is too much of it.
cdef bint part_keep(worker_t* w, exchange_t* x, const uint8_t* from_, uint32_t n) noexcept nogil:
    if n >= HEAD_BYTES:
        return False
    if x.part == NO_BUFFER:
        x.part = buffers_take(&w.http.heads)
        if x.part == NO_BUFFER:
            return False
    memcpy(buffers_at(&w.http.heads, x.part), from_, n)
    x.n_part = <uint16_t>n
    return True


# What the head says of both connections.
cdef void response_heed(worker_t* w, session_t* s, exchange_t* x, const head_t* head) noexcept nogil:
    body_begin(&x.body[BACK], head)
    if head.body == BODY_UNTIL_END or head.body == BODY_CHUNKED and x.flags & EXCHANGE_OLD:
        x.flags &= ~<uint32_t>EXCHANGE_KEPT
    if head.is_kept and head.body != BODY_UNTIL_END:
        x.flags |= EXCHANGE_LINK_KEPT
    if not x.body[FRONT].is_done or w.is_draining or snapshot_listener(&w.snapshot, s.listener) == NULL:
        x.flags &= ~<uint32_t>EXCHANGE_KEPT
    if w.chooser.is_timed:
        chooser_spent(&w.chooser, s.backend, w.now_us - x.begin_us if w.now_us > x.begin_us else 0, w.now_ms)
    count(&w.row.http[s.listener].responses[head.status // 100 - 1], 1)


# Head and body bytes, one after the other, in the spare: send them, keep what does not go.
cdef void spare_send(worker_t* w, session_t* s, uint8_t* at, uint32_t begin, uint32_t end) noexcept nogil:
    cdef ssize_t sent = leg_send(w, s, BACK, at + begin, end - begin)
    if 0 <= sent < <ssize_t>(end - begin):
        leg_keep(&s.legs[BACK], &w.carrier.spare, 0, begin + sent, end)


# Write the head so that it ends where the body begins. Its first byte; 0: it has grown too much.
cdef uint32_t head_place(worker_t* w, const session_t* s, exchange_t* x, uint8_t* at, uint32_t body_at) noexcept nogil:
    cdef rewriting_t rewrite
    cdef uint32_t n
    rewrite_response(w, s, x, &w.http.response, &rewrite)
    if unlikely(x.flags & EXCHANGE_HEED):
        cookies_response(w, s, x, at + BODY_AT, &w.http.response, &rewrite.how)
    n = http1_write_response(at + BODY_AT, &w.http.response, &rewrite.how, w.carrier.scratch, BUFFER_BYTES)
    if n == 0 or n > body_at:
        return 0
    memcpy(at + body_at - n, w.carrier.scratch, n)
    return body_at - n


# The final head, n_head bytes of n_all from BODY_AT on.
cdef bint response_begin(
    worker_t* w, session_t* s, exchange_t* x, uint8_t* at, uint32_t n_head, uint32_t n_all
) noexcept nogil:
    cdef const head_t* head = &w.http.response
    cdef uint32_t body_at = BODY_AT + n_head
    cdef uint32_t n_body = 0
    cdef uint32_t begin
    cdef int used
    response_heed(w, s, x, head)
    begin = head_place(w, s, x, at, body_at)
    if begin == 0:
        return response_bad(w, s, x, OWN_BAD_RESPONSE)
    used = body_pass(&x.body[BACK], at + body_at, n_all - n_head, x.flags & EXCHANGE_OLD != 0, &n_body)
    if used < 0:
        return response_bad(w, s, x, OWN_BAD_RESPONSE)
    if <uint32_t>used < n_all - n_head:
        x.flags &= ~<uint32_t>EXCHANGE_LINK_KEPT
    part_give(w, x)
    x.phase = PHASE_RESPONSE
    x.flags &= ~<uint32_t>(EXCHANGE_REPEATABLE | EXCHANGE_AGAIN)
    head_let_go(w, x)           # a response may go on for hours
    s.legs[BACK].flags &= ~<uint32_t>LEG_BULK
    if body_is_bulk(&x.body[BACK]):
        s.legs[BACK].flags |= LEG_BULK
        s.n_full[BACK] = FULL_READS     # no need to see full receives first
    if s.legs[BACK].flags & LEG_EOF and x.body[BACK].kind == BODY_UNTIL_END:
        x.body[BACK].is_done = True
    tally_answer(w, s, x, head.status, False)
    if unlikely(x.record):
        record_response(w, s, x, body_at - begin)
    spare_send(w, s, at, begin, body_at + n_body)
    return True


# Another protocol from here on, both ways: what was read ahead of it goes first.
cdef bint response_upgrade(
    worker_t* w, session_t* s, exchange_t* x, uint8_t* at, uint32_t n_head, uint32_t n_all
) noexcept nogil:
    cdef uint32_t begin = head_place(w, s, x, at, BODY_AT + n_head)
    cdef const snap_listener_t* listener = snapshot_listener(&w.snapshot, s.listener)
    cdef leg_t* front = &s.legs[FRONT]
    cdef uint32_t n_early
    # a backend that has agreed before it had the request has not read it
    if begin == 0 or front.buffer != NO_BUFFER or not x.flags & EXCHANGE_UPGRADE:
        return response_bad(w, s, x, OWN_BAD_RESPONSE)
    part_give(w, x)
    count(&w.row.http[s.listener].responses[0], 1)
    tally_answer(w, s, x, w.http.response.status, False)
    if unlikely(x.record):
        record_response(w, s, x, BODY_AT + n_head - begin)
    x.phase = PHASE_RESPONSE
    spare_send(w, s, at, begin, BODY_AT + n_all)
    if x.head_end > x.body_at:
        if not spare_at_hand(w):
            session_close(w, s, REASON_BACK_RESET)
            return False
        n_early = x.head_end - x.body_at
        memcpy(buffers_at(&w.carrier.buffers, w.carrier.spare), buffers_at(&w.http.heads, x.head) + x.body_at, n_early)
        leg_keep(front, &w.carrier.spare, 0, 0, n_early)
    head_give(w, x)
    if listener != NULL:
        s.idle_ms = listener.idle_ms
    relay_begin(w, s)
    return False


# A head before the final one (1xx): passed on, then the next one is looked at.
cdef bint response_interim(worker_t* w, session_t* s, exchange_t* x, uint8_t* at, uint32_t n_head) noexcept nogil:
    cdef uint32_t begin = 0
    x.flags &= ~<uint32_t>EXCHANGE_EXPECTS
    if not x.flags & EXCHANGE_OLD:      # RFC 9110, section 15.2: none to a client of HTTP/1.0
        begin = head_place(w, s, x, at, BODY_AT + n_head)
    if begin:
        # the rest of the buffer is still wanted: this head leaves from the scratch it was written to
        if leg_send(w, s, BACK, w.carrier.scratch, BODY_AT + n_head - begin) != <ssize_t>(BODY_AT + n_head - begin):
            session_close(w, s, REASON_BACK_RESET)      # a client that takes not even this
            return False
    return True


cdef bint response_read(worker_t* w, session_t* s, exchange_t* x) noexcept nogil:
    cdef head_t* head = &w.http.response
    cdef uint32_t n, n_seen
    cdef uint8_t* at
    cdef int code
    if unlikely(not spare_at_hand(w)):
        return response_bad(w, s, x, OWN_NO_BUFFER)
    at = buffers_at(&w.carrier.buffers, w.carrier.spare)
    n_seen = x.n_part
    n = head_fill(w, s, x, at)
    if n == 0:
        return True
    while True:
        code = http1_response(at + BODY_AT, n, n_seen, x.method, head)
        if code < 0 or code == 0 and not part_keep(w, x, at + BODY_AT, n):
            return response_bad(w, s, x, OWN_BAD_RESPONSE)
        if code == 0:
            return True
        if head.status == 101:
            return response_upgrade(w, s, x, at, <uint32_t>code, n)
        if head.status >= 200:
            return response_begin(w, s, x, at, <uint32_t>code, n)
        if not response_interim(w, s, x, at, <uint32_t>code):
            return False
        n -= <uint32_t>code
        n_seen = 0
        memmove(at + BODY_AT, at + BODY_AT + code, n)
        part_give(w, x)
        if n == 0:
            return True
