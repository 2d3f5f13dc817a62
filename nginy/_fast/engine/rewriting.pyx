"""Rewriting: the client's address and a name for the request go on; what a client says of them itself does not."""

from libc.stdint cimport uint32_t, uint64_t, uint8_t
from nginy._fast.base.layout cimport snap_listener_t
from nginy._fast.engine.exchanges cimport EXCHANGE_KEPT, EXCHANGE_MADE, EXCHANGE_OLD, exchange_t
from nginy._fast.engine.link cimport exchange_of
from nginy._fast.engine.rules cimport rules_request, rules_response
from nginy._fast.engine.types cimport FRONT, LEG_TLS, session_side, session_side_t, session_t, worker_t
from nginy._fast.mem.hash cimport random_next
from nginy._fast.policy.site cimport site_found_t, site_t
from nginy._fast.policy.snapshot cimport snapshot_listener, snapshot_site
from nginy._fast.policy.target cimport target_make, target_t
from nginy._fast.policy.text cimport text_of_address
from nginy._fast.wire.http1 cimport (
    BODY_CHUNKED, BODY_UNTIL_END, FIELD_HOST, FIELD_X_FORWARDED_FOR, FIELD_X_FORWARDED_PROTO, FIELD_X_REQUEST_ID,
    TARGET_ASTERISK, TARGET_AUTHORITY, head_t,
)
from nginy._fast.wire.http1write cimport (
    CONNECTION_CLOSE, CONNECTION_KEEP_ALIVE, CONNECTION_NONE, CONNECTION_UPGRADE, WAY_SET, rewrite_open,
    rewrite_t,
)


cdef void put_text(rewrite_t* r, uint32_t field, uint8_t way, const uint8_t* p, uint32_t n) noexcept nogil:
    r.way[field] = way
    r.text[field].p = p
    r.text[field].n = n


cdef void request_id_make(worker_t* w, exchange_t* x) noexcept nogil:
    x.request_id[0] = random_next(&w.chooser.random)
    x.request_id[1] = random_next(&w.chooser.random)


cdef uint32_t request_id_write(const exchange_t* x, uint8_t* to) noexcept nogil:
    cdef const char* digits = b"0123456789abcdef"
    cdef uint64_t high = x.request_id[0]
    cdef uint64_t low = x.request_id[1]
    cdef int i
    for i in range(15, -1, -1):
        to[i] = <uint8_t>digits[high & 15]
        to[i + 16] = <uint8_t>digits[low & 15]
        high >>= 4
        low >>= 4
    return REQUEST_ID_BYTES


# The path that the route makes of the request's; its text stays in the snapshot.
cdef void rewrite_path(
    worker_t* w, const session_t* s, const uint8_t* p, const head_t* head, rewrite_t* r
) noexcept nogil:
    cdef const snap_listener_t* listener = snapshot_listener(&w.snapshot, s.listener)
    cdef const exchange_t* x = exchange_of(w, s)
    cdef site_found_t found
    cdef target_t target
    cdef site_t site
    if listener == NULL or not snapshot_site(&w.snapshot, listener, &site):
        return
    if head.target_form == TARGET_ASTERISK or head.target_form == TARGET_AUTHORITY:
        return
    found.route, found.n_matched = x.route, x.n_matched
    target_make(&site, &found, p, head, &target)
    r.path.p, r.path.n = target.put, target.n_put
    r.n_path_cut = target.at - head.path.at


cdef void rewrite_request(
    worker_t* w, const session_t* s, const uint8_t* p, const head_t* head, rewriting_t* r
) noexcept nogil:
    cdef const session_side_t* side = session_side(w, s)
    cdef const exchange_t* x = exchange_of(w, s)
    cdef uint32_t n
    rewrite_open(&r.how, head)
    if x.flags & EXCHANGE_MADE:
        rewrite_path(w, s, p, head, &r.how)
    r.how.connection = CONNECTION_UPGRADE if head.is_upgrade else CONNECTION_NONE
    r.how.takes_trailers = head.takes_trailers
    if side.client_family:
        n = text_of_address(r.client, side.client_ip, side.client_family, 0, False)
        put_text(&r.how, FIELD_X_FORWARDED_FOR, WAY_SET, r.client, n)
    if head.host.n == 0 and head.minor == 0:    # HTTP/1.1, which goes on, has to have one
        put_text(&r.how, FIELD_HOST, WAY_SET, <const uint8_t*>b"localhost", 9)
    put_text(&r.how, FIELD_X_FORWARDED_PROTO, WAY_SET, <const uint8_t*>b"https", 5 if s.legs[FRONT].flags & LEG_TLS else 4)
    put_text(&r.how, FIELD_X_REQUEST_ID, WAY_SET, r.request_id, request_id_write(x, r.request_id))
    if x.rules:
        rules_request(w, s, x, p, head, r)


cdef void rewrite_response(
    worker_t* w, const session_t* s, const exchange_t* x, const head_t* head, rewriting_t* r
) noexcept nogil:
    cdef bint is_old = x.flags & EXCHANGE_OLD != 0
    rewrite_open(&r.how, head)
    if is_old and head.body == BODY_CHUNKED:
        r.how.body = BODY_UNTIL_END
    if head.is_upgrade:
        r.how.connection = CONNECTION_UPGRADE
    elif head.status >= 200 and (not x.flags & EXCHANGE_KEPT or r.how.body == BODY_UNTIL_END):
        r.how.connection = CONNECTION_CLOSE
    elif is_old:
        r.how.connection = CONNECTION_KEEP_ALIVE
    if x.rules and (head.status >= 200 or head.status == 101):
        rules_response(w, s, x, r)
