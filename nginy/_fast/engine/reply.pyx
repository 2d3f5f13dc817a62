"""Reply: what backends answer, batch by batch."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from nginy._fast.base.cdefs cimport (
    AF_INET, AF_INET6, EAGAIN, EMSGSIZE, ENOBUFS, htons, sockaddr_in, sockaddr_in6,
    sockaddr_storage, unlikely,
)
from nginy._fast.base.layout cimport CHECK_DNS
from nginy._fast.base.limits cimport DATAGRAM_BATCH, REPLIES_PER_EVENT
from nginy._fast.base.status cimport (
    DROP_SEND_ERROR, DROP_SEND_FULL, DROP_SEND_NOBUFS, DROP_UNEXPECTED, REASON_CLOSED,
    REASON_DRAIN_DEADLINE,
)
from nginy._fast.engine.flow cimport flow_answered, flow_at, flow_due, flow_end, flow_is_done, flow_refused, flow_touch
from nginy._fast.engine.flows cimport FLOW_ANSWERED, FLOW_BULK, FLOW_PLAIN_BACK, FLOW_UNCHECKED, flow_t, udp_t, udp_work_t
from nginy._fast.engine.stats cimport count
from nginy._fast.engine.types cimport BACK, listener_t, worker_t
from nginy._fast.mem.flowtable cimport flow_key_t, flowtable_is_taken
from nginy._fast.net.dgram cimport RUN_BYTES, batch_t, dgram_add, dgram_flush, dgram_is_full, dgram_send_parts, dgram_take
from nginy._fast.net.poller cimport POLL_BROKEN
from nginy._fast.net.sock cimport sock_error, sock_receive_room
from nginy._fast.wire.dns cimport dns_is_response, dns_question

cdef enum:
    BULK_ANSWERS = 8            # in one event
    BULK_ROOM_BYTES = 1048576   # of an upstream socket's queue then; the system's net.core.rmem_max is the bound


# ---- sending ----

cdef void message_drop(worker_t* w, udp_work_t* work, uint32_t message, uint32_t n, int status) noexcept nogil:
    cdef uint32_t drop = DROP_SEND_ERROR
    if status == -EAGAIN:
        drop = DROP_SEND_FULL
    elif status == -ENOBUFS:
        drop = DROP_SEND_NOBUFS
    count(&w.row.udp[work.out_udp].drops[drop], n)


# A message that the kernel did not take: a run goes datagram by datagram, and its flow sends no more runs.
cdef void message_failed(worker_t* w, udp_work_t* work, uint32_t message, int status) noexcept nogil:
    cdef uint32_t n = <uint32_t>work.outward.messages[message].msg_hdr.msg_iovlen
    cdef uint32_t n_lost = n
    if work.out_runs[message] and not dgram_is_full(status):
        flow_at(&w.udps[work.out_udp], work.out_flows[message]).flags |= FLOW_PLAIN_BACK
        n_lost = dgram_send_parts(work.out_fd, &work.outward, message, &status)
        count(&w.row.udp[work.out_udp].sends, n)
        count(&w.row.udp[work.out_udp].to_clients, n - n_lost)
    if n_lost:
        message_drop(w, work, message, n_lost, status)


cdef uint32_t messages_sent(worker_t* w, udp_work_t* work, uint32_t first, uint32_t n) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t n_parts = 0
    for i in range(first, first + n):
        n_parts += <uint32_t>work.outward.messages[i].msg_hdr.msg_iovlen
    count(&w.row.udp[work.out_udp].to_clients, n_parts)
    return first + n


cdef void replies_flush(worker_t* w) noexcept nogil:
    cdef udp_work_t* work = w.udp_work
    cdef uint32_t first = 0
    cdef bint is_retry = False
    cdef int got
    while first < work.outward.n_messages:
        got = dgram_flush(work.out_fd, &work.outward, first)
        count(&w.row.udp[work.out_udp].sends, 1)
        if got > 0:
            first = messages_sent(w, work, first, <uint32_t>got)
            is_retry = False
        elif dgram_is_full(got) and not is_retry:
            is_retry = True     # once more, then the rest is dropped
        elif dgram_is_full(got):
            while first < work.outward.n_messages:
                message_failed(w, work, first, got)
                first += 1
        else:
            message_failed(w, work, first, got)
            first += 1
    work.outward.n_messages = work.outward.n_parts = 0


# ---- gathering ----

cdef uint32_t name_fill(sockaddr_storage* to, udp_t* u, const flow_t* f, const flow_key_t* key, int family) noexcept nogil:
    cdef sockaddr_in6* six = <sockaddr_in6*>to
    cdef sockaddr_in* four = <sockaddr_in*>to
    if family == AF_INET:
        memset(four, 0, sizeof(sockaddr_in))
        four.sin_family = AF_INET
        four.sin_port = htons(<uint16_t>key.words[4])
        memcpy(&four.sin_addr, key.words, 4)
        return sizeof(sockaddr_in)
    memset(six, 0, sizeof(sockaddr_in6))
    six.sin6_family = AF_INET6
    six.sin6_port = htons(<uint16_t>key.words[4])
    memcpy(&six.sin6_addr, key.words, 16)
    six.sin6_scope_id = f.scope
    return sizeof(sockaddr_in6)


# n parts from the first free one on, as one message to the flow's client.
cdef void message_add(worker_t* w, udp_t* u, uint32_t idx, uint32_t n_parts, uint32_t size) noexcept nogil:
    cdef udp_work_t* work = w.udp_work
    cdef flow_t* f = flow_at(u, idx)
    cdef const flow_key_t* key = &u.flows.entries[idx].key
    cdef listener_t* l = &w.sockets[f.sock]
    cdef uint32_t at = work.outward.n_messages
    cdef uint32_t name_bytes = name_fill(&work.outward.names[at], u, f, key, l.family)
    cdef uint32_t local_bytes = 0
    if l.is_wildcard:
        local_bytes = 4 if l.family == AF_INET else 16
    work.out_flows[at] = idx
    work.out_runs[at] = n_parts > 1
    dgram_add(
        &work.outward, n_parts, name_bytes, <uint16_t>(size if n_parts > 1 else 0), <const uint8_t*>&key.words[2],
        local_bytes,
    )


# Whether this answer is for the client: its request's, where that can be told.
cdef bint is_expected(const udp_t* u, const flow_t* f, const uint8_t* p, uint32_t n_bytes) noexcept nogil:
    cdef uint16_t id = 0
    if u.conf.udp.is_reuse and u.conf.udp.responses == 0:
        return False            # nobody waits for one, and the socket has served others
    if u.conf.udp.check != CHECK_DNS or f.flags & FLOW_UNCHECKED:
        return True
    return dns_is_response(p, n_bytes) and dns_question(p, n_bytes, &id) == f.question and id == f.dns_id


# Got n answers, sizes beside them: messages of equal sizes, each a run where the way takes runs.
cdef uint32_t answers_add(worker_t* w, udp_t* u, uint32_t idx, uint32_t n, const uint32_t* sizes) noexcept nogil:
    cdef flow_t* f = flow_at(u, idx)
    cdef batch_t* b = &w.udp_work.outward
    cdef uint32_t first = b.n_parts
    cdef uint32_t n_run = 0         # gathered, not added yet
    cdef uint32_t run_size = 0
    cdef uint32_t run_bytes = 0
    cdef uint32_t n_kept = 0
    cdef uint64_t n_due = flow_due(u, f)
    cdef uint32_t k
    cdef bint is_kept, is_more
    for k in range(n):
        is_kept = n_kept < n_due and is_expected(u, f, <const uint8_t*>b.parts[first + k].iov_base, sizes[k])
        is_more = (
            is_kept and n_run != 0 and not f.flags & FLOW_PLAIN_BACK and sizes[k] <= run_size and sizes[k] != 0
            and run_bytes + sizes[k] <= RUN_BYTES and b.parts[first + k - 1].iov_len == run_size
        )
        if n_run and not is_more:
            message_add(w, u, idx, n_run, run_size)
            n_run = 0
        b.parts[first + k].iov_len = sizes[k]
        if not is_kept:
            b.n_parts += 1          # its buffer stays unused in this batch
            continue
        if n_run == 0:
            run_size = sizes[k]
            run_bytes = 0
        n_run += 1
        run_bytes += sizes[k]
        n_kept += 1
        f.bytes[BACK] += sizes[k]
        count(&w.row.listeners[u.id].bytes_out, sizes[k])
        count(&w.row.backends[f.backend].bytes_out, sizes[k])
    if n_run:
        message_add(w, u, idx, n_run, run_size)
    return n_kept


cdef void answers_take(worker_t* w, udp_t* u, uint32_t idx) noexcept nogil:
    cdef udp_work_t* work = w.udp_work
    cdef flow_t* f = flow_at(u, idx)
    cdef listener_t* l = &w.sockets[f.sock]
    cdef uint32_t sizes[REPLIES_PER_EVENT]
    cdef uint32_t n = f.quota
    cdef uint32_t this_turn = <uint32_t>w.row.worker.turns
    cdef uint32_t n_kept
    cdef int got
    if f.last_turn + 1 == this_turn:    # told again at once: more is there than was taken
        n = min(n * 2, <uint32_t>REPLIES_PER_EVENT)
    f.last_turn = this_turn
    if unlikely(l.fd <= 0 or l.id != u.id):     # its listener has gone
        flow_end(w, u, idx, REASON_DRAIN_DEADLINE)
        return
    if work.out_fd != l.fd or work.outward.n_parts + n > DATAGRAM_BATCH:
        replies_flush(w)
    work.out_fd = l.fd
    work.out_udp = u.id
    got = dgram_take(f.fd, &work.outward, n, sizes)
    if got < 0:
        if got != -EAGAIN and got != -EMSGSIZE:
            flow_refused(w, u, idx, -got)
        return
    count(&w.row.udp[u.id].receives, 1)
    count(&w.row.udp[u.id].from_backends, <uint64_t>got)
    f.quota = <uint8_t>max(got, 1)
    if unlikely(f.quota >= BULK_ANSWERS and not f.flags & FLOW_BULK):
        f.flags |= FLOW_BULK
        sock_receive_room(f.fd, BULK_ROOM_BYTES)
    n_kept = answers_add(w, u, idx, <uint32_t>got, sizes)
    if n_kept < <uint32_t>got:
        count(&w.row.udp[u.id].drops[DROP_UNEXPECTED], <uint32_t>got - n_kept)
    if n_kept == 0:
        return
    if not f.flags & FLOW_ANSWERED:
        flow_answered(w, u, idx)
    f.n_responses += n_kept
    flow_touch(w, u, idx)
    if flow_is_done(u, f):
        flow_end(w, u, idx, REASON_CLOSED)


cdef void reply_event(worker_t* w, udp_t* u, uint32_t idx, uint32_t fd_gen, uint32_t bits) noexcept nogil:
    cdef int error
    if unlikely(
        not u.is_open or not flowtable_is_taken(&u.flows, idx) or (flow_at(u, idx).fd_gen & 0xffffff) != fd_gen
        or flow_at(u, idx).fd < 0
    ):
        count(&w.row.worker.stale_events, 1)
        return
    if unlikely(bits & POLL_BROKEN):
        error = sock_error(flow_at(u, idx).fd)
        if error and error != EMSGSIZE:     # a smaller path is no refusal
            flow_refused(w, u, idx, error)
            return
    answers_take(w, u, idx)
