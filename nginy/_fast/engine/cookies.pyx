"""Cookies: what is ours is made and taken out while a head is written; where nothing is, fields go on as they came."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy
from nginy._fast.base.board cimport http_pool_row_t
from nginy._fast.base.layout cimport (
    SAME_SITE_LAX, SAME_SITE_STRICT, STICKY_INSERT, STICKY_OFF, STICKY_PREFIX, snap_backend_t, snap_pool_t, snap_sticky_t,
)
from nginy._fast.engine.exchanges cimport exchange_t
from nginy._fast.engine.own cimport own_put, own_put_number
from nginy._fast.engine.reported cimport reported_take
from nginy._fast.engine.stats cimport count, row_begin, row_end
from nginy._fast.engine.types cimport session_t, worker_t
from nginy._fast.policy.snapshot cimport snapshot_backend, snapshot_pool
from nginy._fast.policy.stick cimport STICK_BYTES, STICK_MARK, stick_at, stick_is_named, stick_read, stick_write
from nginy._fast.wire.cookie cimport cookie_next, cookie_t
from nginy._fast.wire.http1 cimport FIELD_COOKIE, FIELD_SET_COOKIE, field_t, head_t, span_t
from nginy._fast.wire.http1write cimport WAY_ADD, WAY_DROP, WAY_SET, is_edited, rewrite_t


# What the backend's own pool says; NULL: it has no sticky cookies.
cdef const snap_sticky_t* sticky_of(const worker_t* w, const session_t* s) noexcept nogil:
    cdef const snap_backend_t* b = snapshot_backend(&w.snapshot, s.backend)
    cdef const snap_pool_t* pool = snapshot_pool(&w.snapshot, b.pool) if b != NULL else NULL
    return &pool.sticky if pool != NULL and pool.sticky.kind != STICKY_OFF else NULL


# What of a pair goes on to the backend, written to `to`. Bytes, never more than it has.
cdef uint32_t pair_put(
    const snap_sticky_t* sticky, const uint8_t* pairs, const cookie_t* cookie, uint8_t* to
) noexcept nogil:
    cdef uint32_t begin = cookie.begin
    cdef uint32_t n = 0
    cdef const uint8_t* stick
    cdef uint64_t tag
    if stick_is_named(sticky, pairs, cookie):
        if sticky.kind == STICKY_INSERT:
            return 0
        stick = stick_at(sticky, pairs, cookie)
        if stick != NULL and stick_read(sticky, stick, &tag):
            n = cookie.value - begin
            memcpy(to, pairs + begin, n)
            begin = cookie.value + STICK_BYTES + 1
    memcpy(to + n, pairs + begin, cookie.end - begin)
    return n + cookie.end - begin


# All cookies as one field, without what is ours (RFC 6265, section 5.4; RFC 9113, section 8.2.3); bytes, never more than they
# had. is_ours: there was something of ours.
cdef uint32_t cookies_put(
    const snap_sticky_t* sticky, const uint8_t* p, const head_t* head, uint8_t* to, bint* is_ours
) noexcept nogil:
    cdef uint32_t n = 0
    cdef uint32_t i, at, put, before
    cdef const span_t* value
    cdef cookie_t cookie
    for i in range(head.n_fields):
        if head.fields[i].kind != FIELD_COOKIE or head.fields[i].is_hop:
            continue
        value = &head.fields[i].value
        at = 0
        while cookie_next(p + value.at, value.n, &at, &cookie):
            before = n
            if n == 0:
                cookie.begin = cookie.name      # a field begins without white space
            else:
                to[n] = c';'
                to[n + 1] = c' '
                n += 2 if cookie.begin == 0 else 1      # a pair has its own, but for the first one of a field
            put = pair_put(sticky, p + value.at, &cookie, to + n)
            is_ours[0] |= put != cookie.end - cookie.begin
            n = n + put if put else before
    return n


# What a rule takes out of a head is no business of ours.
cdef inline bint goes_by_rule(const uint8_t* p, const field_t* field, const rewrite_t* r) noexcept nogil:
    return r.n_edits != 0 and is_edited(p, field, r)


cdef bint has_name(const snap_sticky_t* sticky, const uint8_t* p, const head_t* head, const rewrite_t* r) noexcept nogil:
    cdef uint32_t i, at
    cdef const span_t* value
    cdef cookie_t cookie
    for i in range(head.n_fields):
        if head.fields[i].kind != FIELD_COOKIE or goes_by_rule(p, &head.fields[i], r):
            continue
        value = &head.fields[i].value
        at = 0
        while cookie_next(p + value.at, value.n, &at, &cookie):
            if stick_is_named(sticky, p + value.at, &cookie):
                return True
    return False


cdef void cookies_request(worker_t* w, const session_t* s, const uint8_t* p, const head_t* head, rewrite_t* r) noexcept nogil:
    cdef const snap_sticky_t* sticky = sticky_of(w, s)
    cdef bint is_ours = False
    cdef uint32_t n
    if sticky == NULL or not has_name(sticky, p, head, r):
        return
    n = cookies_put(sticky, p, head, w.http.cookies, &is_ours)
    if is_ours:
        r.way[FIELD_COOKIE] = WAY_SET if n else WAY_DROP
        r.text[FIELD_COOKIE].p = w.http.cookies
        r.text[FIELD_COOKIE].n = n


cdef const char* same_site_of(const snap_sticky_t* sticky) noexcept nogil:
    if sticky.same_site == SAME_SITE_LAX:
        return b"Lax"
    return b"Strict" if sticky.same_site == SAME_SITE_STRICT else b"None"


# The client's backend is this one from now on.
cdef uint32_t insert_put(const snap_sticky_t* sticky, const snap_backend_t* b, uint8_t* to) noexcept nogil:
    cdef uint8_t* at = to
    memcpy(at, sticky.name, sticky.n_name)
    at += sticky.n_name
    at = own_put(at, b"=")
    stick_write(sticky, b.node_hash, at)
    at = own_put(at + STICK_BYTES, b"; Path=/; HttpOnly; SameSite=")
    at = own_put(at, same_site_of(sticky))
    if sticky.is_secure:
        at = own_put(at, b"; Secure")
    if sticky.max_age_s:
        at = own_put_number(own_put(at, b"; Max-Age="), sticky.max_age_s)
    return <uint32_t>(at - to)


# An application's cookies of the name, with the backend in front of what they say: all but the name of the first field.
cdef uint32_t prefix_put(
    const snap_sticky_t* sticky, const snap_backend_t* b, const uint8_t* p, head_t* head, const rewrite_t* r, uint8_t* to
) noexcept nogil:
    cdef uint8_t* end = to
    cdef uint32_t i, at
    cdef span_t value
    cdef cookie_t cookie
    for i in range(head.n_fields):
        if head.fields[i].kind != FIELD_SET_COOKIE or head.fields[i].is_hop or goes_by_rule(p, &head.fields[i], r):
            continue
        value = head.fields[i].value
        at = 0
        if not cookie_next(p + value.at, value.n, &at, &cookie) or not stick_is_named(sticky, p + value.at, &cookie):
            continue
        head.fields[i].is_hop = 1
        if end != to:
            end = own_put(end, b"\r\nSet-Cookie: ")
        memcpy(end, p + value.at, cookie.value)
        end += cookie.value
        stick_write(sticky, b.node_hash, end)
        end[STICK_BYTES] = STICK_MARK
        end += STICK_BYTES + 1
        memcpy(end, p + value.at + cookie.value, value.n - cookie.value)
        end += value.n - cookie.value
    return <uint32_t>(end - to)


# row: of the pool that counts the request, which may be a group.
cdef void name_backend(
    worker_t* w, const exchange_t* x, http_pool_row_t* row, const snap_sticky_t* sticky, const snap_backend_t* b,
    const uint8_t* p, head_t* head, rewrite_t* r
) noexcept nogil:
    cdef bint is_kept = x.named == b.id + 1
    cdef uint32_t n = 0
    if sticky.kind == STICKY_PREFIX:
        n = prefix_put(sticky, b, p, head, r, w.http.cookies)
    elif not is_kept:
        n = insert_put(sticky, b, w.http.cookies)
    if n:
        r.way[FIELD_SET_COOKIE] = WAY_ADD
        r.text[FIELD_SET_COOKIE].p = w.http.cookies
        r.text[FIELD_SET_COOKIE].n = n
    row_begin(&row.seq)
    count(&row.sticky_kept, is_kept)
    count(&row.sticky_moved, x.named != 0 and not is_kept)
    count(&row.sticky_set, n != 0)
    row_end(&row.seq)


cdef void cookies_response(
    worker_t* w, const session_t* s, const exchange_t* x, const uint8_t* p, head_t* head, rewrite_t* r
) noexcept nogil:
    cdef const snap_backend_t* b = snapshot_backend(&w.snapshot, s.backend)
    cdef const snap_pool_t* pool = snapshot_pool(&w.snapshot, b.pool) if b != NULL else NULL
    if pool == NULL or head.status < 200 and head.status != 101:
        return
    if pool.n_load_name:
        reported_take(w, &w.row.http_pools[s.pool], pool, b.id, p, head)
    if pool.sticky.kind != STICKY_OFF:
        name_backend(w, x, &w.row.http_pools[s.pool], &pool.sticky, b, p, head, r)
