"""Channel: generations, sockets and orders from control."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t
from nginy._fast.base.cdefs cimport EAGAIN, EINTR, c_getpid, sockaddr_storage, socklen_t
from nginy._fast.base.layout cimport VERDICT_DOWN, snap_backend_t, snap_pool_t
from nginy._fast.base.limits cimport MAX_MESSAGE_FDS, MAX_MESSAGE_IDS, MAX_POOLS, MESSAGES_PER_EVENT, TABLES_PER_EVENT
from nginy._fast.base.message cimport (
    MESSAGE_MAGIC, MSG_ADOPTED, MSG_CERTS, MSG_CERTS_REFUSED, MSG_DRAIN, MSG_HELLO, MSG_KEEP, MSG_MAILBOX,
    MSG_READY, MSG_REJECTED, MSG_SERVE, MSG_SNAPSHOT, MSG_SOCKETS, MSG_STOP, MSG_TABLE, MSG_TABLE_REFUSED, message_t,
)
from nginy._fast.engine.answers cimport mail_adopt
from nginy._fast.engine.certs cimport tls_adopt
from nginy._fast.engine.link cimport links_settle
from nginy._fast.engine.listener cimport listener_close, listener_hold, listeners_close, listeners_settle
from nginy._fast.engine.reply cimport replies_flush
from nginy._fast.engine.session cimport TAG_CHANNEL, TAG_REJOIN, tag_make
from nginy._fast.engine.stats cimport count
from nginy._fast.engine.types cimport worker_t
from nginy._fast.engine.udp cimport udp_adopt, udp_leave_all
from nginy._fast.base.cdefs cimport ngy_store64
from nginy._fast.net.poller cimport poller_add_source, poller_remove
from nginy._fast.net.sock cimport sock_accept, sock_close, sock_recv_message, sock_send_message
from nginy._fast.base.status cimport REFUSAL_BOUNDS
from nginy._fast.policy.choose cimport chooser_adopt, chooser_settle
from nginy._fast.policy.snapshot cimport (
    snapshot_backend, snapshot_close, snapshot_listener, snapshot_open, snapshot_pool, snapshot_t,
)

cdef enum:
    MESSAGE_HEAD_BYTES = 24


cdef size_t message_fill(message_t* m, uint32_t kind, uint64_t a, uint64_t b, uint32_t n_ids) noexcept nogil:
    m.magic = MESSAGE_MAGIC
    m.kind = <uint16_t>kind
    m.n_ids = <uint16_t>n_ids
    m.a = a
    m.b = b
    return MESSAGE_HEAD_BYTES + n_ids * sizeof(uint32_t)


cdef void channel_tell(worker_t* w, uint32_t kind, uint64_t a, uint64_t b) noexcept nogil:
    cdef message_t m
    cdef size_t n = message_fill(&m, kind, a, b, 0)
    cdef ssize_t _ignored
    if w.channel_fd >= 0:
        _ignored = sock_send_message(w.channel_fd, &m, n, NULL, 0)  # the board says the same; nothing waits for this


# ---- a new generation ----

# Whether a backend of an on_down: reset pool has gone down since the generation before.
cdef bint has_newly_down(worker_t* w, const snapshot_t* fresh) noexcept nogil:
    cdef const snap_pool_t* pool
    cdef const snap_backend_t* before
    cdef uint32_t i
    for i in range(fresh.header.n_backends):
        if fresh.backends[i].verdict != VERDICT_DOWN:
            continue
        pool = snapshot_pool(fresh, fresh.backends[i].pool)
        before = snapshot_backend(&w.snapshot, fresh.backends[i].id)
        if pool != NULL and pool.is_on_down_reset and (before == NULL or before.verdict != VERDICT_DOWN):
            return True
    return False


# Whether a listener of the generation before is gone: its sessions may have a deadline now.
cdef bint has_left(worker_t* w, const snapshot_t* fresh) noexcept nogil:
    cdef uint32_t i
    if w.snapshot.header == NULL:
        return False
    for i in range(w.snapshot.header.n_listeners):
        if snapshot_listener(fresh, w.snapshot.listeners[i].id) == NULL:
            return True
    return False


cdef void unlisted_close(worker_t* w, const snapshot_t* fresh) noexcept nogil:
    cdef uint32_t i
    for i in range(w.n_sockets):
        w.sockets[i].is_listed = 0
    for i in range(fresh.header.n_sockets):
        w.sockets[fresh.sockets[i].sock_id].is_listed = 1
    if w.snapshot.header == NULL:
        return
    for i in range(w.n_sockets):
        if not w.sockets[i].is_listed:
            listener_close(w, &w.sockets[i])    # what it has queued is still served, by the old generation


cdef void adopt(worker_t* w, int fd) noexcept nogil:
    cdef snapshot_t fresh
    cdef int status = snapshot_open(&fresh, fd)
    cdef int without
    if status < 0:
        sock_close(fd)
        count(&w.row.worker.rejected, 1)
        channel_tell(w, MSG_REJECTED, 0, <uint64_t>-status)
        return
    if has_newly_down(w, &fresh) or has_left(w, &fresh):
        w.sweep_at = 0
    if w.is_draining:
        snapshot_close(&w.snapshot)
    else:
        unlisted_close(w, &fresh)
        snapshot_close(&w.snapshot)
    w.snapshot = fresh
    chooser_settle(&w.chooser, &w.snapshot)
    if w.snapshot_fd >= 0:
        sock_close(w.snapshot_fd)
    w.snapshot_fd = fd
    without = udp_adopt(w)
    links_settle(w)
    if not w.is_draining:
        listeners_settle(w)
    if fresh.header.n_backend_at > w.row.worker.n_backend_rows:
        ngy_store64(&w.row.worker.n_backend_rows, fresh.header.n_backend_at)
    ngy_store64(&w.row.worker.adopted_gen, fresh.header.gen)
    if not w.is_ready_told:
        w.is_ready_told = 1
        channel_tell(w, MSG_READY, w.slot, fresh.header.gen)
    channel_tell(w, MSG_ADOPTED, fresh.header.gen, <uint64_t>-without)


cdef void worker_drain(worker_t* w, uint64_t deadline_ms) noexcept nogil:
    if not w.is_draining:
        w.is_draining = 1
        w.drain_until_ms = w.now_ms + deadline_ms
        udp_leave_all(w, w.drain_until_ms)
        listeners_close(w)
        w.sweep_at = 0
    elif w.now_ms + deadline_ms < w.drain_until_ms:     # a second wish may only shorten it
        w.drain_until_ms = w.now_ms + deadline_ms
        udp_leave_all(w, w.drain_until_ms)


# ---- messages ----

cdef void sockets_take(worker_t* w, const message_t* m, int* fds, int n_fds) noexcept nogil:
    cdef int i
    for i in range(n_fds):
        if i < m.n_ids and not w.is_draining:
            listener_hold(w, m.ids[i], fds[i])
        else:
            sock_close(fds[i])


# Mapped and verified here, between two turns; until then, and when it is refused, the one before goes on.
cdef void table_take(worker_t* w, uint64_t pool, int fd) noexcept nogil:
    cdef int status = -REFUSAL_BOUNDS
    if pool < MAX_POOLS:
        status = chooser_adopt(&w.chooser, <uint32_t>pool, fd)
    if status < 0:
        count(&w.row.worker.rejected, 1)
        channel_tell(w, MSG_TABLE_REFUSED, pool, <uint64_t>-status)


# Made and put in place between two turns; until then, and when it is refused, what was there goes on.
cdef void certs_take(worker_t* w, int fd) noexcept nogil:
    cdef int status = tls_adopt(w, fd)
    if status < 0:
        count(&w.row.worker.rejected, 1)
        channel_tell(w, MSG_CERTS_REFUSED, 0, <uint64_t>-status)


cdef void obey(worker_t* w, const message_t* m, int* fds, int n_fds) noexcept nogil:
    cdef int i
    if m.kind == MSG_SOCKETS:
        sockets_take(w, m, fds, n_fds)
        return
    if m.kind == MSG_SNAPSHOT and n_fds == 1:
        adopt(w, fds[0])
        return
    if m.kind == MSG_MAILBOX:
        mail_adopt(w, fds, n_fds)
        return
    if m.kind == MSG_KEEP and n_fds == 1:
        if w.kept_fd >= 0:
            sock_close(w.kept_fd)
        w.kept_fd = fds[0]
        return
    if m.kind == MSG_TABLE and n_fds == 1:
        table_take(w, m.a, fds[0])
    if m.kind == MSG_CERTS and n_fds == 1:
        certs_take(w, fds[0])
    for i in range(n_fds):
        sock_close(fds[i])
    if m.kind == MSG_SERVE:
        w.serve_mask = m.a
        if w.snapshot.header != NULL and not w.is_draining:
            listeners_settle(w)
    elif m.kind == MSG_DRAIN:
        worker_drain(w, m.a)
    elif m.kind == MSG_STOP:
        w.is_over = 1


cdef void channel_lost(worker_t* w) noexcept nogil:
    poller_remove(w.poller_fd, w.channel_fd)
    sock_close(w.channel_fd)
    w.channel_fd = -1
    if w.rejoin_fd < 0:         # embedded: the host has gone
        w.is_over = 1
    elif poller_add_source(w.poller_fd, w.rejoin_fd, tag_make(TAG_REJOIN, 0, 0, 0), False) < 0:
        w.is_over = 1


cdef bint is_whole(const message_t* m, ssize_t n_bytes) noexcept nogil:
    return (
        n_bytes >= MESSAGE_HEAD_BYTES and m.magic == MESSAGE_MAGIC and m.n_ids <= MAX_MESSAGE_IDS
        and <size_t>n_bytes == MESSAGE_HEAD_BYTES + m.n_ids * sizeof(uint32_t)
    )


cdef void channel_event(worker_t* w) noexcept nogil:
    cdef message_t m
    cdef int fds[MAX_MESSAGE_FDS]
    cdef int n_fds, k
    cdef uint32_t _turn
    cdef uint32_t n_tables = 0
    cdef ssize_t got
    if w.udp_work != NULL:
        replies_flush(w)        # before a socket that they leave by is closed
    for _turn in range(MESSAGES_PER_EVENT):
        if w.channel_fd < 0 or w.is_over:
            return
        got = sock_recv_message(w.channel_fd, &m, fds, &n_fds)
        if got == -EAGAIN or got == -EINTR:
            return
        if is_whole(&m, got):
            obey(w, &m, fds, n_fds)
            n_tables += m.kind == MSG_TABLE
            if n_tables == TABLES_PER_EVENT:    # the rest in the next turn: verifying one takes up to milliseconds
                return
            continue
        for k in range(n_fds):
            sock_close(fds[k])
        if got <= 0:
            channel_lost(w)
            return


# ---- rejoin ----

cdef bint sockets_tell(worker_t* w) noexcept nogil:
    cdef message_t m
    cdef int fds[MAX_MESSAGE_FDS]
    cdef uint32_t i
    cdef uint32_t n = 0
    for i in range(w.n_sockets + 1):
        if i < w.n_sockets and w.sockets[i].fd > 0:
            m.ids[n] = i
            fds[n] = w.sockets[i].fd
            n += 1
        if n == MAX_MESSAGE_FDS or (i == w.n_sockets and n):
            if sock_send_message(w.channel_fd, &m, message_fill(&m, MSG_SOCKETS, 0, 0, n), fds, <int>n) < 0:
                return False
            n = 0
    return True


cdef bint hello_tell(worker_t* w) noexcept nogil:
    cdef message_t m
    cdef int fds[3]
    cdef int n_fds = 1
    cdef uint64_t gen = w.snapshot.header.gen if w.snapshot.header != NULL else 0
    fds[0] = w.board_fd
    m.ids[0] = <uint32_t>c_getpid()
    if w.snapshot_fd >= 0:
        fds[1] = w.snapshot_fd
        fds[2] = w.kept_fd
        n_fds = 3 if w.kept_fd >= 0 else 2
    return sock_send_message(w.channel_fd, &m, message_fill(&m, MSG_HELLO, w.slot, gen, 1), fds, n_fds) >= 0


cdef void rejoin_event(worker_t* w) noexcept nogil:
    cdef sockaddr_storage addr
    cdef socklen_t n_bytes = 0
    cdef int fd = sock_accept(w.rejoin_fd, &addr, &n_bytes)
    if fd < 0:
        return
    if w.channel_fd >= 0:       # somebody was faster
        sock_close(fd)
        return
    w.channel_fd = fd
    poller_remove(w.poller_fd, w.rejoin_fd)
    if (
        poller_add_source(w.poller_fd, fd, tag_make(TAG_CHANNEL, 0, 0, 0), False) < 0
        or not hello_tell(w) or not sockets_tell(w)
    ):
        channel_lost(w)
        return
    if w.snapshot.header != NULL:
        channel_tell(w, MSG_READY, w.slot, w.snapshot.header.gen)
