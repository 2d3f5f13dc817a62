"""Forward: datagrams of equal size leave as one run; what cannot be sent is dropped and counted."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from nginy._fast.base.cdefs cimport (
    AF_INET, ECONNREFUSED, EHOSTUNREACH, EINVAL, EIO, EMSGSIZE, ENETUNREACH, ENOBUFS, EOPNOTSUPP, iovec, likely,
    unlikely,
)
from nginy._fast.base.layout cimport PROXY_DATAGRAM, PROXY_OFF, snap_backend_t, snap_pool_t
from nginy._fast.base.limits cimport DATAGRAM_BATCH
from nginy._fast.base.status cimport (
    DROP_REFUSED, DROP_SEND_ERROR, DROP_SEND_FULL, DROP_SEND_NOBUFS, MISS_NO_ROOM, REASON_CLOSED, REASON_CONNECT_FAILED,
)
from nginy._fast.engine.ask cimport ask_cancel
from nginy._fast.engine.flow cimport flow_at, flow_end, flow_is_done, flow_move, flow_resume
from nginy._fast.engine.flows cimport FLOW_ASKING, FLOW_HEADED, FLOW_LIVE, FLOW_PLAIN, datagram_t, flow_t, udp_t
from nginy._fast.engine.held cimport held_add, held_close, held_read
from nginy._fast.engine.stats cimport count
from nginy._fast.engine.types cimport FRONT, listener_t, worker_t
from nginy._fast.net.dgram cimport RUN_BYTES, dgram_is_full, dgram_send, dgram_send_run
from nginy._fast.policy.snapshot cimport snapshot_backend, snapshot_pool
from nginy._fast.wire.proxy2 cimport PROXY2_MOST, proxy2_write

cdef struct run_t:              # what one call sends
    iovec parts[DATAGRAM_BATCH + 1]
    uint32_t n_parts
    uint32_t n                  # datagrams
    uint32_t n_bytes            # of payload
    uint16_t segment            # 0 = one datagram
    uint16_t next               # first one behind it


cdef inline void run_add(run_t* r, const datagram_t* d) noexcept nogil:
    r.parts[r.n_parts].iov_base = d.at
    r.parts[r.n_parts].iov_len = d.n_bytes
    r.n_parts += 1
    r.n += d.n
    r.n_bytes += d.n_bytes
    r.next = d.next


# Datagram i, and those behind it that may leave in the same call: as long as the first one, the last may be shorter.
cdef void run_gather(run_t* r, const datagram_t* all, uint32_t i, bint is_plain) noexcept nogil:
    cdef const datagram_t* d = &all[i]
    cdef uint32_t size = d.n_bytes
    r.n = r.n_bytes = r.n_parts = 0
    run_add(r, d)
    r.segment = <uint16_t>d.segment
    if is_plain or d.segment or size == 0:
        return
    while r.next != DATAGRAM_BATCH:
        d = &all[r.next]
        if d.segment or d.n_bytes > size or d.n_bytes == 0 or r.n_bytes + d.n_bytes > RUN_BYTES:
            break
        run_add(r, d)
        if d.n_bytes < size:
            break
    if r.n_parts > 1:
        r.segment = <uint16_t>size


# ---- PROXY header towards the backend ----

cdef uint32_t header_write(worker_t* w, udp_t* u, uint32_t idx, uint8_t* to) noexcept nogil:
    cdef flow_t* f = flow_at(u, idx)
    cdef const snap_backend_t* b = snapshot_backend(&w.snapshot, f.backend)
    cdef const snap_pool_t* pool = snapshot_pool(&w.snapshot, b.pool) if b != NULL else NULL
    cdef listener_t* l = &w.sockets[f.sock]
    cdef const uint8_t* local = <const uint8_t*>&u.flows.entries[idx].key.words[2]
    cdef uint8_t none[16]
    cdef int i
    if pool == NULL or pool.proxy_out == PROXY_OFF or (pool.proxy_out != PROXY_DATAGRAM and f.flags & FLOW_HEADED):
        return 0
    if not l.is_wildcard:
        local = l.ip
    if (f.client_family == 4) != (l.family == AF_INET):     # told by a PROXY header, and of the other family
        for i in range(16):
            none[i] = 0
        local = none
    return proxy2_write(to, f.client_family, f.client_ip, f.client_port, local, l.port)


# ---- sending ----

cdef void sent(worker_t* w, udp_t* u, flow_t* f, uint32_t n, uint32_t n_bytes) noexcept nogil:
    f.bytes[FRONT] += n_bytes
    count(&w.row.udp[u.id].to_backends, n)
    count(&w.row.listeners[u.id].bytes_in, n_bytes)
    count(&w.row.backends[f.backend].bytes_in, n_bytes)


cdef ssize_t one_send(worker_t* w, udp_t* u, uint32_t idx, uint8_t* at, uint32_t n) noexcept nogil:
    cdef flow_t* f = flow_at(u, idx)
    cdef uint8_t header[PROXY2_MOST]
    cdef iovec two[2]
    cdef ssize_t status
    if likely(not u.is_headed):
        return dgram_send(f.fd, at, n)
    two[0].iov_base = header
    two[0].iov_len = header_write(w, u, idx, header)
    two[1].iov_base = at
    two[1].iov_len = n
    status = dgram_send_run(f.fd, two, 2, 0)
    if status >= 0:
        f.flags |= FLOW_HEADED
    return status


# A run that was received as one, where none can be sent: datagram by datagram. What went is taken off the run.
cdef ssize_t send_apart(worker_t* w, udp_t* u, uint32_t idx, run_t* r) noexcept nogil:
    cdef uint8_t* at
    cdef uint32_t n
    cdef ssize_t status
    while r.n_bytes:
        n = min(r.n_bytes, <uint32_t>r.segment)
        at = <uint8_t*>r.parts[0].iov_base
        status = one_send(w, u, idx, at, n)
        if status < 0:
            return status
        sent(w, u, flow_at(u, idx), 1, n)
        r.parts[0].iov_base = at + n
        r.n_bytes -= n
        r.n -= 1
    return 0


cdef ssize_t run_send(worker_t* w, udp_t* u, uint32_t idx, run_t* r) noexcept nogil:
    count(&w.row.udp[u.id].sends, 1)
    if not r.segment:
        return one_send(w, u, idx, <uint8_t*>r.parts[0].iov_base, r.n_bytes)
    if u.is_headed or flow_at(u, idx).flags & FLOW_PLAIN:
        return send_apart(w, u, idx, r)
    return dgram_send_run(flow_at(u, idx).fd, r.parts, r.n_parts, r.segment)


# No runs on this way: the datagrams are larger than its packets, or its device cannot split them.
cdef inline bint is_no_run(ssize_t status) noexcept nogil:
    return status == -EINVAL or status == -EMSGSIZE or status == -EIO or status == -EOPNOTSUPP


cdef inline bint is_backend_lost(ssize_t status) noexcept nogil:
    return status == -ECONNREFUSED or status == -EHOSTUNREACH or status == -ENETUNREACH


cdef void run_lost(worker_t* w, udp_t* u, const run_t* r, uint32_t drop) noexcept nogil:
    count(&w.row.udp[u.id].drops[drop], r.n)


# No backend is left for this flow: the rest of the chain goes with it.
cdef void chain_lost(
    worker_t* w, udp_t* u, uint32_t idx, const datagram_t* all, uint32_t i, uint32_t drop
) noexcept nogil:
    while i != DATAGRAM_BATCH:
        count(&w.row.udp[u.id].drops[drop], all[i].n)
        i = all[i].next
    if flow_at(u, idx).flags & FLOW_LIVE:
        flow_end(w, u, idx, REASON_CONNECT_FAILED)


# Keep the chain until the answer comes. What does not fit any more is why nobody waits longer.
cdef void chain_hold(worker_t* w, udp_t* u, uint32_t idx, const datagram_t* all, uint32_t i) noexcept nogil:
    cdef flow_t* f = flow_at(u, idx)
    while i != DATAGRAM_BATCH and held_add(w, f, &all[i]):
        i = all[i].next
    if i == DATAGRAM_BATCH:
        return
    ask_cancel(w, f.ticket, MISS_NO_ROOM)
    held_send(w, u, idx, -1)
    if f.flags & FLOW_LIVE:
        flow_forward(w, u, idx, all, i)
    else:
        chain_lost(w, u, idx, all, i, DROP_REFUSED)


# What was held, to the backend that was chosen (or -1). True: all of it is on its way.
cdef bint held_send(worker_t* w, udp_t* u, uint32_t idx, int at) noexcept nogil:
    cdef flow_t* f = flow_at(u, idx)
    cdef flow_t was = f[0]          # the flow may ask again, and needs another buffer then
    cdef datagram_t held[DATAGRAM_BATCH]
    cdef uint32_t n = held_read(w, f, held)
    cdef uint32_t drop = flow_resume(w, u, idx, at, held if n else NULL)
    cdef bint is_sent = False
    if drop:
        chain_lost(w, u, idx, held, 0 if n else DATAGRAM_BATCH, drop - 1)
    elif n:
        is_sent = chain_send(w, u, idx, held, 0)
    held_close(w, &was)
    return is_sent


cdef void flow_chosen(worker_t* w, udp_t* u, uint32_t idx, int at) noexcept nogil:
    if held_send(w, u, idx, at) and flow_is_done(u, flow_at(u, idx)):
        flow_end(w, u, idx, REASON_CLOSED)


cdef void flow_forward(worker_t* w, udp_t* u, uint32_t idx, const datagram_t* all, uint32_t i) noexcept nogil:
    if chain_send(w, u, idx, all, i) and flow_is_done(u, flow_at(u, idx)):
        flow_end(w, u, idx, REASON_CLOSED)


# True: all of the chain has been sent, or dropped on its way. False: the flow is over, or waits for an answer.
cdef bint chain_send(worker_t* w, udp_t* u, uint32_t idx, const datagram_t* all, uint32_t i) noexcept nogil:
    cdef flow_t* f = flow_at(u, idx)
    cdef uint32_t drop
    cdef ssize_t status
    cdef run_t run
    f.batch = 0
    if unlikely(f.flags & FLOW_ASKING):
        chain_hold(w, u, idx, all, i)
        return False
    while i != DATAGRAM_BATCH:
        run_gather(&run, all, i, u.is_headed or f.flags & FLOW_PLAIN)
        status = run_send(w, u, idx, &run)
        if dgram_is_full(status) or status == -EMSGSIZE:      # which may be an earlier one's, told by ICMP
            status = run_send(w, u, idx, &run)
        if likely(status >= 0):
            sent(w, u, f, run.n, run.n_bytes)
        elif is_backend_lost(status):
            drop = flow_move(w, u, idx, <int>-status)
            if drop:
                chain_lost(w, u, idx, all, i, drop - 1)
                return False
            if unlikely(f.flags & FLOW_ASKING):
                chain_hold(w, u, idx, all, i)
                return False
            continue            # the same ones, to the next backend
        elif run.segment and is_no_run(status) and not f.flags & FLOW_PLAIN:
            f.flags |= FLOW_PLAIN
            continue
        elif dgram_is_full(status):
            run_lost(w, u, &run, DROP_SEND_NOBUFS if status == -ENOBUFS else DROP_SEND_FULL)
        else:
            run_lost(w, u, &run, DROP_SEND_ERROR)
        i = run.next
    return True
