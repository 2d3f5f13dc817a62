"""Datagram: what clients send, batch by batch."""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from nginy._fast.base.cdefs cimport AF_INET, likely, ntohs, sockaddr_in, sockaddr_in6, sockaddr_storage, unlikely
from nginy._fast.base.board cimport udp_row_t
from nginy._fast.base.layout cimport CHECK_DNS, KEY_BYTES
from nginy._fast.base.limits cimport BATCHES_PER_EVENT, DATAGRAM_BATCH, EVENTS_PER_TURN
from nginy._fast.base.status cimport DROP_BANDWIDTH, DROP_DATAGRAM_RATE, DROP_PROXY_HEADER, DROP_TRUNCATED
from nginy._fast.engine.binding cimport binding_note
from nginy._fast.engine.flow cimport flow_at, flow_open, flow_touch
from nginy._fast.engine.flows cimport FLOW_ANSWERED, datagram_t, flow_t, newcomer_t, udp_t, udp_work_t
from nginy._fast.engine.forward cimport flow_forward
from nginy._fast.engine.meter cimport meter_take
from nginy._fast.engine.reply cimport replies_flush
from nginy._fast.engine.stats cimport count
from nginy._fast.engine.types cimport listener_t, worker_t
from nginy._fast.mem.flowtable cimport FLOW_NONE, flow_key_t, flowtable_find, flowtable_find_many, flowtable_park
from nginy._fast.mem.hash cimport hash_bytes
from nginy._fast.net.dgram cimport arrival_t, batch_t, dgram_arrival, dgram_receive
from nginy._fast.policy.key cimport key_extract, key_slice, key_t, visit_t
from nginy._fast.wire.dns cimport dns_question
from nginy._fast.wire.proxy2 cimport proxied_t, proxy2_is_trusted, proxy2_read

cdef enum:
    BANDWIDTH_LEAST = 65536     # bytes that may come at once, whatever the rate: one datagram of any size
    RATE_LEAST = DATAGRAM_BATCH


cdef void datagrams_note(worker_t* w, uint32_t sock_id) noexcept nogil:
    cdef listener_t* l = &w.sockets[sock_id]
    if l.is_pending or w.udp_work == NULL or w.udp_work.n_pending == EVENTS_PER_TURN:
        return
    l.is_pending = 1
    w.udp_work.pending[w.udp_work.n_pending] = sock_id
    w.udp_work.n_pending += 1


# ---- reading a batch ----

# Five words: the client's address, the address that was asked, both ports, and what else tells flows apart.
cdef void key_fill(
    flow_key_t* key, udp_t* u, const listener_t* l, const sockaddr_storage* from_, const arrival_t* a, datagram_t* d
) noexcept nogil:
    cdef const sockaddr_in6* six = <const sockaddr_in6*>from_
    cdef uint64_t more = 0
    cdef key_t what
    memset(key, 0, sizeof(flow_key_t))
    d.scope = 0
    if from_.ss_family == AF_INET:
        memcpy(key.words, &(<const sockaddr_in*>from_).sin_addr, 4)
        key.words[4] = ntohs((<const sockaddr_in*>from_).sin_port)
    else:
        memcpy(key.words, &six.sin6_addr, 16)
        key.words[4] = ntohs(six.sin6_port)
        more = d.scope = six.sin6_scope_id
    if a.local_bytes:
        memcpy(&key.words[2], a.local, a.local_bytes)
    if u.conf.udp.key.kind == KEY_BYTES:        # one client may speak for many keys, each a flow of its own
        key_slice(&what, d.at, d.n_bytes, u.conf.udp.key.offset, u.conf.udp.key.n_bytes)
        more ^= <uint32_t>hash_bytes(what.at, what.n, what.n)
    key.words[4] |= <uint64_t>l.port << 16 | more << 32


# A trusted sender's PROXY header is taken off; whom it names is noted. False: it cannot be read.
cdef bint proxied_read(worker_t* w, udp_t* u, uint32_t i, datagram_t* d, proxied_t* who) noexcept nogil:
    cdef const sockaddr_storage* from_ = &w.udp_work.inward.names[i]
    cdef bint is_four = from_.ss_family == AF_INET
    cdef const uint8_t* ip = <const uint8_t*>&(<const sockaddr_in6*>from_).sin6_addr
    cdef int got
    if is_four:
        ip = <const uint8_t*>&(<const sockaddr_in*>from_).sin_addr
    if not proxy2_is_trusted(w.snapshot.nets + u.conf.udp.first_net, u.conf.udp.n_nets, ip, is_four):
        return True
    got = proxy2_read(d.at, d.n_bytes, who)
    if got < 0:
        return False
    d.at += got
    d.n_bytes -= <uint32_t>got
    return True


