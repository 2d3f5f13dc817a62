"""Link: taken last rested first, so that those which are not needed grow old and are closed."""

from libc.stdint cimport uint32_t, uint64_t, uint8_t
from libc.string cimport memset
from nginy._fast.base.cdefs cimport EAGAIN, ENOMEM, epoll_event, likely, unlikely
from nginy._fast.base.layout cimport NO_INDEX, snap_backend_t, snap_pool_t
from nginy._fast.base.limits cimport (
    DRAFTS_MOST, DRAFT_BYTES, EVENTS_PER_TURN, HEAD_BYTES, LINKS_RESTING, LINK_LOOK_MS, MAX_BACKENDS, RATE_SLOTS,
)
from nginy._fast.engine.exchanges cimport EXCHANGE_REPEATABLE, exchange_t, link_t, rests_t
from nginy._fast.engine.session cimport TAG_LINK, tag_make
from nginy._fast.engine.stats cimport count
from nginy._fast.engine.types cimport (
    BACK, LEG_BULK, LEG_COPY, LEG_EAGER, LEG_FRESH, LEG_NAGLE, LEG_WRITABLE, TIMER_LINK, leg_t, session_t, worker_t,
)
from nginy._fast.mem.buffers cimport NO_BUFFER, buffers_close, buffers_give, buffers_open
from nginy._fast.mem.pace cimport pace_close, pace_open
from nginy._fast.mem.region cimport region_close, region_open
from nginy._fast.mem.slab cimport SLAB_NONE, slab_at, slab_close, slab_give, slab_is_taken, slab_open, slab_take
from nginy._fast.mem.wheel cimport wheel_arm, wheel_disarm
from nginy._fast.net.poller cimport POLL_BROKEN, POLL_END, POLL_IN, POLL_URGENT, poller_add_stream, poller_bits
from nginy._fast.net.sock cimport sock_close, sock_peek
from nginy._fast.policy.snapshot cimport snapshot_backend, snapshot_pool

cdef enum:
    LINKS_SHIFT = 9             # chunks of 512
    DRAFTS_SHIFT = 5            # of 32: 64 KiB


