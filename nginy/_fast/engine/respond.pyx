"""Respond: nothing is held for a slow client but how far it is; bodies leave from the snapshot, without a copy."""

from libc.stdint cimport uint32_t, uint8_t
from libc.string cimport memcpy
from nginy._fast.base.cdefs cimport unlikely
from nginy._fast.base.layout cimport snap_listener_t
from nginy._fast.base.limits cimport BUFFER_BYTES, HEAD_GROWTH
from nginy._fast.base.status cimport OWN_HEAD_TOO_LONG, OWN_REDIRECTED, OWN_RESPONDED, REASON_NO_ROUTE
from nginy._fast.engine.exchanges cimport EXCHANGE_KEPT, PHASE_OWN, exchange_t
from nginy._fast.engine.link cimport exchange_of
from nginy._fast.engine.own cimport (
    exchange_next, own_is_kept, own_pass, own_put, own_put_number, own_put_status, own_respond, own_send,
)
from nginy._fast.engine.record cimport record_own
from nginy._fast.engine.relay cimport relay_cut_at
from nginy._fast.engine.remainder cimport remainder_run
from nginy._fast.engine.rules cimport rules_put
from nginy._fast.engine.session cimport session_close
from nginy._fast.engine.stats cimport count
from nginy._fast.engine.tally cimport tally_answer
from nginy._fast.engine.types cimport FRONT, LEG_TLS, LEG_WRITABLE, SESS_EXCHANGE, session_t, worker_t
from nginy._fast.mem.buffers cimport buffers_at
from nginy._fast.mem.wheel cimport wheel_arm
from nginy._fast.policy.site cimport ACTION_REDIRECT, site_found_t, site_route_t, site_sum, site_t
from nginy._fast.policy.snapshot cimport snapshot_listener, snapshot_site
from nginy._fast.policy.target cimport location_write
from nginy._fast.wire.http1 cimport METHOD_HEAD, head_t

cdef enum:
    HEAD_REST = 512 + HEAD_GROWTH   # room for what stands around lines of a route, and for what rules add


cdef uint8_t* put_status(uint8_t* to, uint32_t status) noexcept nogil:
    return own_put(own_put_status(own_put(to, b"HTTP/1.1 "), status), b"\r\n")


# Length, but where there must be none (RFC 9110, section 8.6), and connection.
cdef uint8_t* put_end(uint8_t* to, uint32_t status, uint32_t n_body, bint is_kept) noexcept nogil:
    if status != 204 and status != 304:
        to = own_put(own_put_number(own_put(to, b"Content-Length: "), n_body), b"\r\n")
    return own_put(to, b"Connection: keep-alive\r\n\r\n" if is_kept else b"Connection: close\r\n\r\n")


# In the carrier's scratch; the same each time.
cdef uint32_t respond_head(worker_t* w, const session_t* s, const exchange_t* x, const site_t* site) noexcept nogil:
    cdef const site_route_t* route = &site.routes[x.route]
    cdef uint8_t* to = w.carrier.scratch
    cdef uint8_t* at = put_status(to, route.status)
    memcpy(at, site.texts + route.lines.off, route.lines.n)
    at = rules_put(w, s, x, at + route.lines.n, False) if x.rules else at + route.lines.n
    return <uint32_t>(put_end(at, route.status, route.body.n, x.flags & EXCHANGE_KEPT != 0) - to)


# Send what the client takes. False: not all of it, or the session has ended.
cdef bint respond_send(worker_t* w, session_t* s, exchange_t* x, const site_t* site) noexcept nogil:
    cdef const site_route_t* route = &site.routes[x.route]
    cdef const uint8_t* body = site.texts + route.body.off
    cdef uint8_t* head = w.carrier.scratch
    cdef uint32_t n_head = respond_head(w, s, x, site)
    cdef uint32_t n_body = 0 if x.method == METHOD_HEAD else route.body.n
    cdef uint32_t n
    cdef ssize_t sent
    if unlikely(x.record and x.n_own == 0):
        record_own(w, s, x, OWN_RESPONDED, head, n_head)
    while x.n_own < n_head + n_body:
        if x.n_own < n_head:
            n = min(n_body, <uint32_t>BUFFER_BYTES - n_head)
            memcpy(head + n_head, body, n)
            n += n_head - x.n_own
            sent = own_pass(w, s, head + x.n_own, n)
        else:
            n = n_head + n_body - x.n_own
            sent = own_pass(w, s, body + x.n_own - n_head, n)
        if sent < 0:
            return False
        if sent > 0:
            x.n_own += <uint32_t>sent
            s.active_ms = w.now_ms
        if sent < <ssize_t>n:
            s.legs[FRONT].flags &= ~<uint32_t>LEG_WRITABLE
            return False
    return True


cdef void redirect(
    worker_t* w, session_t* s, const site_t* site, const site_found_t* found, const head_t* head
) noexcept nogil:
    cdef exchange_t* x = exchange_of(w, s)
    cdef const uint8_t* p = buffers_at(&w.http.heads, x.head) + x.head_at
    cdef uint32_t status = site.routes[found.route].status
    cdef bint is_kept = own_is_kept(w, x)
    cdef uint8_t* at = own_put(put_status(w.carrier.scratch, status), b"Location: ")
    cdef int n = location_write(site, found, p, head, s.legs[FRONT].flags & LEG_TLS != 0, at, BUFFER_BYTES - HEAD_REST)
    if n < 0:
        own_respond(w, s, OWN_HEAD_TOO_LONG)
        return
    at = own_put(at + n, b"\r\n")
    at = put_end(rules_put(w, s, x, at, False) if x.rules else at, status, 0, is_kept)
    own_send(w, s, OWN_REDIRECTED, <uint32_t>(at - w.carrier.scratch), is_kept)


cdef void respond_begin(
    worker_t* w, session_t* s, const site_t* site, const site_found_t* found, const head_t* head
) noexcept nogil:
    cdef exchange_t* x = exchange_of(w, s)
    cdef const snap_listener_t* listener = snapshot_listener(&w.snapshot, s.listener)
    cdef uint32_t gen = s.gen
    if site.routes[found.route].action == ACTION_REDIRECT:
        redirect(w, s, site, found, head)
        return
    if not own_is_kept(w, x):
        x.flags &= ~<uint32_t>EXCHANGE_KEPT
    x.phase = PHASE_OWN
    x.n_own = 0
    s.state = SESS_EXCHANGE
    s.active_ms = w.now_ms
    count(&w.row.http[s.listener].own[OWN_RESPONDED], 1)
    tally_answer(w, s, x, site.routes[found.route].status, True)
    if respond_send(w, s, x, site):
        exchange_next(w, s)
    elif s.gen == gen:
        s.idle_ms = listener.http.response_ms
        wheel_arm(&w.wheel, &s.timer.node, w.now_ms + s.idle_ms)
        if s.cut_ms:
            relay_cut_at(w, s, s.cut_ms)


cdef void respond_run(worker_t* w, session_t* s) noexcept nogil:
    cdef exchange_t* x = exchange_of(w, s)
    cdef const snap_listener_t* listener = snapshot_listener(&w.snapshot, s.listener)
    cdef site_t site
    if not s.legs[FRONT].flags & LEG_WRITABLE:
        return
    if x.n_part:
        remainder_run(w, s, x)
        return
    if listener == NULL or not snapshot_site(&w.snapshot, listener, &site) or site_sum(&site) != x.site_sum:
        session_close(w, s, REASON_NO_ROUTE)
    elif respond_send(w, s, x, &site):
        exchange_next(w, s)
