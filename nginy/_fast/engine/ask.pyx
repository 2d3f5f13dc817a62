"""Ask: questions and releases into the mailbox. Nothing here waits, and nothing fails a session."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from nginy._fast.base.cdefs cimport ngy_load64
from nginy._fast.base.layout cimport NO_INDEX, snap_backend_t
from nginy._fast.base.letter cimport QUESTION_ALPN_BYTES, QUESTION_TEXT_BYTES, RELEASE_UNUSED, pool_row_t, question_t, release_t
from nginy._fast.base.limits cimport MAX_QUESTIONS
from nginy._fast.base.status cimport MISS_DEAD, MISS_NO_ROOM, MISS_UNUSABLE, MISS_WRONG
from nginy._fast.engine.lease cimport lease_begin
from nginy._fast.engine.mail cimport asked_t, mail_t
from nginy._fast.engine.stats cimport count, row_begin, row_end
from nginy._fast.engine.types cimport worker_t
from nginy._fast.mem.mailbox cimport mailbox_is_asleep, question_post, question_room, release_post
from nginy._fast.net.sock cimport sock_ring
from nginy._fast.policy.choose cimport chooser_distrusts
from nginy._fast.policy.key cimport visit_t
from nginy._fast.policy.snapshot cimport snapshot_backend


cdef asked_t* asked_of(worker_t* w, uint64_t ticket) noexcept nogil:
    cdef asked_t* asked = &w.mail.asked[ticket & (MAX_QUESTIONS - 1)]
    return asked if asked.ticket == ticket and ticket != 0 else NULL


cdef void ask_settle(worker_t* w, asked_t* asked) noexcept nogil:
    cdef mail_t* m = &w.mail
    asked.ticket = 0
    m.n_asked -= 1
    while m.oldest != m.tail and m.asked[m.oldest & (MAX_QUESTIONS - 1)].ticket == 0:
        m.oldest += 1


cdef void ask_missed(worker_t* w, uint32_t pool, uint32_t miss) noexcept nogil:
    cdef pool_row_t* row = &w.row.pools[pool]
    row_begin(&row.seq)
    count(&row.misses[miss], 1)
    row_end(&row.seq)


cdef void ask_refused(worker_t* w, uint32_t pool) noexcept nogil:
    count(&w.row.pools[pool].asked, 1)
    ask_missed(w, pool, MISS_NO_ROOM)


cdef void ask_cancel(worker_t* w, uint64_t ticket, uint32_t miss) noexcept nogil:
    cdef asked_t* asked = asked_of(w, ticket)
    if asked == NULL:
        return
    ask_missed(w, asked.pool, miss)
    ask_settle(w, asked)


cdef void ask_abandon(worker_t* w, uint64_t ticket) noexcept nogil:
    cdef asked_t* asked = asked_of(w, ticket)
    if asked == NULL:
        return
    count(&w.row.pools[asked.pool].abandoned, 1)
    ask_settle(w, asked)


cdef int answer_lease(worker_t* w, uint32_t pool, uint32_t backend, const uint16_t* tried, uint32_t n_tried) noexcept nogil:
    cdef const snap_backend_t* b = snapshot_backend(&w.snapshot, backend)
    cdef uint32_t i
    if b == NULL or b.pool != pool:
        return -1 - MISS_WRONG
    for i in range(n_tried):
        if tried[i] == backend:
            return -1 - MISS_UNUSABLE
    if not b.is_usable or chooser_distrusts(&w.chooser, backend, w.now_ms) or not lease_begin(w, backend, b.max_conns):
        return -1 - MISS_UNUSABLE
    return <int>w.snapshot.backend_at[backend]


cdef void question_fill(question_t* q, const asking_t* a, uint64_t ticket, uint64_t due_us) noexcept nogil:
    cdef const visit_t* v = a.visit
    cdef uint32_t n_name = min(v.n_name, <uint32_t>255)
    cdef uint32_t n_alpn = v.n_alpn if v.n_alpn <= QUESTION_ALPN_BYTES else 0
    cdef uint32_t n_bytes = min(v.n_bytes, <uint32_t>QUESTION_TEXT_BYTES - n_name - n_alpn)
    q.ticket = ticket
    q.visit = a.visit_ticket if a.visit_ticket else ticket
    q.due_us = due_us
    q.pool = a.pool.id
    q.listener = v.listener
    memcpy(q.ip, v.ip, 16)
    memcpy(q.local_ip, v.local_ip, 16)
    q.port = v.port
    q.local_port = v.local_port
    q.family = v.family
    q.local_family = v.local_family
    q.attempt = <uint8_t>a.attempt
    q.n_name = <uint8_t>n_name
    q.n_alpn = <uint8_t>n_alpn
    q.n_bytes = <uint16_t>n_bytes
    if n_name:
        memcpy(q.text, v.name, n_name)
    if n_alpn:
        memcpy(&q.text[n_name], v.alpn, n_alpn)
    if n_bytes:
        memcpy(&q.text[n_name + n_alpn], v.bytes, n_bytes)


# The place of the next question: none while an older one with the same place waits.
cdef question_t* room(mail_t* m) noexcept nogil:
    if m.asked[m.tail & (MAX_QUESTIONS - 1)].ticket != 0 or m.tail - m.oldest >= MAX_QUESTIONS:
        return NULL
    return question_room(m.box, m.tail)


cdef uint64_t ask_post(worker_t* w, const asking_t* a) noexcept nogil:
    cdef mail_t* m = &w.mail
    cdef asked_t* asked
    cdef question_t* q
    count(&w.row.pools[a.pool.id].asked, 1)
    if m.box == NULL or ngy_load64(&m.box.is_closed):
        ask_missed(w, a.pool.id, MISS_DEAD)
        return 0
    q = room(m)
    if q == NULL:
        ask_missed(w, a.pool.id, MISS_NO_ROOM)
        return 0
    question_fill(q, a, m.tail, w.now_us + <uint64_t>a.pool.deadline_ms * 1000)
    asked = &m.asked[m.tail & (MAX_QUESTIONS - 1)]
    asked.ticket = m.tail
    asked.due_ms = w.now_ms + a.pool.deadline_ms + 1    # the running millisecond has begun already
    asked.idx = a.idx
    asked.udp = a.udp
    asked.pool = a.pool.id
    asked.is_key = a.pool.asks_key
    if m.n_asked == 0 or asked.due_ms < m.due_ms:
        m.due_ms = asked.due_ms
    m.n_asked += 1
    question_post(m.box, m.tail)
    m.tail += 1
    m.is_posted = 1
    return asked.ticket


cdef void ask_ring(worker_t* w) noexcept nogil:
    w.mail.is_posted = 0
    if w.mail.box != NULL and mailbox_is_asleep(w.mail.box):
        sock_ring(w.mail.question_bell)


cdef void ended_begin(ended_t* e, uint64_t visit, uint32_t pool) noexcept nogil:
    memset(e, 0, sizeof(ended_t))
    e.visit = visit
    e.pool = pool
    e.backend = NO_INDEX
    e.kind = RELEASE_UNUSED
    e.is_last = True


cdef void ask_release(worker_t* w, const ended_t* e) noexcept nogil:
    cdef release_t r
    if w.mail.box == NULL:
        return
    memset(&r, 0, sizeof(release_t))
    r.visit = e.visit
    r.bytes_in = e.bytes_in
    r.bytes_out = e.bytes_out
    r.session_ms = <uint32_t>min(e.session_ms, <uint64_t>0xffffffff)
    r.connect_us = e.connect_us
    r.pool = e.pool
    r.backend = e.backend
    r.kind = <uint8_t>e.kind
    r.code = <uint8_t>e.code
    r.is_own = e.is_own
    r.is_last = e.is_last
    if release_post(w.mail.box, w.mail.n_releases, &r):
        w.mail.n_releases += 1
        w.mail.is_posted = 1
    else:
        count(&w.row.pools[e.pool].releases_dropped, 1)
