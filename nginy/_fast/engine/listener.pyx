"""Listener: accept in bounded batches, refuse early and cheaply, pause on a shortage instead of spinning."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset
from nginy._fast.base.cdefs cimport (
    EAGAIN, EMFILE, ENFILE, ENOBUFS, ENOMEM, EINVAL, EBADF, ngy_add32, ngy_sub32, sockaddr_storage, socklen_t,
    unlikely,
)
from nginy._fast.base.layout cimport NO_INDEX, PROTOCOL_HTTP, PROTOCOL_UDP, snap_listener_t, snap_socket_t
from nginy._fast.base.limits cimport ACCEPT_PAUSE_MS, ACCEPTS_PER_EVENT, DRAIN_ACCEPTS, MAX_SOCKETS, SHARED_SLOT
from nginy._fast.base.status cimport REASON_NO_DESCRIPTOR, REASON_SESSION_LIMIT, REASON_SLAB_FULL
from nginy._fast.engine.connect cimport connect_next
from nginy._fast.engine.datagram cimport datagrams_note
from nginy._fast.engine.handshake cimport handshake_begin
from nginy._fast.engine.preread cimport preread_begin
from nginy._fast.engine.request cimport request_open
from nginy._fast.engine.session cimport TAG_LISTENER, TAG_SESSION, client_of, session_close, session_open, tag_gen, tag_make
from nginy._fast.engine.stats cimport count, stats_access, stats_refused
from nginy._fast.engine.types cimport FRONT, TIMER_LISTENER, listener_t, session_side_t, session_t, worker_t
from nginy._fast.engine.udp cimport udp_is_open, udp_socket
from nginy._fast.mem.wheel cimport wheel_arm, wheel_disarm
from nginy._fast.net.poller cimport poller_add_source, poller_add_stream, poller_remove
from nginy._fast.net.sock cimport sock_accept, sock_close, sock_reset, sock_unlisten
from nginy._fast.policy.snapshot cimport snapshot_listener


cdef void listener_hold(worker_t* w, uint32_t sock_id, int fd) noexcept nogil:
    cdef listener_t* l
    if sock_id >= MAX_SOCKETS or w.sockets[sock_id].fd > 0:
        sock_close(fd)
        return
    l = &w.sockets[sock_id]
    memset(l, 0, sizeof(listener_t))
    l.fd = fd
    l.id = NO_INDEX
    l.timer.kind = TIMER_LISTENER
    l.timer.idx = sock_id
    if sock_id >= w.n_sockets:
        w.n_sockets = sock_id + 1


# ---- accepting ----

cdef void refuse(
    worker_t* w, const snap_listener_t* listener, int fd, const sockaddr_storage* addr, uint32_t reason
) noexcept nogil:
    cdef session_t ghost
    cdef session_side_t side
    stats_refused(w, listener.id, reason)
    if w.snapshot.header.is_access_log:
        memset(&ghost, 0, sizeof(ghost))
        ghost.listener = listener.id
        ghost.backend = NO_INDEX
        ghost.start_ms = w.now_ms
        client_of(&side, addr)
        stats_access(w, &ghost, &side, reason)
    sock_reset(fd)


cdef void admit(worker_t* w, const snap_listener_t* listener, int fd, const sockaddr_storage* addr) noexcept nogil:
    cdef session_t* s
    cdef uint32_t before = ngy_add32(&w.shared.sessions[listener.id], 1)
    if unlikely(listener.max_sessions != 0 and before >= listener.max_sessions):
        ngy_sub32(&w.shared.sessions[listener.id], 1)
        refuse(w, listener, fd, addr, REASON_SESSION_LIMIT)
        return
    s = session_open(w, listener, fd, addr)
    if unlikely(s == NULL):
        ngy_sub32(&w.shared.sessions[listener.id], 1)
        refuse(w, listener, fd, addr, REASON_SLAB_FULL)
        return
    if unlikely(poller_add_stream(w.poller_fd, fd, tag_make(TAG_SESSION, FRONT, tag_gen(s, FRONT), s.timer.idx)) < 0):
        session_close(w, s, REASON_NO_DESCRIPTOR)
        return
    if unlikely(listener.handshake_ms):
        handshake_begin(w, s, listener)
    elif listener.protocol == PROTOCOL_HTTP:
        request_open(w, s)
    elif unlikely(listener.preread.kind):
        preread_begin(w, s, listener)
    else:
        connect_next(w, s)


cdef void listener_pause(worker_t* w, listener_t* l) noexcept nogil:
    count(&w.row.worker.accept_paused, 1)
    poller_remove(w.poller_fd, l.fd)
    l.is_paused = 1
    wheel_arm(&w.wheel, &l.timer.node, w.now_ms + ACCEPT_PAUSE_MS)


# Out of descriptors or memory; or a socket that another holder has ended, which the poller reports for ever.
cdef bint is_shortage(int status) noexcept nogil:
    return (
        status == -EMFILE or status == -ENFILE or status == -ENOBUFS or status == -ENOMEM
        or status == -EINVAL or status == -EBADF
    )


# Up to n clients; how many there were. Fewer than n: the queue is empty, or accepting failed for now.
cdef uint32_t listener_accept(worker_t* w, listener_t* l, uint32_t n) noexcept nogil:
    cdef const snap_listener_t* listener = snapshot_listener(&w.snapshot, l.id)
    cdef sockaddr_storage addr
    cdef socklen_t n_bytes = 0
    cdef uint32_t n_seen
    cdef int fd
    if listener == NULL:
        return 0
    for n_seen in range(n):
        fd = sock_accept(l.fd, &addr, &n_bytes)
        if fd >= 0:
            if n_bytes < 2:
                addr.ss_family = 0
            admit(w, listener, fd, &addr)
        elif fd == -EAGAIN:
            return n_seen
        elif is_shortage(fd):
            if not l.is_paused and l.is_served:
                listener_pause(w, l)
            return n_seen
        # anything else concerns one client that has left already
    return n


# As many as came last time, so that the look at an empty queue is saved; more in the next turn, where the poller tells of
# those that are left, and twice as many in each turn that finds some again.
cdef void listener_event(worker_t* w, uint32_t sock_id) noexcept nogil:
    cdef listener_t* l = &w.sockets[sock_id]
    cdef uint64_t this_turn = w.row.worker.turns
    cdef uint32_t n
    if sock_id >= w.n_sockets or not l.is_served or l.is_paused:
        return
    if l.is_udp:
        datagrams_note(w, sock_id)
        return
    n = l.quota if l.quota else ACCEPTS_PER_EVENT
    if l.last_turn + 1 == this_turn:
        n = min(n * 2, <uint32_t>ACCEPTS_PER_EVENT)
    l.last_turn = this_turn
    l.quota = <uint8_t>listener_accept(w, l, n)


# ---- registration ----

cdef int listener_watch(worker_t* w, listener_t* l) noexcept nogil:
    return poller_add_source(w.poller_fd, l.fd, tag_make(TAG_LISTENER, 0, 0, l.timer.idx), l.slot == SHARED_SLOT)


cdef void listener_serve(worker_t* w, listener_t* l) noexcept nogil:
    l.is_served = 1
    if listener_watch(w, l) < 0:    # no memory for the watch: try again after the pause
        l.is_paused = 1
        wheel_arm(&w.wheel, &l.timer.node, w.now_ms + ACCEPT_PAUSE_MS)


cdef void listener_unserve(worker_t* w, listener_t* l) noexcept nogil:
    if l.is_served and not l.is_paused:
        poller_remove(w.poller_fd, l.fd)
    wheel_disarm(&w.wheel, &l.timer.node)
    l.is_served = 0
    l.is_paused = 0


cdef void listener_timer(worker_t* w, listener_t* l) noexcept nogil:
    if not l.is_served:
        return
    l.is_paused = 0
    if listener_watch(w, l) < 0:
        l.is_paused = 1
        wheel_arm(&w.wheel, &l.timer.node, w.now_ms + ACCEPT_PAUSE_MS)


cdef void listener_close(worker_t* w, listener_t* l) noexcept nogil:
    cdef bint was_served = l.is_served
    if l.fd <= 0:
        return
    listener_unserve(w, l)
    if was_served and not l.is_udp:
        listener_accept(w, l, DRAIN_ACCEPTS)
        if l.slot != SHARED_SLOT:   # ends it for every holder: later clients are refused, none waits for nobody
            sock_unlisten(l.fd)
    sock_close(l.fd)
    l.fd = 0


# For a drain. UDP sockets stay: flows answer by them, and their places in the group decide on who gets a datagram.
cdef void listeners_close(worker_t* w) noexcept nogil:
    cdef uint32_t i
    for i in range(w.n_sockets):
        if not w.sockets[i].is_udp:
            listener_close(w, &w.sockets[i])


cdef void listeners_drop(worker_t* w) noexcept nogil:
    cdef uint32_t i
    for i in range(w.n_sockets):
        if w.sockets[i].fd > 0:
            listener_unserve(w, &w.sockets[i])
            sock_close(w.sockets[i].fd)
            w.sockets[i].fd = 0
    w.n_sockets = 0


cdef bint is_mine(const worker_t* w, const listener_t* l) noexcept nogil:
    if l.slot == w.slot or l.slot == SHARED_SLOT:
        return True
    return l.slot < 64 and (w.serve_mask >> l.slot & 1) != 0


cdef void listeners_settle(worker_t* w) noexcept nogil:
    cdef const snap_socket_t* row
    cdef const snap_listener_t* listener
    cdef listener_t* l
    cdef uint32_t i
    for i in range(w.snapshot.header.n_sockets):
        row = &w.snapshot.sockets[i]
        l = &w.sockets[row.sock_id]
        if l.fd <= 0:
            continue
        l.id = row.listener
        l.slot = row.slot
        listener = snapshot_listener(&w.snapshot, l.id)
        if listener != NULL and listener.protocol == PROTOCOL_UDP:
            udp_socket(w, l, row.is_wildcard)
        if is_mine(w, l) and not l.is_served and (not l.is_udp or udp_is_open(w, l.id)):
            listener_serve(w, l)
        elif not is_mine(w, l) and l.is_served:
            listener_unserve(w, l)
