"""Answers: taken in any order, held against what was asked, each visit continued once."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.string cimport memset
from nginy._fast.base.cdefs cimport ngy_load64
from nginy._fast.base.letter cimport (
    ANSWER_BACKEND, ANSWER_KEY, ANSWER_NONE, ANSWER_RAISED, RELEASE_UNUSED, answer_t, mailbox_t,
)
from nginy._fast.base.limits cimport ANSWERS_PER_TURN, MAX_POOLS, MAX_QUESTIONS
from nginy._fast.base.status cimport MISS_DEAD, MISS_LATE, MISS_NONE, MISS_RAISED, MISS_UNUSABLE, MISS_WRONG
from nginy._fast.engine.ask cimport answer_lease, ask_missed, ask_release, ask_settle, asked_of, ended_t
from nginy._fast.engine.connect cimport connect_answered
from nginy._fast.engine.flow cimport flow_at
from nginy._fast.engine.flows cimport FLOW_ASKING, udp_t
from nginy._fast.engine.forward cimport flow_chosen
from nginy._fast.engine.mail cimport NO_UDP, asked_t, mail_t
from nginy._fast.engine.session cimport TAG_MAILBOX, tag_make
from nginy._fast.engine.stats cimport count
from nginy._fast.engine.types cimport FRONT, LEG_KEYED, SESS_ASK, session_side, session_t, worker_t
from nginy._fast.mem.flowtable cimport FLOW_NONE, flowtable_is_taken
from nginy._fast.mem.mailbox cimport answer_take, mailbox_bytes, mailbox_is_sound
from nginy._fast.mem.region cimport region_close, region_map, region_open
from nginy._fast.mem.slab cimport slab_at, slab_is_taken
from nginy._fast.net.poller cimport poller_add_bell, poller_remove
from nginy._fast.net.sock cimport sock_close
from nginy._fast.policy.snapshot cimport snapshot_serves

# ---- going on ----

# The session that waits for this, NULL when it has ended.
cdef session_t* session_asking(worker_t* w, const asked_t* asked) noexcept nogil:
    cdef session_t* s
    if not slab_is_taken(&w.sessions, asked.idx):
        return NULL
    s = <session_t*>slab_at(&w.sessions, asked.idx)
    return s if s.state == SESS_ASK and session_side(w, s).ticket == asked.ticket else NULL


# The flow that waits for this, FLOW_NONE when it has ended.
cdef uint32_t flow_asking(worker_t* w, const asked_t* asked) noexcept nogil:
    cdef udp_t* u
    if asked.udp >= w.n_udps or not w.udps[asked.udp].is_open:
        return FLOW_NONE
    u = &w.udps[asked.udp]
    if not flowtable_is_taken(&u.flows, asked.idx):
        return FLOW_NONE
    if not flow_at(u, asked.idx).flags & FLOW_ASKING or flow_at(u, asked.idx).ticket != asked.ticket:
        return FLOW_NONE
    return asked.idx


cdef void answer_unused(worker_t* w, const answer_t* answer) noexcept nogil:
    cdef ended_t ended
    if answer.kind != ANSWER_BACKEND or answer.pool >= MAX_POOLS:
        return
    memset(&ended, 0, sizeof(ended_t))
    ended.visit = answer.visit
    ended.pool = answer.pool
    ended.backend = answer.backend
    ended.kind = RELEASE_UNUSED
    ended.is_own = True
    ask_release(w, &ended)


# What stands in place of a backend, or of a key.
cdef uint32_t miss_of(const answer_t* answer) noexcept nogil:
    if answer.kind == ANSWER_NONE:
        return MISS_NONE
    return MISS_RAISED if answer.kind == ANSWER_RAISED else MISS_WRONG


# The backend that was named, its lease taken: its position in the snapshot. Else -1, and why is counted.
cdef int answer_use(worker_t* w, uint32_t pool, const answer_t* answer, const uint16_t* tried, uint32_t n_tried) noexcept nogil:
    cdef int at = -1 - <int>miss_of(answer)
    if answer.kind == ANSWER_BACKEND:
        at = answer_lease(w, pool, answer.backend, tried, n_tried)
    if at < 0:
        ask_missed(w, pool, <uint32_t>(-1 - at))
        answer_unused(w, answer)
        return -1
    count(&w.row.pools[pool].answered, 1)
    return at


# Whether a key has come; else why not is counted.
cdef bint answer_is_key(worker_t* w, uint32_t pool, const answer_t* answer, uint32_t miss) noexcept nogil:
    if answer != NULL and answer.kind == ANSWER_KEY:
        count(&w.row.pools[pool].answered, 1)
        return True
    ask_missed(w, pool, miss if answer == NULL else miss_of(answer))
    return False


# An answer for a pool that has no say about this visit any more.
cdef void answer_refuse(worker_t* w, uint32_t pool, const answer_t* answer) noexcept nogil:
    ask_missed(w, pool, MISS_UNUSABLE)
    answer_unused(w, answer)


cdef bint session_go_on(worker_t* w, const asked_t* was, const answer_t* answer, uint32_t miss) noexcept nogil:
    cdef session_t* s = session_asking(w, was)
    cdef int at = -1
    if s == NULL:
        return False
    if was.is_key:
        if answer_is_key(w, was.pool, answer, miss):
            session_side(w, s).ticket = answer.key_hash
            s.legs[FRONT].flags |= LEG_KEYED
    elif answer == NULL:
        ask_missed(w, was.pool, miss)
    elif snapshot_serves(&w.snapshot, s.pool, was.pool):
        at = answer_use(w, was.pool, answer, session_side(w, s).tried, s.n_tried)
    else:
        answer_refuse(w, was.pool, answer)
    connect_answered(w, s, at)
    return True


cdef bint flow_go_on(worker_t* w, const asked_t* was, const answer_t* answer, uint32_t miss) noexcept nogil:
    cdef uint32_t idx = flow_asking(w, was)
    cdef udp_t* u
    cdef int at = -1
    if idx == FLOW_NONE:
        return False
    u = &w.udps[was.udp]
    if was.is_key:
        if answer_is_key(w, was.pool, answer, miss):
            flow_at(u, idx).key_hash = answer.key_hash
    elif answer == NULL:
        ask_missed(w, was.pool, miss)
    elif snapshot_serves(&w.snapshot, u.conf.pool, was.pool):
        at = answer_use(w, was.pool, answer, flow_at(u, idx).tried, flow_at(u, idx).n_tried)
    else:                       # its listener has another pool by now
        answer_refuse(w, was.pool, answer)
    flow_chosen(w, u, idx, at)
    return True


# Settle a question and let its visit go on: with what the answer names, or without one (`miss` says why) with what the
# fallback chooses. False: nobody waits any more.
cdef bint asked_end(worker_t* w, asked_t* asked, const answer_t* answer, uint32_t miss) noexcept nogil:
    cdef asked_t was = asked[0]
    ask_settle(w, asked)
    if was.udp == NO_UDP:
        return session_go_on(w, &was, answer, miss)
    return flow_go_on(w, &was, answer, miss)


cdef void answer_heed(worker_t* w, const answer_t* answer) noexcept nogil:
    cdef asked_t* asked = asked_of(w, answer.ticket)
    if asked != NULL and asked_end(w, asked, answer, MISS_RAISED):
        return
    if answer.pool < MAX_POOLS:
        count(&w.row.pools[answer.pool].stale, 1)
    answer_unused(w, answer)


cdef void mail_take(worker_t* w) noexcept nogil:
    cdef mail_t* m = &w.mail
    cdef answer_t answer
    cdef uint32_t _turn
    for _turn in range(ANSWERS_PER_TURN):
        if m.box == NULL or not answer_take(m.box, m.n_answers, &answer):
            m.is_behind = 0
            return
        m.n_answers += 1
        answer_heed(w, &answer)


# ---- deadlines ----

# Questions that wait and are due by now; the next deadline of the others.
cdef void asked_expire(worker_t* w, uint64_t now_ms, uint32_t miss) noexcept nogil:
    cdef mail_t* m = &w.mail
    cdef uint64_t end = m.tail  # what is asked again meanwhile is not due
    cdef uint64_t ticket = m.oldest
    cdef uint64_t next_ms = <uint64_t>-1
    cdef uint32_t left = ANSWERS_PER_TURN
    cdef asked_t* asked
    m.due_ms = next_ms
    while ticket != end:
        asked = asked_of(w, ticket)
        ticket += 1
        if asked == NULL:
            continue
        if asked.due_ms > now_ms:
            next_ms = min(next_ms, asked.due_ms)
            continue
        if left == 0:
            next_ms = 0
            break
        left -= 1
        asked_end(w, asked, NULL, miss)
    m.due_ms = min(m.due_ms, next_ms)


cdef void mail_expire(worker_t* w) noexcept nogil:
    asked_expire(w, w.now_ms, MISS_LATE)


# ---- mailboxes come and go ----

cdef void fd_close(int* fd) noexcept nogil:
    if fd[0] >= 0:
        sock_close(fd[0])
    fd[0] = -1


cdef void box_close(worker_t* w) noexcept nogil:
    cdef mail_t* m = &w.mail
    region_close(m.box, mailbox_bytes())
    m.box = NULL
    m.is_behind = 0
    if m.answer_bell >= 0:
        poller_remove(w.poller_fd, m.answer_bell)
    fd_close(&m.answer_bell)
    fd_close(&m.question_bell)


cdef void next_close(mail_t* m) noexcept nogil:
    cdef int i
    if m.next[0] >= 0:
        for i in range(3):
            fd_close(&m.next[i])


cdef bint box_open(worker_t* w) noexcept nogil:
    cdef mail_t* m = &w.mail
    if m.asked == NULL:
        m.asked = <asked_t*>region_open(MAX_QUESTIONS * sizeof(asked_t))
    m.box = <mailbox_t*>region_map(m.next[0], mailbox_bytes(), True)
    m.question_bell = m.next[1]
    m.answer_bell = m.next[2]
    fd_close(&m.next[0])
    return (
        m.asked != NULL and m.box != NULL and mailbox_is_sound(m.box)
        and poller_add_bell(w.poller_fd, m.answer_bell, tag_make(TAG_MAILBOX, 0, 0, 0)) == 0
    )


cdef void mail_change(worker_t* w) noexcept nogil:
    cdef mail_t* m = &w.mail
    if m.n_asked:
        asked_expire(w, <uint64_t>-1, MISS_DEAD)
    if m.n_asked or m.next[0] < 0:
        return
    if not box_open(w):
        box_close(w)
        return
    m.tail = m.oldest = ngy_load64(&m.box.questions_tail)   # another worker may have asked here before
    m.n_answers = ngy_load64(&m.box.answers_head)
    m.n_releases = ngy_load64(&m.box.releases_tail)


cdef void mail_adopt(worker_t* w, const int* fds, int n) noexcept nogil:
    cdef mail_t* m = &w.mail
    cdef int i
    box_close(w)                # first: what is settled now must not be asked there again
    next_close(m)
    for i in range(n):
        if n == 3:
            m.next[i] = fds[i]
        else:
            sock_close(fds[i])
    mail_change(w)


cdef void mail_close(worker_t* w) noexcept nogil:
    box_close(w)
    next_close(&w.mail)
    region_close(w.mail.asked, MAX_QUESTIONS * sizeof(asked_t))
    w.mail.asked = NULL
