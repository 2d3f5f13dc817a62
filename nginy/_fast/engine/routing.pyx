"""Routing: a generation comes at any time, so what one of them said of a request is known by the checksum of its routes."""

from libc.stdint cimport uint16_t, uint32_t, uint8_t
from nginy._fast.base.cdefs cimport likely, unlikely
from nginy._fast.base.layout cimport NO_INDEX, snap_listener_t
from nginy._fast.base.status cimport OWN_NO_BACKEND, OWN_NO_ROUTE, OWN_UNCLEAR_PATH
from nginy._fast.engine.exchanges cimport EXCHANGE_MADE, exchange_t
from nginy._fast.engine.own cimport own_respond
from nginy._fast.engine.record cimport record_route
from nginy._fast.engine.respond cimport respond_begin
from nginy._fast.engine.sticky cimport sticky_begin
from nginy._fast.engine.types cimport NO_POOL, session_t, worker_t
from nginy._fast.mem.buffers cimport buffers_at
from nginy._fast.mem.hash cimport random_next
from nginy._fast.policy.site cimport (
    ACTION_POOL, SITE_UNCLEAR, site_find, site_found_t, site_pool, site_route_t, site_sum, site_t,
)
from nginy._fast.policy.snapshot cimport snapshot_listener, snapshot_site
from nginy._fast.wire.http1 cimport head_t, http1_request


cdef const head_t* request_head(worker_t* w, const session_t* s, const exchange_t* x) noexcept nogil:
    if w.http.whose != s.timer.idx:
        w.http.whose = NO_INDEX
        if http1_request(buffers_at(&w.http.heads, x.head) + x.head_at, x.n_head, 0, &w.http.request) != x.n_head:
            return NULL
        w.http.whose = s.timer.idx
    return &w.http.request


cdef void route_note(const worker_t* w, exchange_t* x, const site_t* site, const site_found_t* found) noexcept nogil:
    cdef const site_route_t* route = &site.routes[found.route]
    x.site_sum = site_sum(site)
    x.route = found.route
    x.n_matched = found.n_matched
    x.rules = route.rules
    x.flags &= ~<uint32_t>EXCHANGE_MADE
    if route.is_cut or route.put.n:
        x.flags |= EXCHANGE_MADE
    if unlikely(x.record):
        record_route(w, x, route.number)


# A listener without routes.
cdef bint route_alone(worker_t* w, session_t* s, exchange_t* x, const snap_listener_t* listener) noexcept nogil:
    x.site_sum = x.rules = 0
    x.flags &= ~<uint32_t>EXCHANGE_MADE
    s.pool = <uint16_t>listener.pool        # NO_INDEX becomes NO_POOL
    if likely(s.pool != NO_POOL):
        return True
    own_respond(w, s, OWN_NO_ROUTE)
    return False


cdef bint route_request(worker_t* w, session_t* s, exchange_t* x, const head_t* head) noexcept nogil:
    cdef const snap_listener_t* listener = snapshot_listener(&w.snapshot, s.listener)
    cdef const uint8_t* p = buffers_at(&w.http.heads, x.head) + x.head_at
    cdef const site_route_t* route
    cdef site_found_t found
    cdef site_t site
    cdef int code
    if unlikely(listener == NULL):      # the pool of an earlier request may be another site's
        if x.site_sum:
            own_respond(w, s, OWN_NO_BACKEND)
        return x.site_sum == 0
    if not snapshot_site(&w.snapshot, listener, &site):
        if not route_alone(w, s, x, listener):
            return False
        sticky_begin(w, s, x, p, head, NULL, NULL)
        return True
    x.site_sum = site_sum(&site)
    x.rules = site.header.rules
    code = site_find(&site, p, head, &found)
    if code < 0:
        own_respond(w, s, OWN_UNCLEAR_PATH if code == -SITE_UNCLEAR else OWN_NO_ROUTE)
        return False
    route_note(w, x, &site, &found)
    route = &site.routes[found.route]
    if route.action != ACTION_POOL:
        respond_begin(w, s, &site, &found, head)
        return False
    s.pool = <uint16_t>site_pool(&site, route, random_next(&w.chooser.random) if route.n_shares else 0)
    sticky_begin(w, s, x, p, head, &site, route)
    return True


cdef bint leads_to(const site_t* site, const site_route_t* route, uint32_t pool) noexcept nogil:
    cdef uint32_t i
    if route.action != ACTION_POOL:
        return False
    for i in range(route.first_share, route.first_share + route.n_shares):
        if site.shares[i].pool == pool:
            return True
    return route.n_shares == 0 and route.pool == pool


cdef bint route_stays(worker_t* w, session_t* s, exchange_t* x) noexcept nogil:
    cdef const snap_listener_t* listener = snapshot_listener(&w.snapshot, s.listener)
    cdef const head_t* head
    cdef site_found_t found
    cdef site_t site
    if unlikely(listener == NULL):      # it goes where it was to go, if nothing of its path is to be made
        return not x.flags & EXCHANGE_MADE
    if not snapshot_site(&w.snapshot, listener, &site):
        return x.site_sum == 0
    if likely(x.site_sum == site_sum(&site)):
        return True
    head = request_head(w, s, x)
    if head == NULL or site_find(&site, buffers_at(&w.http.heads, x.head) + x.head_at, head, &found) < 0:
        return False
    if not leads_to(&site, &site.routes[found.route], s.pool):
        return False
    route_note(w, x, &site, &found)
    return True
