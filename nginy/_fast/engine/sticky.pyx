"""Sticky: nothing is kept of a client; whoever has the secret reads its cookie, in every worker and after every restart."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset
from nginy._fast.base.board cimport http_pool_row_t
from nginy._fast.base.cdefs cimport likely
from nginy._fast.base.layout cimport (
    HEED_LOAD, HEED_STICKY, NO_INDEX, STATE_MAINT, STICKY_INSERT, STICKY_OFF, VERDICT_DOWN, snap_backend_t, snap_pool_t,
    snap_sticky_t,
)
from nginy._fast.engine.exchanges cimport EXCHANGE_HEED, exchange_t
from nginy._fast.engine.lease cimport lease_begin
from nginy._fast.engine.stats cimport count, row_begin, row_end
from nginy._fast.engine.types cimport session_side, session_t, worker_t
from nginy._fast.policy.site cimport site_route_t, site_t
from nginy._fast.policy.snapshot cimport snapshot_backend, snapshot_pool, snapshot_serves
from nginy._fast.policy.stick cimport stick_at, stick_find, stick_is_named, stick_read
from nginy._fast.wire.cookie cimport cookie_next, cookie_t
from nginy._fast.wire.http1 cimport FIELD_COOKIE, head_t, span_t

cdef enum:
    COOKIES_MOST = 4            # of the name, in one request, whose signatures are looked at

cdef struct note_t:             # what the cookies of a request came to
    bint is_forged              # one is not signed by any of the pools that were asked
    bint is_signed


cdef inline bint takes_clients(const snap_backend_t* b) noexcept nogil:
    return b != NULL and b.state != STATE_MAINT and b.verdict != VERDICT_DOWN


# The backend that a pair names, NO_INDEX: nobody who takes clients.
cdef uint32_t backend_of(
    const worker_t* w, const snap_sticky_t* sticky, const uint8_t* pairs, const cookie_t* cookie, note_t* note
) noexcept nogil:
    cdef const uint8_t* stick = stick_at(sticky, pairs, cookie)
    cdef uint64_t tag
    cdef uint32_t id
    if stick == NULL:
        note.is_forged |= sticky.kind == STICKY_INSERT      # what an application says itself is no forgery
        return NO_INDEX
    if not stick_read(sticky, stick, &tag):
        note.is_forged = True
        return NO_INDEX
    note.is_signed = True
    id = stick_find(&w.snapshot, sticky, tag)
    return id if takes_clients(snapshot_backend(&w.snapshot, id)) else <uint32_t>NO_INDEX


cdef uint32_t named_in(
    const worker_t* w, const snap_sticky_t* sticky, const uint8_t* p, const head_t* head, note_t* note
) noexcept nogil:
    cdef uint32_t n = 0
    cdef uint32_t i, at, id
    cdef const span_t* value
    cdef cookie_t cookie
    for i in range(head.n_fields):
        if head.fields[i].kind != FIELD_COOKIE:
            continue
        value = &head.fields[i].value
        at = 0
        while n < COOKIES_MOST and cookie_next(p + value.at, value.n, &at, &cookie):
            if not stick_is_named(sticky, p + value.at, &cookie):
                continue
            n += 1
            id = backend_of(w, sticky, p + value.at, &cookie, note)
            if id != NO_INDEX:
                return id
    return NO_INDEX


# Whether a cookie names a backend of this pool, or of a member of it, which is noted then.
cdef bint seek(
    const worker_t* w, exchange_t* x, uint32_t pool_id, const uint8_t* p, const head_t* head, note_t* note
) noexcept nogil:
    cdef const snap_pool_t* pool = snapshot_pool(&w.snapshot, pool_id)
    cdef const snap_pool_t* member
    cdef uint32_t i
    cdef uint32_t id = NO_INDEX
    if pool == NULL or not pool.heeds & HEED_STICKY:
        return False
    if pool.members.n == 0:
        id = named_in(w, &pool.sticky, p, head, note)
    for i in range(pool.members.n):
        member = snapshot_pool(&w.snapshot, w.snapshot.members[pool.members.first + i].pool)
        if id == NO_INDEX and member != NULL and member.sticky.kind != STICKY_OFF:
            id = named_in(w, &member.sticky, p, head, note)
    x.named = 0 if id == NO_INDEX else id + 1
    return id != NO_INDEX


cdef void sticky_begin(
    worker_t* w, session_t* s, exchange_t* x, const uint8_t* p, const head_t* head, const site_t* site,
    const site_route_t* route
) noexcept nogil:
    cdef const snap_pool_t* pool
    cdef http_pool_row_t* row
    cdef note_t note
    cdef uint32_t i
    x.flags &= ~<uint32_t>EXCHANGE_HEED
    x.named = 0
    if likely(w.snapshot.header.heeds & (HEED_STICKY | HEED_LOAD) == 0):
        return
    memset(&note, 0, sizeof(note))
    if not seek(w, x, s.pool, p, head, &note) and route != NULL:
        for i in range(route.first_share, route.first_share + route.n_shares):
            if seek(w, x, site.shares[i].pool, p, head, &note):
                s.pool = site.shares[i].pool
                break
    pool = snapshot_pool(&w.snapshot, s.pool)
    if pool == NULL or not pool.heeds & (HEED_STICKY | HEED_LOAD):
        return
    x.flags |= EXCHANGE_HEED
    if note.is_forged and not note.is_signed:
        row = &w.row.http_pools[pool.id]
        row_begin(&row.seq)
        count(&row.sticky_forged, 1)
        row_end(&row.seq)


cdef bint was_tried(worker_t* w, const session_t* s, uint32_t id) noexcept nogil:
    cdef uint32_t i
    for i in range(s.n_tried):
        if session_side(w, s).tried[i] == id:
            return True
    return False


cdef int sticky_choose(worker_t* w, session_t* s, exchange_t* x) noexcept nogil:
    cdef const snap_backend_t* b
    if likely(not x.flags & EXCHANGE_HEED or x.named == 0):
        return -1
    b = snapshot_backend(&w.snapshot, x.named - 1)
    if not takes_clients(b) or was_tried(w, s, b.id) or not snapshot_serves(&w.snapshot, s.pool, b.pool):
        return -1
    if not lease_begin(w, b.id, b.max_conns):
        return -1
    return <int>w.snapshot.backend_at[b.id]