# One message of the batch. False: it goes no further.
cdef bint datagram_read(
    worker_t* w, udp_t* u, listener_t* l, uint32_t i, datagram_t* d, arrival_t* a, proxied_t* who
) noexcept nogil:
    cdef batch_t* b = &w.udp_work.inward
    cdef udp_row_t* row = &w.row.udp[u.id]
    dgram_arrival(b, i, a)
    d.at = <uint8_t*>b.parts[i].iov_base
    d.n_bytes = b.messages[i].msg_len
    d.segment = a.segment if a.segment < d.n_bytes else 0
    d.n = <uint16_t>((d.n_bytes + d.segment - 1) // d.segment) if d.segment else 1
    count(&row.from_clients, d.n)
    if unlikely(a.has_overflow and <int32_t>(a.overflow - l.overflow) > 0):
        count(&row.kernel_drops, <uint32_t>(a.overflow - l.overflow))
        l.overflow = a.overflow
    if unlikely(a.is_truncated):
        count(&row.drops[DROP_TRUNCATED], d.n)
        return False
    if u.conf.udp.datagram_rate and not meter_take(
        &u.datagram_meter, u.conf.udp.datagram_rate, RATE_LEAST, d.n, w.now_ms
    ):
        count(&row.drops[DROP_DATAGRAM_RATE], d.n)
        return False
    if u.conf.udp.bandwidth and not meter_take(&u.byte_meter, u.conf.udp.bandwidth, BANDWIDTH_LEAST, d.n_bytes, w.now_ms):
        count(&row.drops[DROP_BANDWIDTH], d.n)
        return False
    who.family = 0
    if u.conf.udp.n_nets and not proxied_read(w, u, i, d, who):
        count(&row.drops[DROP_PROXY_HEADER], d.n)
        return False
    return True


# ---- flows ----

cdef void visit_fill(visit_t* v, worker_t* w, const udp_t* u, const listener_t* l, uint32_t i) noexcept nogil:
    cdef const udp_work_t* work = w.udp_work
    cdef const flow_key_t* key = &work.keys[i]
    cdef const proxied_t* who = &work.proxied[i]
    memset(v, 0, sizeof(visit_t))
    v.local_family = 4 if l.family == AF_INET else 6
    memcpy(v.ip, key.words, 16)
    v.port = <uint16_t>key.words[4]
    v.family = v.local_family
    if who.family:
        memcpy(v.ip, who.ip, 16)
        v.port = who.port
        v.family = who.family
    memcpy(v.local_ip, l.ip, 16)
    if work.arrivals[i].local_bytes:
        memcpy(v.local_ip, &key.words[2], 16)
    v.local_port = l.port
    v.listener = u.id
    v.listener_hash = u.conf.name_hash
    v.bytes = work.datagrams[i].at
    v.n_bytes = work.datagrams[i].n_bytes


cdef void newcomer_fill(newcomer_t* n, worker_t* w, udp_t* u, const listener_t* l, uint32_t i) noexcept nogil:
    cdef const udp_work_t* work = w.udp_work
    cdef const flow_key_t* key = &work.keys[i]
    n.key = key
    n.hash = work.hashes[i]
    n.sock = l.timer.idx
    n.scope = work.datagrams[i].scope
    visit_fill(&n.visit, w, u, l, i)
    n.what.n = 0
    if u.is_keyed:
        key_extract(&n.what, &u.conf.udp.key, &n.visit)
        n.visit.session = &n.what
    n.question = 0
    n.dns_id = 0
    if u.conf.udp.check == CHECK_DNS:   # each request is a flow of its own then
        n.question = dns_question(work.datagrams[i].at, work.datagrams[i].n_bytes, &n.dns_id)


# Send what has been gathered so far. A flow that ended meanwhile has no chain any more.
cdef void batch_forward(worker_t* w, udp_t* u) noexcept nogil:
    cdef udp_work_t* work = w.udp_work
    cdef uint32_t i
    for i in range(work.n_touched):
        if flow_at(u, work.touched[i]).batch == work.number:
            flow_forward(w, u, work.touched[i], work.datagrams, flow_at(u, work.touched[i]).first)
    work.n_touched = 0
    work.number += 1
    if unlikely(work.number == 0):      # which means: in no batch
        work.number = 1


# The flow of datagram i, opened if there is none. FLOW_NONE: dropped and counted.
cdef uint32_t flow_of(worker_t* w, udp_t* u, listener_t* l, uint32_t i) noexcept nogil:
    cdef udp_work_t* work = w.udp_work
    cdef uint32_t idx = work.found[i]
    cdef newcomer_t n
    cdef uint32_t drop = 0
    if work.is_changed:
        idx = flowtable_find(&u.flows, &work.keys[i], work.hashes[i])
    if likely(idx != FLOW_NONE and not u.is_keyed):
        return idx
    newcomer_fill(&n, w, u, l, i)
    if idx != FLOW_NONE:
        if flow_at(u, idx).flags & FLOW_ANSWERED:   # else a stranger could bind whatever it likes
            binding_note(w, u, flow_at(u, idx), &n.what, False)
        return idx
    if u.flows.n_taken == u.flows.cap or w.n_flows >= w.flows_max:  # one of them has to go: not with datagrams of this batch
        batch_forward(w, u)
    work.is_changed = 1
    idx = flow_open(w, u, &n, &drop)
    if idx == FLOW_NONE:
        count(&w.row.udp[u.id].drops[drop], work.datagrams[i].n)
    return idx


# Hang datagram i behind the others of its flow in this batch.
cdef void flow_chain(worker_t* w, udp_t* u, uint32_t idx, uint32_t i) noexcept nogil:
    cdef udp_work_t* work = w.udp_work
    cdef flow_t* f = flow_at(u, idx)
    work.datagrams[i].next = DATAGRAM_BATCH
    if f.batch == work.number:
        work.datagrams[f.last].next = <uint16_t>i
    else:
        f.batch = work.number
        f.first = <uint16_t>i
        work.touched[work.n_touched] = idx
        work.n_touched += 1
    f.last = <uint16_t>i
    f.n_requests += work.datagrams[i].n
    flow_touch(w, u, idx)
    if u.conf.udp.requests and f.n_requests >= u.conf.udp.requests:
        flowtable_park(&u.flows, idx)   # the next one begins a new flow
        work.is_changed = 1


cdef void batch_run(worker_t* w, udp_t* u, listener_t* l, uint32_t n) noexcept nogil:
    cdef udp_work_t* work = w.udp_work
    cdef uint32_t i, idx
    cdef uint32_t n_kept = 0
    work.is_changed = 0
    for i in range(n):
        if datagram_read(w, u, l, i, &work.datagrams[n_kept], &work.arrivals[n_kept], &work.proxied[n_kept]):
            key_fill(
                &work.keys[n_kept], u, l, &work.inward.names[i], &work.arrivals[n_kept], &work.datagrams[n_kept]
            )
            n_kept += 1
    flowtable_find_many(&u.flows, work.keys, n_kept, work.hashes, work.found)
    for i in range(n_kept):
        idx = flow_of(w, u, l, i)
        if idx != FLOW_NONE:
            flow_chain(w, u, idx, i)
    batch_forward(w, u)


# ---- sockets ----

cdef void socket_serve(worker_t* w, udp_t* u, listener_t* l, uint32_t n_batches) noexcept nogil:
    cdef uint32_t _turn
    cdef uint32_t n = l.quota if l.quota else DATAGRAM_BATCH
    cdef int got = 0
    for _turn in range(n_batches):
        got = dgram_receive(l.fd, &w.udp_work.inward, n)
        if got <= 0:
            break
        count(&w.row.udp[u.id].receives, 1)
        batch_run(w, u, l, <uint32_t>got)
        if <uint32_t>got < n:
            break
        n = DATAGRAM_BATCH
    if got > 0:
        l.quota = <uint8_t>min(max(got * 2, 4), DATAGRAM_BATCH)


cdef void datagrams_serve(worker_t* w) noexcept nogil:
    cdef udp_work_t* work = w.udp_work
    cdef uint32_t i
    cdef listener_t* l
    replies_flush(w)
    for i in range(work.n_pending):
        l = &w.sockets[work.pending[i]]
        l.is_pending = 0
        if l.fd > 0 and l.is_served and w.udps[l.id].is_open:
            socket_serve(w, &w.udps[l.id], l, max(BATCHES_PER_EVENT // work.n_pending, <uint32_t>1))
    work.n_pending = 0
