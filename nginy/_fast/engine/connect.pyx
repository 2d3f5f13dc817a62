"""Connect: a failed attempt costs the backend this worker's trust for a second, and the session one retry."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy
from nginy._fast.base.cdefs cimport (
    AF_INET, AF_INET6, AF_UNIX, EADDRNOTAVAIL, EAGAIN, ECONNRESET, EHOSTUNREACH, EINPROGRESS, EMFILE, ENETUNREACH, ENFILE,
    ENOBUFS, ENOMEM, EOPNOTSUPP, ETIMEDOUT, likely, ntohs, sockaddr, sockaddr_in, unlikely,
)
from nginy._fast.base.layout cimport NO_INDEX, snap_addr_t, snap_backend_t, snap_pool_t
from nginy._fast.base.letter cimport RELEASE_ATTEMPT
from nginy._fast.base.limits cimport FASTOPEN_BYTES, QUEUE_FULL_WAIT_MS
from nginy._fast.base.status cimport (
    OUTCOME_ABANDONED, OUTCOME_CONNECTED, OUTCOME_LOCAL_ERROR, OUTCOME_REFUSED, OUTCOME_RESET, OUTCOME_SELF_CONNECT,
    OUTCOME_TIMEOUT, OUTCOME_UNREACHABLE, REASON_CLIENT_GONE, REASON_CONNECT_FAILED, REASON_CONNECT_TIMEOUT,
    REASON_NO_DESCRIPTOR, REASON_NO_PORT,
)
from nginy._fast.engine.ask cimport ask_post, ask_release, asking_t, ended_begin, ended_t
from nginy._fast.engine.carry cimport leg_sent
from nginy._fast.engine.exchange cimport exchange_begin, exchange_due, exchange_is_late, exchange_refuse, exchange_reuse
from nginy._fast.engine.lease cimport lease_choose, lease_drop
from nginy._fast.engine.link cimport exchange_of, link_open
from nginy._fast.engine.mail cimport NO_UDP
from nginy._fast.engine.relay cimport leg_note, relay_begin
from nginy._fast.engine.session cimport TAG_SESSION, leg_close, session_close, session_release, tag_gen, tag_make
from nginy._fast.engine.stats cimport stats_attempt
from nginy._fast.engine.sticky cimport sticky_choose
from nginy._fast.engine.types cimport (
    BACK, FRONT, LEG_ASKED, LEG_BROKEN, LEG_COPY, LEG_EAGER, LEG_EOF, LEG_FRESH, LEG_HTTP, LEG_KEYED, LEG_NAGLE, LEG_OWN,
    LEG_QUIET, LEG_TLS,
    SESS_ASK, SESS_CONNECT, session_side, session_side_t, session_t, worker_t,
)
from nginy._fast.engine.visit cimport session_visit
from nginy._fast.mem.clock cimport clock_us
from nginy._fast.mem.wheel cimport wheel_arm, wheel_disarm
from nginy._fast.net.poller cimport POLL_BROKEN, POLL_END, POLL_OUT, poller_add_stream
from nginy._fast.net.sock cimport (
    sock_congestion, sock_connect, sock_connect_with, sock_error, sock_is_connected, sock_is_self, sock_open, sock_peek,
    sock_quickack, sock_skip,
)
from nginy._fast.policy.choose cimport attempt_t, chooser_distrust, chooser_spent, policy_member
from nginy._fast.policy.key cimport visit_hash, visit_t
from nginy._fast.policy.snapshot cimport snapshot_backend, snapshot_pool, snapshot_serves

cdef uint32_t outcome_of(int error) noexcept nogil:
    if error == ETIMEDOUT:
        return OUTCOME_TIMEOUT
    if error == EHOSTUNREACH or error == ENETUNREACH:
        return OUTCOME_UNREACHABLE
    if error == ECONNRESET:
        return OUTCOME_RESET
    if error == EMFILE or error == ENFILE or error == ENOBUFS or error == ENOMEM or error == EADDRNOTAVAIL:
        return OUTCOME_LOCAL_ERROR
    return OUTCOME_REFUSED


# Why a session without further candidates ends, by its last error.
cdef uint32_t reason_of(int error) noexcept nogil:
    if error == ETIMEDOUT:
        return REASON_CONNECT_TIMEOUT
    if error == EADDRNOTAVAIL:
        return REASON_NO_PORT
    if outcome_of(error) == OUTCOME_LOCAL_ERROR:
        return REASON_NO_DESCRIPTOR
    return REASON_CONNECT_FAILED


cdef void attempt_close(worker_t* w, session_t* s, uint32_t outcome) noexcept nogil:
    stats_attempt(w, s, outcome)
    if outcome != OUTCOME_LOCAL_ERROR and outcome != OUTCOME_ABANDONED:
        chooser_distrust(&w.chooser, s.backend, w.now_ms)
    session_release(w, s, RELEASE_ATTEMPT, outcome, False)
    lease_drop(w, s)
    leg_close(w, s, BACK, True)


# Only a port the kernel may pick as a source can meet itself, on whatever address this host has.
cdef bint may_be_self(const worker_t* w, const snap_addr_t* addr) noexcept nogil:
    cdef uint16_t family = (<const sockaddr*>addr.bytes).sa_family
    cdef uint16_t port
    if family != AF_INET and family != AF_INET6:
        return False
    port = ntohs((<const sockaddr_in*>addr.bytes).sin_port)     # at the same place in both families
    return w.port_min <= port <= w.port_max


cdef void attempt_fill(worker_t* w, session_t* s, attempt_t* attempt) noexcept nogil:
    attempt.is_hashed = False
    attempt.now_ms = w.now_ms
    attempt.n_tried = s.n_tried
    memcpy(attempt.tried, session_side(w, s).tried, sizeof(attempt.tried))


# What the native policy of this pool chooses, which is the session's or a member of it; then the whole group. A lease is
# taken. Position in the snapshot, or -reason.
cdef int candidate(worker_t* w, session_t* s, uint32_t pool) noexcept nogil:
    cdef attempt_t attempt
    cdef visit_t visit
    cdef int at
    session_visit(w, s, &visit)
    attempt_fill(w, s, &attempt)
    attempt.visit = &visit
    if unlikely(s.legs[FRONT].flags & LEG_KEYED and s.asked == pool):
        attempt.key_hash = session_side(w, s).ticket
        attempt.is_hashed = True
    at = lease_choose(w, pool, &attempt)
    if unlikely(at < 0 and pool != s.pool):
        attempt.is_hashed = False
        at = lease_choose(w, s.pool, &attempt)
    return at


# Whose turn it is among the members of the session's pool; the pool itself when none of them has anybody.
cdef uint32_t session_member(worker_t* w, session_t* s) noexcept nogil:
    cdef attempt_t attempt
    cdef uint32_t member
    attempt_fill(w, s, &attempt)
    attempt.visit = NULL
    member = policy_member(&w.chooser, &w.snapshot, s.pool, &attempt)
    return s.pool if member == NO_INDEX else member


# Another pool is asked from now on: for the one before, the visit is over.
cdef void session_leave(worker_t* w, session_t* s) noexcept nogil:
    cdef ended_t e
    if s.legs[FRONT].flags & LEG_ASKED:
        ended_begin(&e, session_side(w, s).visit, s.asked)
        ask_release(w, &e)
    s.legs[FRONT].flags &= ~<uint32_t>(LEG_ASKED | LEG_KEYED)
    session_side(w, s).visit = 0


# Ask a class in Python for the next candidate, or for the key that it is chosen by, if there is one to ask. True: the
# session waits. pool: whose native policy else chooses, the session's or a member of it.
cdef bint connect_ask(worker_t* w, session_t* s, uint32_t* chosen) noexcept nogil:
    cdef const snap_pool_t* pool = snapshot_pool(&w.snapshot, s.pool)
    cdef asking_t asking
    cdef visit_t visit
    chosen[0] = s.pool
    if likely(pool == NULL or pool.deadline_ms == 0):
        return False
    if pool.members.n:
        chosen[0] = session_member(w, s)
        pool = snapshot_pool(&w.snapshot, chosen[0])
        if pool.members.n or pool.deadline_ms == 0:
            return False
    if s.asked != pool.id:
        session_leave(w, s)
    s.asked = <uint16_t>pool.id
    if s.legs[FRONT].flags & LEG_KEYED:     # once for all attempts
        return False
    session_visit(w, s, &visit)
    asking.pool = pool
    asking.visit = &visit
    asking.idx = s.timer.idx
    asking.udp = NO_UDP
    asking.attempt = s.n_tried
    return session_wait(w, s, &asking)


# True: it waits for an answer.
cdef bint session_wait(worker_t* w, session_t* s, asking_t* asking) noexcept nogil:
    cdef session_side_t* side = session_side(w, s)
    asking.visit_ticket = side.visit
    s.legs[FRONT].flags &= ~<uint32_t>LEG_OWN
    side.ticket = ask_post(w, asking)
    if side.ticket == 0:
        return False
    if side.visit == 0 and not asking.pool.asks_key:
        side.visit = side.ticket
        s.legs[FRONT].flags |= LEG_ASKED
    wheel_disarm(&w.wheel, &s.timer.node)
    s.state = SESS_ASK
    return True


cdef inline bint is_http(const session_t* s) noexcept nogil:
    return s.legs[FRONT].flags & LEG_HTTP != 0


# Nobody serves this visit: a client of HTTP is told so, and may ask for something else.
cdef void connect_give_up(worker_t* w, session_t* s, uint32_t reason) noexcept nogil:
    if is_http(s):
        exchange_refuse(w, s, reason)
    else:
        session_close(w, s, reason)


cdef int attempt_watch(worker_t* w, session_t* s) noexcept nogil:
    if is_http(s):
        return link_open(w, s)
    return poller_add_stream(w.poller_fd, s.legs[BACK].fd, tag_make(TAG_SESSION, BACK, tag_gen(s, BACK), s.timer.idx))


# The pool of the backend that is tried, which may be a member of the session's.
cdef const snap_pool_t* attempt_pool(const worker_t* w, const session_t* s) noexcept nogil:
    cdef const snap_backend_t* b = snapshot_backend(&w.snapshot, s.backend)
    return snapshot_pool(&w.snapshot, b.pool) if b != NULL else NULL


cdef bint is_fastopen(const worker_t* w, const session_t* s) noexcept nogil:
    cdef const snap_pool_t* pool = attempt_pool(w, s)
    return pool != NULL and pool.is_fastopen != 0


# What the pool wants of its connections (TCP). A name that the kernel no longer takes leaves the system's congestion control.
cdef void attempt_tune(worker_t* w, session_t* s) noexcept nogil:
    cdef const snap_pool_t* pool = attempt_pool(w, s)
    cdef int fd = s.legs[BACK].fd
    s.legs[BACK].flags |= LEG_FRESH
    if pool == NULL:
        return
    if not pool.is_quickack:
        sock_quickack(fd, False)
        s.legs[BACK].flags |= LEG_QUIET
    if pool.congestion[0]:
        sock_congestion(fd, pool.congestion)


# The client's first bytes go with the SYN, when they are there; no other backend may see them after that.
cdef int attempt_fast(worker_t* w, session_t* s, const snap_addr_t* addr) noexcept nogil:
    cdef ssize_t got = sock_peek(s.legs[FRONT].fd, w.carrier.scratch, FASTOPEN_BYTES)
    cdef ssize_t sent
    if got < 0 and got != -EAGAIN:      # the look has taken the error away: nobody will be told of it again
        s.legs[FRONT].flags |= LEG_BROKEN | LEG_EOF
    if got <= 0:
        return sock_connect(s.legs[BACK].fd, addr.bytes, <uint16_t>addr.len_bytes)
    sent = sock_connect_with(s.legs[BACK].fd, addr.bytes, <uint16_t>addr.len_bytes, w.carrier.scratch, <size_t>got)
    if sent == -EOPNOTSUPP:     # switched off in this system (net.ipv4.tcp_fastopen)
        return sock_connect(s.legs[BACK].fd, addr.bytes, <uint16_t>addr.len_bytes)
    if sent < 0:
        return <int>sent
    session_side(w, s).retries = 0
    s.legs[BACK].flags = s.legs[BACK].flags & ~<uint32_t>(LEG_FRESH | LEG_QUIET) | LEG_NAGLE
    leg_sent(w, s, FRONT, sent)
    if sock_skip(s.legs[FRONT].fd, w.carrier.scratch, <size_t>sent) != sent:
        return -ECONNRESET
    return -EINPROGRESS


# Open the back leg and send the SYN. 0 = connected, -EINPROGRESS = under way, -EAGAIN = listen queue full (unix),
# other -errno = failed.
cdef int attempt_open(worker_t* w, session_t* s, const snap_addr_t* addr) noexcept nogil:
    cdef uint16_t family = (<const sockaddr*>addr.bytes).sa_family
    cdef int fd = sock_open(family)
    cdef int status, added
    s.attempt_us = clock_us()
    s.queue_until_ms = 0
    if fd < 0:
        return fd
    s.legs[BACK].fd = fd
    if family == AF_UNIX:       # passed descriptors end a receive early: only EAGAIN means drained
        s.legs[BACK].flags |= LEG_EAGER | LEG_COPY
    else:
        attempt_tune(w, s)
    if family != AF_UNIX and not s.legs[FRONT].flags & (LEG_HTTP | LEG_TLS) and is_fastopen(w, s):
        status = attempt_fast(w, s, addr)
    else:
        status = sock_connect(fd, addr.bytes, <uint16_t>addr.len_bytes)
    if status < 0 and status != -EINPROGRESS:
        return status
    added = attempt_watch(w, s)
    return added if added < 0 else status


cdef void connect_done(worker_t* w, session_t* s) noexcept nogil:
    cdef uint32_t gen = s.gen
    s.connect_us = <uint32_t>(clock_us() - s.attempt_us)
    stats_attempt(w, s, OUTCOME_CONNECTED)
    if w.chooser.is_timed:
        chooser_spent(&w.chooser, s.backend, s.connect_us, w.now_ms)
        s.attempt_us = w.now_us
    if is_http(s):
        exchange_begin(w, s)
    else:
        relay_begin(w, s)
    if s.gen == gen and s.legs[BACK].flags & (LEG_QUIET | LEG_FRESH) == LEG_QUIET | LEG_FRESH:
        sock_quickack(s.legs[BACK].fd, True)    # nothing to send yet: the backend must learn of the connection now
        s.legs[BACK].flags &= ~<uint32_t>LEG_QUIET


# When an attempt that begins now has had its time.
cdef uint64_t attempt_due(const worker_t* w, const session_t* s, uint32_t wait_ms) noexcept nogil:
    return exchange_due(w, s, w.now_ms + wait_ms) if is_http(s) else w.now_ms + wait_ms


# The address of the backend being tried, when this generation still has it.
cdef const snap_addr_t* attempt_addr(worker_t* w, session_t* s) noexcept nogil:
    cdef uint32_t at
    if s.backend >= w.snapshot.header.n_backend_at:
        return NULL
    at = w.snapshot.backend_at[s.backend]
    return NULL if at == NO_INDEX else &w.snapshot.addrs[at]


# Go on with this candidate, whose lease is taken (or -reason: there is none), and with others when it fails at once.
cdef void connect_try(worker_t* w, session_t* s, int at) noexcept nogil:
    cdef session_side_t* side = session_side(w, s)
    cdef uint32_t pool
    cdef int status = 0
    while True:
        if at < 0:
            connect_give_up(w, s, reason_of(-status) if status else <uint32_t>-at)
            return
        s.backend = w.snapshot.backends[at].id
        s.has_lease = 1
        side.tried[s.n_tried] = <uint16_t>s.backend
        s.n_tried += 1
        if is_http(s) and exchange_reuse(w, s):
            exchange_begin(w, s)
            return
        status = attempt_open(w, s, &w.snapshot.addrs[at])
        if status == 0:
            connect_done(w, s)
            return
        if status == -EINPROGRESS:
            wheel_arm(&w.wheel, &s.timer.node, attempt_due(w, s, s.connect_ms))
            return
        if status == -EAGAIN:
            s.queue_until_ms = attempt_due(w, s, s.connect_ms)
            wheel_arm(&w.wheel, &s.timer.node, w.now_ms + QUEUE_FULL_WAIT_MS)
            return
        attempt_close(w, s, outcome_of(-status))
        if reason_of(-status) == REASON_NO_DESCRIPTOR or s.n_tried > side.retries:
            break
        if connect_ask(w, s, &pool):
            return
        at = candidate(w, s, pool)
    connect_give_up(w, s, reason_of(-status))


cdef void connect_next(worker_t* w, session_t* s) noexcept nogil:
    cdef uint32_t pool
    cdef int at = sticky_choose(w, s, exchange_of(w, s)) if is_http(s) else -1
    if at >= 0:
        connect_try(w, s, at)
    elif not connect_ask(w, s, &pool):
        connect_try(w, s, candidate(w, s, pool))


# No key came: the whole visit goes by the default one.
cdef void session_key(worker_t* w, session_t* s, const snap_pool_t* pool) noexcept nogil:
    cdef visit_t visit
    session_visit(w, s, &visit)
    session_side(w, s).ticket = visit_hash(&pool.key, &visit)
    s.legs[FRONT].flags |= LEG_KEYED


cdef void connect_answered(worker_t* w, session_t* s, int at) noexcept nogil:
    cdef uint32_t chosen = s.asked if snapshot_serves(&w.snapshot, s.pool, s.asked) else s.pool
    cdef const snap_pool_t* pool = snapshot_pool(&w.snapshot, chosen)
    s.state = SESS_CONNECT
    if at >= 0:
        s.legs[FRONT].flags |= LEG_OWN
    elif pool != NULL and pool.asks_key and chosen == s.asked and not s.legs[FRONT].flags & LEG_KEYED:
        session_key(w, s, pool)
    connect_try(w, s, at if at >= 0 else candidate(w, s, chosen))


# An attempt under way has failed with this errno: the next candidate, or the end.
cdef void connect_failed(worker_t* w, session_t* s, int error, uint32_t outcome) noexcept nogil:
    attempt_close(w, s, outcome)
    if s.n_tried > session_side(w, s).retries or is_http(s) and exchange_is_late(w, s):
        connect_give_up(w, s, reason_of(error))
    else:
        connect_next(w, s)


cdef void connect_event(worker_t* w, session_t* s, int side, uint32_t bits) noexcept nogil:
    cdef const snap_addr_t* addr
    cdef int error
    if side == FRONT:
        leg_note(s, FRONT, bits)
        if bits & POLL_BROKEN:
            if s.state == SESS_CONNECT:
                attempt_close(w, s, OUTCOME_ABANDONED)
            session_close(w, s, REASON_CLIENT_GONE)
        return
    if s.state != SESS_CONNECT:     # of an attempt that has failed in this very turn
        return
    if bits & (POLL_BROKEN | POLL_END):
        error = sock_error(s.legs[BACK].fd)
        if error:
            connect_failed(w, s, error, outcome_of(error))
            return
    if not bits & POLL_OUT:
        return
    addr = attempt_addr(w, s)
    if unlikely(addr != NULL and may_be_self(w, addr)) and sock_is_self(s.legs[BACK].fd):
        connect_failed(w, s, 0, OUTCOME_SELF_CONNECT)
        return
    leg_note(s, BACK, bits)
    connect_done(w, s)


# A unix backend whose listen queue was full: once more on the same socket.
cdef void queue_retry(worker_t* w, session_t* s) noexcept nogil:
    cdef const snap_addr_t* addr = attempt_addr(w, s)
    cdef int status = -ECONNRESET
    if addr != NULL:
        status = sock_connect(s.legs[BACK].fd, addr.bytes, <uint16_t>addr.len_bytes)
    if status == -EAGAIN:
        wheel_arm(&w.wheel, &s.timer.node, w.now_ms + QUEUE_FULL_WAIT_MS)
        return
    s.queue_until_ms = 0
    if status == 0:
        status = attempt_watch(w, s)
    if status < 0:
        connect_failed(w, s, -status, outcome_of(-status))
    else:
        connect_done(w, s)


cdef void connect_timer(worker_t* w, session_t* s) noexcept nogil:
    if s.queue_until_ms > w.now_ms:
        queue_retry(w, s)
    elif s.queue_until_ms == 0 and sock_is_connected(s.legs[BACK].fd):
        connect_event(w, s, BACK, POLL_OUT)     # it came through in a gap of the clock
    else:
        connect_failed(w, s, ETIMEDOUT, OUTCOME_TIMEOUT)
