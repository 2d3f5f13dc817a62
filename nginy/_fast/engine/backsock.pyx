"""Backsock: the sockets between flows and backends."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy
from nginy._fast.base.cdefs cimport sockaddr
from nginy._fast.base.layout cimport snap_addr_t, snap_backend_t, snap_pool_t
from nginy._fast.base.limits cimport IDLE_SOCKETS
from nginy._fast.base.status cimport DROP_UNEXPECTED
from nginy._fast.engine.flows cimport FLOW_BULK, FLOW_UNCHECKED, flow_t, newcomer_t, resting_t, udp_t
from nginy._fast.engine.session cimport TAG_FLOW, TAG_RESTING, tag_make
from nginy._fast.engine.stats cimport count
from nginy._fast.engine.types cimport worker_t
from nginy._fast.mem.flowtable cimport flowtable_side
from nginy._fast.mem.slab cimport SLAB_NONE, slab_at, slab_give, slab_is_taken, slab_take
from nginy._fast.net.dgram cimport dgram_open, dgram_take
from nginy._fast.net.poller cimport poller_add_source, poller_move
from nginy._fast.net.sock cimport sock_bind_transparent, sock_close, sock_connect, sock_drops, sock_name
from nginy._fast.policy.snapshot cimport snapshot_backend, snapshot_pool, snapshot_serves

cdef enum:
    RESTING_READS = 8           # stray answers dropped per event


# ---- which socket is whose ----

cdef void port_note(worker_t* w, udp_t* u, uint32_t idx, const flow_t* f) noexcept nogil:
    if not u.is_transparent:    # there the port is the client's own
        w.port_flow[f.back_port] = <uint64_t>udp_index(u, idx) + 1


cdef bint backsock_is_loop(const worker_t* w, const newcomer_t* n) noexcept nogil:
    cdef uint16_t port = <uint16_t>n.key.words[4]   # of who really sent it, whomever a PROXY header names
    cdef uint64_t at = w.port_flow[port]
    cdef const flow_t* f
    cdef const udp_t* u
    if at == 0:
        return False
    u = &w.udps[(at - 1) >> 22]
    f = <const flow_t*>flowtable_side(&u.flows, <uint32_t>(at - 1) & 0x3fffff)
    return f.fd >= 0 and f.back_port == port and memcmp(f.back_ip, n.key.words, 16) == 0


# ---- resting ----

cdef resting_t* resting_at(udp_t* u, uint32_t idx) noexcept nogil:
    return <resting_t*>slab_at(&u.resting, idx)


cdef void resting_unlink(udp_t* u, uint32_t idx) noexcept nogil:
    cdef resting_t* gone = resting_at(u, idx)
    cdef uint32_t* link = &u.rests[gone.backend].first
    while link[0] != idx + 1:
        link = &resting_at(u, link[0] - 1).next
    link[0] = gone.next
    u.rests[gone.backend].n -= 1
    gone.fd = -1
    gone.gen += 1
    slab_give(&u.resting, idx)


cdef bint resting_take(worker_t* w, udp_t* u, uint32_t idx, flow_t* f) noexcept nogil:
    cdef uint32_t at
    cdef resting_t* r
    if not u.conf.udp.is_reuse or u.rests == NULL or u.rests[f.backend].first == 0 or f.flags & FLOW_UNCHECKED:
        return False
    at = u.rests[f.backend].first - 1
    r = resting_at(u, at)
    f.fd = r.fd
    f.back_port = r.back_port
    memcpy(f.back_ip, r.back_ip, 16)
    resting_unlink(u, at)
    if poller_move(w.poller_fd, f.fd, tag_make(TAG_FLOW, 0, f.fd_gen, udp_index(u, idx))) < 0:
        sock_close(f.fd)
        f.fd = -1
        return False
    port_note(w, u, idx, f)
    return True


cdef void backsock_rest(worker_t* w, udp_t* u, flow_t* f) noexcept nogil:
    cdef uint32_t idx
    cdef resting_t* r
    if (
        f.fd < 0 or f.flags & FLOW_BULK or not u.conf.udp.is_reuse
        or u.rests == NULL or u.rests[f.backend].n >= IDLE_SOCKETS
    ):
        backsock_close(w, u, f)
        return
    idx = slab_take(&u.resting)
    if idx == SLAB_NONE:
        backsock_close(w, u, f)
        return
    r = resting_at(u, idx)
    r.fd = f.fd
    r.backend = f.backend
    r.since_ms = w.now_ms
    r.back_port = f.back_port
    memcpy(r.back_ip, f.back_ip, 16)
    f.fd_gen += 1
    if poller_move(w.poller_fd, f.fd, tag_make(TAG_RESTING, 0, r.gen, udp_index(u, idx))) < 0:
        slab_give(&u.resting, idx)
        backsock_close(w, u, f)
        return
    f.fd = -1
    w.port_flow[f.back_port] = 0
    r.next = u.rests[f.backend].first
    u.rests[f.backend].first = idx + 1
    u.rests[f.backend].n += 1


cdef void resting_close(udp_t* u, uint32_t idx) noexcept nogil:
    sock_close(resting_at(u, idx).fd)
    resting_unlink(u, idx)


cdef void backsock_event(worker_t* w, udp_t* u, uint32_t idx, uint32_t gen) noexcept nogil:
    cdef uint32_t size = 0
    cdef uint32_t _turn
    cdef int got
    if idx >= u.resting.n_touched or not slab_is_taken(&u.resting, idx) or (resting_at(u, idx).gen & 0xffffff) != gen:
        count(&w.row.worker.stale_events, 1)
        return
    for _turn in range(RESTING_READS):
        w.udp_work.inward.n_parts = 0       # nothing is in it between two batches
        got = dgram_take(resting_at(u, idx).fd, &w.udp_work.inward, 1, &size)
        if got < 0:
            if _turn == 0:
                resting_close(u, idx)
            return
        count(&w.row.udp[u.id].from_backends, 1)
        count(&w.row.udp[u.id].drops[DROP_UNEXPECTED], 1)


cdef bint backsocks_expire(worker_t* w, udp_t* u, bint is_all) noexcept nogil:
    cdef uint32_t idx
    cdef uint32_t n = 0
    if u.rests == NULL or u.resting.n_taken == 0:
        return False
    for idx in range(u.resting.n_touched):
        if not slab_is_taken(&u.resting, idx):
            continue
        if is_all or w.now_ms - resting_at(u, idx).since_ms >= u.conf.idle_ms:
            resting_close(u, idx)
            n += 1
            if n == IDLE_SOCKETS:
                return True
    return False


cdef void backsocks_settle(worker_t* w, udp_t* u) noexcept nogil:
    cdef const snap_backend_t* b
    cdef uint32_t idx
    if u.rests == NULL or u.resting.n_taken == 0:
        return
    for idx in range(u.resting.n_touched):
        if slab_is_taken(&u.resting, idx):
            b = snapshot_backend(&w.snapshot, resting_at(u, idx).backend)
            if (
                b == NULL or not snapshot_serves(&w.snapshot, u.conf.pool, b.pool) or not u.conf.udp.is_reuse
                or u.is_transparent
            ):
                resting_close(u, idx)


# ---- opening and closing ----

cdef void backsock_close(worker_t* w, udp_t* u, flow_t* f) noexcept nogil:
    if f.fd < 0:
        return
    if f.flags & FLOW_BULK:
        count(&w.row.udp[u.id].kernel_drops, sock_drops(f.fd))
    sock_close(f.fd)
    w.port_flow[f.back_port] = 0
    f.fd = -1
    f.fd_gen += 1


cdef int backsock_tune(worker_t* w, udp_t* u, const flow_t* f) noexcept nogil:
    cdef const snap_pool_t* pool = snapshot_pool(&w.snapshot, u.conf.pool)
    if pool == NULL or not pool.is_transparent:
        return 0
    return sock_bind_transparent(f.fd, f.client_family, f.client_ip, f.client_port)


cdef int backsock_open(worker_t* w, udp_t* u, uint32_t idx, const snap_addr_t* addr) noexcept nogil:
    cdef flow_t* f = <flow_t*>flowtable_side(&u.flows, idx)
    cdef int status
    if resting_take(w, u, idx, f):
        return 0
    status = dgram_open((<const sockaddr*>addr.bytes).sa_family)
    if status < 0:
        return status
    f.fd = status
    status = backsock_tune(w, u, f)
    if status == 0:
        status = sock_connect(f.fd, addr.bytes, <uint16_t>addr.len_bytes)
    if status == 0:
        status = sock_name(f.fd, f.back_ip, &f.back_port)
    if status >= 0:
        status = poller_add_source(w.poller_fd, f.fd, tag_make(TAG_FLOW, 0, f.fd_gen, udp_index(u, idx)), False)
    if status < 0:
        sock_close(f.fd)
        f.fd = -1
        return status
    port_note(w, u, idx, f)
    return 0
