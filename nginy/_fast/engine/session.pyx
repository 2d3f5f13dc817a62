"""Session: taken from the slab, given back with exactly one counted reason."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from nginy._fast.base.cdefs cimport (
    AF_INET, AF_INET6, NGY_CHECK, likely, ngy_sub32, ntohs, sockaddr_in, sockaddr_in6, sockaddr_storage,
    unlikely,
)
from nginy._fast.base.layout cimport NO_INDEX, snap_listener_t
from nginy._fast.base.letter cimport RELEASE_ATTEMPT, RELEASE_SESSION
from nginy._fast.base.status cimport OUTCOME_ABANDONED, REASON_BACK_RESET, REASON_CLOSED, REASON_HANDSHAKE_FAILED
from nginy._fast.engine.ask cimport ask_abandon, ask_release, ended_t
from nginy._fast.engine.carrier cimport leg_give_buffer
from nginy._fast.engine.lease cimport lease_drop
from nginy._fast.engine.link cimport exchange_drop, exchange_of, link_forget
from nginy._fast.engine.record cimport is_logged, record_end
from nginy._fast.engine.stats cimport count, stats_accepted, stats_access, stats_attempt, stats_ended
from nginy._fast.engine.tally cimport tally_end
from nginy._fast.engine.tls cimport tls_drop
from nginy._fast.engine.types cimport (
    BACK, FRONT, LEG_ASKED, LEG_COPY, LEG_EAGER, LEG_FINISHED, LEG_HTTP, LEG_OWN, LEG_TLS, QUEUE_NONE, SESS_ASK, SESS_CONNECT,
    SESS_FREE, SESS_HEAD, TIMER_SESSION, leg_t, queue_t, session_side, session_side_t, session_t, worker_t,
)
from nginy._fast.mem.buffers cimport NO_BUFFER
from nginy._fast.mem.slab cimport SLAB_NONE, slab_at, slab_give, slab_is_taken, slab_take
from nginy._fast.mem.wheel cimport wheel_disarm
from nginy._fast.net.sock cimport sock_close, sock_reset


cdef void queue_push(queue_t* q, session_t* s, uint8_t mark) noexcept nogil:
    if s.queue != QUEUE_NONE:
        return
    s.queue = mark
    s.queue_next = NULL
    s.queue_prev = q.tail
    if q.tail == NULL:
        q.head = s
    else:
        q.tail.queue_next = s
    q.tail = s
    q.n += 1


cdef void session_unqueue(worker_t* w, session_t* s) noexcept nogil:
    cdef queue_t* q = &w.ready
    if s.queue == QUEUE_NONE:
        return
    if s.queue_prev == NULL:
        q.head = s.queue_next
    else:
        s.queue_prev.queue_next = s.queue_next
    if s.queue_next == NULL:
        q.tail = s.queue_prev
    else:
        s.queue_next.queue_prev = s.queue_prev
    s.queue = QUEUE_NONE
    q.n -= 1


cdef inline void fd_end(int fd, bint is_reset) noexcept nogil:
    if fd < 0:
        return
    if is_reset:
        sock_reset(fd)
    else:
        sock_close(fd)


cdef void leg_close(worker_t* w, session_t* s, int side, bint is_reset) noexcept nogil:
    cdef leg_t* leg = &s.legs[side]
    leg_give_buffer(w, leg)
    if s.legs[FRONT].flags & LEG_HTTP:
        link_forget(w, s)
    fd_end(leg.fd, is_reset)
    leg.fd = -1
    leg.flags = 0


cdef void client_of(session_side_t* side, const sockaddr_storage* addr) noexcept nogil:
    cdef const uint8_t* ip6
    memset(side, 0, sizeof(session_side_t))
    if addr.ss_family == AF_INET:
        side.client_family = 4
        side.client_port = ntohs((<const sockaddr_in*>addr).sin_port)
        memcpy(side.client_ip, &(<const sockaddr_in*>addr).sin_addr, 4)
    elif addr.ss_family == AF_INET6:
        ip6 = <const uint8_t*>&(<const sockaddr_in6*>addr).sin6_addr
        side.client_family = 6
        side.client_port = ntohs((<const sockaddr_in6*>addr).sin6_port)
        memcpy(side.client_ip, ip6, 16)


cdef void session_begin(worker_t* w, session_t* s, const snap_listener_t* listener, int fd) noexcept nogil:
    cdef session_side_t* side = session_side(w, s)
    s.legs[FRONT].fd = fd
    s.legs[BACK].fd = -1
    if side.client_family == 0:     # unix: passed descriptors end a receive early
        s.legs[FRONT].flags |= LEG_EAGER | LEG_COPY
    s.legs[FRONT].buffer = NO_BUFFER
    s.legs[BACK].buffer = NO_BUFFER
    s.timer.kind = TIMER_SESSION
    s.state = SESS_CONNECT
    s.start_ms = w.now_ms
    s.active_ms = w.now_ms
    s.backend = NO_INDEX
    s.listener = listener.id
    s.pool = <uint16_t>listener.pool    # NO_INDEX becomes NO_POOL
    s.idle_ms = listener.idle_ms
    s.half_close_ms = listener.half_close_ms
    s.connect_ms = listener.connect_ms
    s.drain_ms = listener.drain_ms
    s.keepalive_s = listener.keepalive_s
    s.is_half_close = listener.is_half_close
    s.is_splice = listener.is_splice
    side.retries = listener.retries
    side.is_deferred = listener.is_deferred


cdef session_t* session_open(worker_t* w, const snap_listener_t* listener, int fd, const sockaddr_storage* addr) noexcept nogil:
    cdef uint32_t idx = slab_take(&w.sessions)
    cdef session_t* s
    cdef uint32_t gen
    if idx == SLAB_NONE:
        return NULL
    s = <session_t*>slab_at(&w.sessions, idx)
    gen = s.gen
    memset(s, 0, sizeof(session_t))
    s.gen = gen
    s.timer.idx = idx
    client_of(session_side(w, s), addr)
    session_begin(w, s, listener, fd)
    stats_accepted(w, s.listener)
    return s


cdef session_t* session_of_tag(worker_t* w, uint64_t tag) noexcept nogil:
    cdef uint32_t idx = <uint32_t>tag
    cdef session_t* s
    if idx < w.sessions.n_touched:
        s = <session_t*>slab_at(&w.sessions, idx)
        if likely(s.state != SESS_FREE and tag_gen(s, <int>(tag >> 56 & 1)) == <uint32_t>(tag >> 32 & 0xffffff)):
            return s
    count(&w.row.worker.stale_events, 1)
    return NULL


cdef void session_release(worker_t* w, const session_t* s, uint32_t kind, uint32_t code, bint is_last) noexcept nogil:
    cdef const session_side_t* side
    cdef ended_t e
    if likely(not s.legs[FRONT].flags & LEG_ASKED):
        return
    side = session_side(w, s)
    e.visit = side.visit
    e.bytes_in = s.bytes[FRONT]
    e.bytes_out = s.bytes[BACK]
    e.session_ms = w.now_ms - s.start_ms
    e.connect_us = s.connect_us
    e.pool = s.asked
    e.backend = s.backend if s.has_lease else NO_INDEX
    e.kind = kind
    e.code = code
    e.is_own = s.legs[FRONT].flags & LEG_OWN != 0
    e.is_last = is_last
    ask_release(w, &e)


cdef void session_close(worker_t* w, session_t* s, uint32_t reason) noexcept nogil:
    # between two exchanges of HTTP nothing is cut off, and the alert of a failed handshake is to arrive
    cdef bint is_reset = reason != REASON_CLOSED and s.state != SESS_HEAD and reason != REASON_HANDSHAKE_FAILED
    # the backend's answer was complete and passed on as such: a reset now would throw away its tail
    cdef bint is_front_reset = is_reset and not (reason == REASON_BACK_RESET and s.legs[FRONT].flags & LEG_FINISHED)
    cdef int front_fd = s.legs[FRONT].fd
    cdef int back_fd = s.legs[BACK].fd
    if s.state == SESS_FREE:
        return
    if s.state == SESS_CONNECT and s.has_lease:
        stats_attempt(w, s, OUTCOME_ABANDONED)
        session_release(w, s, RELEASE_ATTEMPT, OUTCOME_ABANDONED, True)
    else:
        session_release(w, s, RELEASE_SESSION, reason, True)
    if s.state == SESS_ASK:
        ask_abandon(w, session_side(w, s).ticket)
    wheel_disarm(&w.wheel, &s.timer.node)
    session_unqueue(w, s)
    leg_give_buffer(w, &s.legs[FRONT])
    leg_give_buffer(w, &s.legs[BACK])
    if unlikely((s.legs[FRONT].flags | s.legs[BACK].flags) & LEG_TLS):
        tls_drop(w, s, is_front_reset, is_reset)
    if s.legs[FRONT].flags & LEG_HTTP:
        if unlikely(exchange_of(w, s).record):
            record_end(w, s, exchange_of(w, s), reason)
        tally_end(w, s, exchange_of(w, s), reason == REASON_CLOSED)
        exchange_drop(w, s)
    elif is_logged(w):
        stats_access(w, s, session_side(w, s), reason)
    lease_drop(w, s)
    ngy_sub32(&w.shared.sessions[s.listener], 1)
    s.state = SESS_FREE
    s.gen += 1
    NGY_CHECK(slab_is_taken(&w.sessions, s.timer.idx))
    slab_give(&w.sessions, s.timer.idx)
    stats_ended(w, s.listener, reason)
    fd_end(front_fd, is_front_reset)    # last: whoever sees the end finds it counted
    fd_end(back_fd, is_reset)