cdef int http_open(worker_t* w, uint32_t sessions_max, uint64_t heads_bytes) noexcept nogil:
    cdef uint32_t n_heads = <uint32_t>(heads_bytes // HEAD_BYTES)
    w.http.whose = NO_INDEX
    w.http.n_bytes = <uint64_t>sessions_max * sizeof(exchange_t)
    w.http.exchanges = <exchange_t*>region_open(w.http.n_bytes)
    w.http.rests = <rests_t*>region_open((MAX_BACKENDS + 1) * sizeof(rests_t))
    if w.http.exchanges == NULL or w.http.rests == NULL:
        return -ENOMEM
    if pace_open(&w.http.pace, RATE_SLOTS) < 0:
        return -ENOMEM
    if slab_open(&w.http.links, sizeof(link_t), 0, sessions_max + LINKS_RESTING, LINKS_SHIFT) < 0:
        return -ENOMEM
    if slab_open(&w.http.drafts, DRAFT_BYTES, 0, min(sessions_max, <uint32_t>DRAFTS_MOST), DRAFTS_SHIFT) < 0:
        return -ENOMEM
    return buffers_open(&w.http.heads, n_heads if n_heads else 1, HEAD_BYTES)


cdef inline link_t* link_at(const worker_t* w, uint32_t idx) noexcept nogil:
    return <link_t*>slab_at(&w.http.links, idx)


cdef void http_close(worker_t* w) noexcept nogil:
    cdef uint32_t i
    if w.http.exchanges == NULL:
        return
    for i in range(w.http.links.n_touched):
        if slab_is_taken(&w.http.links, i) and link_at(w, i).session == NO_INDEX:
            sock_close(link_at(w, i).fd)
    slab_close(&w.http.links)
    slab_close(&w.http.drafts)
    buffers_close(&w.http.heads)
    pace_close(&w.http.pace)
    region_close(w.http.rests, (MAX_BACKENDS + 1) * sizeof(rests_t))
    region_close(w.http.exchanges, w.http.n_bytes)
    w.http.exchanges = NULL


# ---- one link ----

cdef void link_give(worker_t* w, link_t* link) noexcept nogil:
    wheel_disarm(&w.wheel, &link.node)
    link.gen += 1
    slab_give(&w.http.links, link.idx)


cdef void link_unlist(worker_t* w, link_t* link) noexcept nogil:
    cdef rests_t* rests = &w.http.rests[link.backend]
    if link.prev == NO_INDEX:
        rests.first = 0 if link.next == NO_INDEX else link.next + 1
    else:
        link_at(w, link.prev).next = link.next
    if link.next != NO_INDEX:
        link_at(w, link.next).prev = link.prev
    rests.n -= 1
    w.http.n_resting -= 1


cdef void resting_close(worker_t* w, link_t* link) noexcept nogil:
    cdef int fd = link.fd
    link_unlist(w, link)
    link_give(w, link)
    sock_close(fd)


cdef int link_open(worker_t* w, session_t* s) noexcept nogil:
    cdef uint32_t idx = slab_take(&w.http.links)
    cdef link_t* link
    cdef uint32_t gen
    if idx == SLAB_NONE:
        return -ENOMEM
    link = link_at(w, idx)
    gen = link.gen
    memset(link, 0, sizeof(link_t))
    link.gen = gen
    link.timer_kind = TIMER_LINK
    link.idx = idx
    link.fd = s.legs[BACK].fd
    link.session = s.timer.idx
    link.backend = s.backend
    link.born_ms = w.now_ms
    w.http.exchanges[s.timer.idx].link = idx
    return poller_add_stream(w.poller_fd, link.fd, tag_make(TAG_LINK, 0, gen, idx))


cdef void link_forget(worker_t* w, session_t* s) noexcept nogil:
    cdef exchange_t* x = &w.http.exchanges[s.timer.idx]
    if x.link == NO_INDEX:
        return
    link_give(w, link_at(w, x.link))
    x.link = NO_INDEX


# ---- rest ----

# The pool of the link's backend, when it may rest there. NULL: nobody will use it again.
cdef const snap_pool_t* wanted_by(const worker_t* w, const link_t* link) noexcept nogil:
    cdef const snap_backend_t* b = snapshot_backend(&w.snapshot, link.backend)
    if b == NULL or not b.is_usable or w.is_draining:
        return NULL
    return snapshot_pool(&w.snapshot, b.pool)


cdef bint may_rest(const worker_t* w, const link_t* link, const snap_pool_t* pool) noexcept nogil:
    if pool == NULL or w.http.rests[link.backend].n >= pool.kept or w.http.n_resting >= LINKS_RESTING:
        return False
    return pool.kept_age_ms == 0 or w.now_ms - link.born_ms < pool.kept_age_ms


cdef void link_rest(worker_t* w, session_t* s) noexcept nogil:
    cdef exchange_t* x = &w.http.exchanges[s.timer.idx]
    cdef leg_t* leg = &s.legs[BACK]
    cdef link_t* link = link_at(w, x.link)
    cdef rests_t* rests = &w.http.rests[link.backend]
    cdef const snap_pool_t* pool = wanted_by(w, link)
    x.link = NO_INDEX
    leg.fd = -1
    if not may_rest(w, link, pool):
        link_give(w, link)
        sock_close(link.fd)
    else:
        link.session = NO_INDEX
        link.flags = leg.flags & (LEG_BULK | LEG_COPY | LEG_EAGER | LEG_FRESH | LEG_NAGLE)
        link.since_ms = w.now_ms
        link.idle_ms = pool.kept_idle_ms
        link.prev = NO_INDEX
        link.next = rests.first - 1 if rests.first else NO_INDEX
        if rests.first:
            link_at(w, rests.first - 1).prev = link.idx
        rests.first = link.idx + 1
        rests.n += 1
        w.http.n_resting += 1
        if link.node.next == NULL:
            wheel_arm(&w.wheel, &link.node, w.now_ms + link.idle_ms)
    leg.flags = 0


# What had come to a link at rest when the poller was asked is known by now (links_first), unless the batch was full. After a
# while at rest one look more is cheap. What comes later than that is no different from what is still on its way: no look
# finds it.
cdef bint is_alive(const worker_t* w, const link_t* link) noexcept nogil:
    cdef uint8_t one
    if likely(w.now_ms - link.since_ms < LINK_LOOK_MS and not w.http.is_crowded):
        return True
    return sock_peek(link.fd, &one, 1) == -EAGAIN


cdef bint link_take(worker_t* w, session_t* s, uint64_t most_ms) noexcept nogil:
    cdef rests_t* rests = &w.http.rests[s.backend]
    cdef link_t* link
    while rests.first:
        link = link_at(w, rests.first - 1)
        if w.now_ms - link.since_ms >= most_ms:
            return False
        if unlikely(not is_alive(w, link)):
            resting_close(w, link)
            continue
        link_unlist(w, link)
        link.session = s.timer.idx
        w.http.exchanges[s.timer.idx].link = link.idx
        s.legs[BACK].fd = link.fd
        s.legs[BACK].flags = link.flags | LEG_WRITABLE
        return True
    return False


cdef session_t* link_event(worker_t* w, uint64_t tag, uint32_t bits) noexcept nogil:
    cdef uint32_t idx = <uint32_t>tag
    cdef link_t* link
    if idx < w.http.links.n_touched and slab_is_taken(&w.http.links, idx):
        link = link_at(w, idx)
        if link.gen & 0xffffff == <uint32_t>(tag >> 32 & 0xffffff):
            if link.session != NO_INDEX:
                return <session_t*>slab_at(&w.sessions, link.session)
            if bits & (POLL_IN | POLL_END | POLL_BROKEN | POLL_URGENT):
                resting_close(w, link)
            return NULL
    count(&w.row.worker.stale_events, 1)
    return NULL


cdef int links_first(worker_t* w, epoll_event* events, int n) noexcept nogil:
    cdef uint64_t tag
    cdef link_t* link
    cdef int i = 0
    w.http.is_crowded = n == EVENTS_PER_TURN
    while i < n:
        tag = events[i].data.u64
        i += 1
        if tag >> 57 != TAG_LINK or <uint32_t>tag >= w.http.links.n_touched:
            continue
        link = link_at(w, <uint32_t>tag)
        if link.session == NO_INDEX and slab_is_taken(&w.http.links, <uint32_t>tag):
            link_event(w, tag, poller_bits(&events[i - 1]))
            n -= 1
            i -= 1
            events[i] = events[n]
    return n


cdef void link_timer(worker_t* w, link_t* link) noexcept nogil:
    cdef uint64_t due_ms = (link.since_ms if link.session == NO_INDEX else w.now_ms) + link.idle_ms
    if due_ms <= w.now_ms:
        resting_close(w, link)
    else:
        wheel_arm(&w.wheel, &link.node, due_ms)


cdef void links_settle(worker_t* w) noexcept nogil:
    cdef link_t* link
    cdef uint32_t i
    if w.http.n_resting == 0:
        return
    for i in range(w.http.links.n_touched):
        link = link_at(w, i)
        if slab_is_taken(&w.http.links, i) and link.session == NO_INDEX and wanted_by(w, link) == NULL:
            resting_close(w, link)


# ---- what a session holds ----

cdef void block_give(worker_t* w, uint32_t* block) noexcept nogil:
    if block[0] != NO_BUFFER:
        buffers_give(&w.http.heads, block[0])
    block[0] = NO_BUFFER


cdef void head_give(worker_t* w, exchange_t* x) noexcept nogil:
    block_give(w, &x.head)
    x.head_at = x.head_end = x.body_at = 0


cdef void head_let_go(worker_t* w, exchange_t* x) noexcept nogil:
    if not x.flags & EXCHANGE_REPEATABLE and x.body_at >= x.head_end:
        head_give(w, x)


cdef void part_give(worker_t* w, exchange_t* x) noexcept nogil:
    block_give(w, &x.part)
    x.n_part = 0


cdef void exchange_drop(worker_t* w, session_t* s) noexcept nogil:
    cdef exchange_t* x = &w.http.exchanges[s.timer.idx]
    link_forget(w, s)
    head_give(w, x)
    part_give(w, x)
    if w.http.whose == s.timer.idx:
        w.http.whose = NO_INDEX
