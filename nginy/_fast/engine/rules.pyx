"""Rules: looked up by id in the generation that is there, so that nothing of a snapshot is kept for a response."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset
from nginy._fast.base.cdefs cimport AF_INET, AF_INET6, AF_UNIX, ntohs, sockaddr, sockaddr_in, sockaddr_in6, sockaddr_un
from nginy._fast.base.layout cimport NO_INDEX, snap_addr_t, snap_listener_t
from nginy._fast.base.limits cimport HEAD_GROWTH
from nginy._fast.engine.exchanges cimport exchange_t
from nginy._fast.engine.rewriting cimport BACKEND_BYTES, rewriting_t, request_id_write
from nginy._fast.engine.types cimport session_side, session_side_t, session_t, worker_t
from nginy._fast.policy.site cimport site_rules, site_rules_t, site_t
from nginy._fast.policy.snapshot cimport snapshot_listener, snapshot_site
from nginy._fast.policy.text cimport text_of_address
from nginy._fast.wire.http1 cimport FIELD_HOST, head_t
from nginy._fast.wire.http1write cimport (
    VARIABLE_BACKEND, VARIABLE_CLIENT, VARIABLE_HOST, VARIABLE_METHOD, VARIABLE_PATH, VARIABLE_REQUEST_ID, WAY_SET,
    http1_write_edits, rewrite_t,
)


# NULL: the listener is gone, or has none any more. Where a reload took those of the route, the listener's own count.
cdef const site_rules_t* rules_of(
    const worker_t* w, const session_t* s, const exchange_t* x, site_t* site
) noexcept nogil:
    cdef const snap_listener_t* listener = snapshot_listener(&w.snapshot, s.listener)
    cdef const site_rules_t* rules
    if listener == NULL or not snapshot_site(&w.snapshot, listener, site):
        return NULL
    rules = site_rules(site, x.rules)
    return rules if rules != NULL else site_rules(site, site.header.rules)


# ---- variables ----

cdef inline void say(rewrite_t* r, uint32_t variable, const uint8_t* p, uint32_t n) noexcept nogil:
    r.variables[variable - 1].p = p
    r.variables[variable - 1].n = n


# As people write it, but for what no value may have.
cdef uint32_t text_of_backend(const worker_t* w, const session_t* s, uint8_t* to) noexcept nogil:
    cdef const snap_addr_t* addr
    cdef const sockaddr* any_
    cdef const uint8_t* path
    cdef uint32_t n = 0
    cdef uint32_t at = w.snapshot.backend_at[s.backend] if s.backend < w.snapshot.header.n_backend_at else NO_INDEX
    if at == NO_INDEX:
        return 0
    addr = &w.snapshot.addrs[at]
    any_ = <const sockaddr*>addr.bytes
    if any_.sa_family == AF_INET:
        return text_of_address(
            to, <const uint8_t*>&(<const sockaddr_in*>any_).sin_addr, 4, ntohs((<const sockaddr_in*>any_).sin_port), True)
    if any_.sa_family == AF_INET6:
        return text_of_address(
            to, <const uint8_t*>&(<const sockaddr_in6*>any_).sin6_addr, 6, ntohs((<const sockaddr_in6*>any_).sin6_port), True)
    if any_.sa_family != AF_UNIX:
        return 0
    path = <const uint8_t*>(<const sockaddr_un*>any_).sun_path
    while n < addr.len_bytes - 2 and n < BACKEND_BYTES and path[n]:
        to[n] = path[n] if 0x20 < path[n] < 0x7f else c'?'
        n += 1
    return n


cdef void say_known(worker_t* w, const session_t* s, const exchange_t* x, bint has_backend, rewriting_t* r) noexcept nogil:
    cdef const session_side_t* side = session_side(w, s)
    if side.client_family:
        say(&r.how, VARIABLE_CLIENT, r.client, text_of_address(r.client, side.client_ip, side.client_family, 0, False))
    say(&r.how, VARIABLE_REQUEST_ID, r.request_id, request_id_write(x, r.request_id))
    if has_backend:
        say(&r.how, VARIABLE_BACKEND, r.backend, text_of_backend(w, s, r.backend))


cdef inline void lay(rewrite_t* r, const site_t* site, const site_rules_t* rules, bint is_request) noexcept nogil:
    if is_request:
        r.edits, r.n_edits = site.texts + rules.request.off, rules.request.n
    else:
        r.edits, r.n_edits = site.texts + rules.response.off, rules.response.n


# ---- heads ----

cdef void rules_request(
    worker_t* w, const session_t* s, const exchange_t* x, const uint8_t* p, const head_t* head, rewriting_t* r
) noexcept nogil:
    cdef const site_rules_t* rules
    cdef site_t site
    rules = rules_of(w, s, x, &site)
    if rules == NULL:
        return
    if rules.host.n:
        r.how.way[FIELD_HOST] = WAY_SET
        r.how.text[FIELD_HOST].p = site.texts + rules.host.off
        r.how.text[FIELD_HOST].n = rules.host.n
    if rules.request.n == 0:
        return
    lay(&r.how, &site, rules, True)
    say_known(w, s, x, True, r)
    say(&r.how, VARIABLE_HOST, p + head.host.at, head.host.n)
    say(&r.how, VARIABLE_METHOD, p + head.method_name.at, head.method_name.n)
    say(&r.how, VARIABLE_PATH, p + head.path.at, head.path.n)


cdef void rules_response(worker_t* w, const session_t* s, const exchange_t* x, rewriting_t* r) noexcept nogil:
    cdef const site_rules_t* rules
    cdef site_t site
    rules = rules_of(w, s, x, &site)
    if rules != NULL and rules.response.n:
        lay(&r.how, &site, rules, False)
        say_known(w, s, x, True, r)


cdef uint8_t* rules_put(worker_t* w, const session_t* s, const exchange_t* x, uint8_t* to, bint is_page) noexcept nogil:
    cdef const site_rules_t* rules
    cdef rewriting_t r
    cdef site_t site
    rules = rules_of(w, s, x, &site)
    if rules == NULL or rules.response.n == 0:
        return to
    memset(r.how.variables, 0, sizeof(r.how.variables))
    lay(&r.how, &site, rules, False)
    say_known(w, s, x, False, &r)
    return to + http1_write_edits(&r.how, is_page, to, HEAD_GROWTH)
