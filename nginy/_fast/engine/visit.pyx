"""Visit: a session's client, told to policies."""

from libc.string cimport memcpy, memset
from nginy._fast.base.cdefs cimport unlikely
from nginy._fast.base.layout cimport HEED_REQUEST, snap_listener_t, snap_pool_t
from nginy._fast.engine.exchanges cimport exchange_t
from nginy._fast.engine.link cimport exchange_of
from nginy._fast.engine.routing cimport request_head
from nginy._fast.engine.seen cimport seen_look
from nginy._fast.engine.types cimport FRONT, LEG_HTTP, session_side, session_side_t, session_t, worker_t
from nginy._fast.mem.buffers cimport NO_BUFFER, buffers_at
from nginy._fast.net.sock cimport sock_name
from nginy._fast.policy.key cimport visit_t
from nginy._fast.policy.snapshot cimport snapshot_listener, snapshot_pool


# The request whose backend is chosen: its head is at hand until it has been sent.
cdef void visit_request(worker_t* w, const session_t* s, visit_t* visit) noexcept nogil:
    cdef const exchange_t* x = exchange_of(w, s)
    if not s.legs[FRONT].flags & LEG_HTTP or x.head == NO_BUFFER:
        return
    visit.head = request_head(w, s, x)
    if visit.head != NULL:
        visit.request = buffers_at(&w.http.heads, x.head) + x.head_at


cdef void session_visit(worker_t* w, const session_t* s, visit_t* visit) noexcept nogil:
    cdef const session_side_t* side = session_side(w, s)
    cdef const snap_listener_t* listener = snapshot_listener(&w.snapshot, s.listener)
    cdef const snap_pool_t* pool = snapshot_pool(&w.snapshot, s.pool)
    memset(visit, 0, sizeof(visit_t))
    memcpy(visit.ip, side.client_ip, 16)
    visit.port = side.client_port
    visit.family = side.client_family
    visit.listener = s.listener
    visit.listener_hash = listener.name_hash if listener != NULL else 0
    if pool != NULL and pool.wants_local and sock_name(s.legs[FRONT].fd, visit.local_ip, &visit.local_port) >= 0:
        visit.local_family = side.client_family
    if unlikely(pool != NULL and pool.heeds & HEED_REQUEST):
        visit_request(w, s, visit)
    if side.preread and (w.seen.whose == s or seen_look(w, s) > 0):
        visit.bytes = w.carrier.scratch
        visit.n_bytes = w.seen.n_bytes
        visit.name = w.seen.hello.name
        visit.n_name = w.seen.hello.n_name
        visit.alpn = w.seen.hello.alpn
        visit.n_alpn = w.seen.hello.n_alpn
