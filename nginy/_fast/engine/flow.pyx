"""Flow: a client's datagrams and the answers to them, tied to one backend."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from nginy._fast.base.cdefs cimport (
    AF_INET, EADDRINUSE, EADDRNOTAVAIL, EAGAIN, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, NGY_CHECK, likely, ngy_add32,
    ngy_sub32, unlikely,
)
from nginy._fast.base.layout cimport CHECK_DNS, NO_BOUND, NO_INDEX, snap_backend_t, snap_pool_t
from nginy._fast.base.letter cimport RELEASE_ATTEMPT, RELEASE_SESSION
from nginy._fast.base.limits cimport EVICT_LOOKS, FLOW_TICK_SHIFT, FLOWS_EXPIRED_PER_TURN
from nginy._fast.base.status cimport (
    DROP_BACKENDS_FULL, DROP_DRAINING, DROP_FLOW_RATE, DROP_LOOP, DROP_NO_BACKEND, DROP_NO_DESCRIPTOR, DROP_NO_PORT,
    DROP_REFUSED, DROP_SESSION_LIMIT, DROP_TABLE_FULL, OUTCOME_ABANDONED, OUTCOME_CONNECTED, OUTCOME_LOCAL_ERROR,
    OUTCOME_REFUSED, OUTCOME_TIMEOUT, OUTCOME_UNREACHABLE, REASON_BACKENDS_FULL, REASON_BACK_RESET,
    REASON_CLOSED, REASON_CONNECT_FAILED, REASON_EVICTED, REASON_IDLE,
)
from nginy._fast.engine.ask cimport (
    ask_abandon, ask_post, ask_refused, ask_release, asking_t, ended_begin, ended_t,
)
from nginy._fast.engine.backsock cimport backsock_close, backsock_is_loop, backsock_open, backsock_rest
from nginy._fast.engine.binding cimport binding_backend, binding_move, binding_note, bindings_expire
from nginy._fast.engine.flows cimport (
    FLOW_ANSWERED, FLOW_ASKING, FLOW_BULK, FLOW_HEADED, FLOW_KEYED, FLOW_LEASED, FLOW_LIVE, FLOW_OWN, FLOW_UNCHECKED,
    datagram_t, flow_t, newcomer_t, udp_t,
)
from nginy._fast.engine.held cimport held_close, held_count, held_open
from nginy._fast.engine.lease cimport lease_begin, lease_choose, lease_end
from nginy._fast.engine.meter cimport meter_take, source_admit, source_release, sources_expire
from nginy._fast.engine.stats cimport count, stats_accepted, stats_access, stats_ended, stats_outcome
from nginy._fast.engine.types cimport BACK, FRONT, listener_t, now_tick, session_side_t, session_t, worker_t
from nginy._fast.mem.buffers cimport NO_BUFFER
from nginy._fast.mem.clock cimport clock_us
from nginy._fast.mem.flowtable cimport (
    FLOW_NONE, flowtable_add, flowtable_assure, flowtable_expire, flowtable_oldest, flowtable_remove,
)
from nginy._fast.policy.choose cimport attempt_t, chooser_distrust, chooser_distrusts, chooser_spent, policy_member
from nginy._fast.policy.key cimport key_extract, key_server, key_t, visit_hash, visit_t
from nginy._fast.policy.snapshot cimport snapshot_backend, snapshot_pool, snapshot_serves

# ---- choosing ----

# A backend that a key names, if it may be used: its position in the snapshot, its lease taken; else -1.
cdef int named_candidate(worker_t* w, udp_t* u, flow_t* f, uint32_t backend) noexcept nogil:
    cdef const snap_backend_t* b = snapshot_backend(&w.snapshot, backend) if backend != NO_INDEX else NULL
    if b == NULL or not b.is_usable or not snapshot_serves(&w.snapshot, u.conf.pool, b.pool) or f.n_tried:
        return -1
    if chooser_distrusts(&w.chooser, backend, w.now_ms) or not lease_begin(w, backend, b.max_conns):
        return -1
    return <int>w.snapshot.backend_at[backend]


# What a key names comes before the policy. Position in the snapshot, its lease taken; else -1.
cdef int flow_named(worker_t* w, udp_t* u, flow_t* f, const newcomer_t* n) noexcept nogil:
    cdef int at
    if n == NULL:
        return -1
    at = named_candidate(w, u, f, key_server(&u.conf.udp, w.snapshot.cids + u.conf.udp.first_cid, &n.what))
    return at if at >= 0 else named_candidate(w, u, f, binding_backend(u, &n.what))


cdef void flow_attempt(worker_t* w, const flow_t* f, attempt_t* attempt, const visit_t* visit) noexcept nogil:
    attempt.visit = visit
    attempt.key_hash = f.key_hash
    attempt.is_hashed = visit == NULL or f.key_hash != 0
    attempt.now_ms = w.now_ms
    attempt.n_tried = f.n_tried
    memcpy(attempt.tried, f.tried, sizeof(f.tried))


# What the native policy of this pool chooses, which is the listener's or a member of it; then the whole group. Its lease is
# taken. Position in the snapshot, or -reason.
cdef int flow_candidate(worker_t* w, udp_t* u, flow_t* f, const newcomer_t* n, uint32_t pool) noexcept nogil:
    cdef attempt_t attempt
    cdef int at
    flow_attempt(w, f, &attempt, &n.visit if n != NULL else NULL)
    at = lease_choose(w, pool, &attempt)
    if unlikely(at < 0 and pool != u.conf.pool):
        at = lease_choose(w, u.conf.pool, &attempt)
    if attempt.is_hashed:
        f.key_hash = attempt.key_hash
    return at


# Whose turn it is among the members of the listener's pool; the pool itself when none of them has anybody.
cdef uint32_t flow_member(worker_t* w, udp_t* u, flow_t* f, const newcomer_t* n) noexcept nogil:
    cdef attempt_t attempt
    cdef uint32_t member
    flow_attempt(w, f, &attempt, NULL)
    member = policy_member(&w.chooser, &w.snapshot, u.conf.pool, &attempt)
    if n != NULL:
        f.key_hash = 0              # each has a key of its own
    return u.conf.pool if member == NO_INDEX else member


# What is known of a flow's client without a datagram at hand.
cdef void flow_visit(worker_t* w, udp_t* u, uint32_t idx, visit_t* v) noexcept nogil:
    cdef flow_t* f = flow_at(u, idx)
    cdef const listener_t* l = &w.sockets[f.sock]
    memset(v, 0, sizeof(visit_t))
    memcpy(v.ip, f.client_ip, 16)
    v.port = f.client_port
    v.family = f.client_family
    v.local_family = 4 if l.family == AF_INET else 6
    v.local_port = l.port
    memcpy(v.local_ip, &u.flows.entries[idx].key.words[2] if l.is_wildcard else <const uint64_t*>l.ip, 16)
    v.listener = u.id
    v.listener_hash = u.conf.name_hash


# Another pool is asked from now on: for the one before, the visit is over.
cdef void flow_leave(worker_t* w, flow_t* f) noexcept nogil:
    cdef ended_t e
    if f.visit:
        ended_begin(&e, f.visit, f.asked)
        ask_release(w, &e)
    f.visit = 0
    f.flags &= ~<uint32_t>FLOW_KEYED


# Ask a class in Python for a backend, or for a key, if there is one to ask. True: the flow's datagrams wait for the answer.
# chosen: the pool whose native policy else chooses, the listener's or a member of it.
cdef bint flow_ask(worker_t* w, udp_t* u, uint32_t idx, const newcomer_t* n, uint32_t* chosen) noexcept nogil:
    cdef const snap_pool_t* pool = snapshot_pool(&w.snapshot, u.conf.pool)
    cdef flow_t* f = flow_at(u, idx)
    cdef visit_t visit
    chosen[0] = u.conf.pool
    if likely(pool == NULL or pool.deadline_ms == 0):
        return False
    if pool.members.n:
        chosen[0] = flow_member(w, u, f, n)
        pool = snapshot_pool(&w.snapshot, chosen[0])
        if pool.members.n or pool.deadline_ms == 0:
            return False
    if f.asked != pool.id:
        flow_leave(w, f)
    f.asked = <uint16_t>pool.id
    f.flags &= ~<uint32_t>FLOW_OWN
    if f.flags & FLOW_KEYED:        # once for all attempts
        return False
    if not held_open(w, f):
        ask_refused(w, pool.id)
        return False
    if n != NULL:
        f.key_hash = visit_hash(&pool.key, &n.visit)    # the fallback's, when the datagram is gone
        return flow_wait(w, u, idx, pool, &n.visit)
    flow_visit(w, u, idx, &visit)
    return flow_wait(w, u, idx, pool, &visit)


# True: its datagrams wait for an answer.
cdef bint flow_wait(worker_t* w, udp_t* u, uint32_t idx, const snap_pool_t* pool, const visit_t* visit) noexcept nogil:
    cdef flow_t* f = flow_at(u, idx)
    cdef asking_t asking
    asking.pool = pool
    asking.visit = visit
    asking.idx = idx
    asking.udp = u.id
    asking.attempt = f.n_tried
    asking.visit_ticket = f.visit
    f.ticket = ask_post(w, &asking)
    if f.ticket == 0:
        held_close(w, f)
        return False
    if f.visit == 0 and not pool.asks_key:
        f.visit = f.ticket
    f.flags |= FLOW_ASKING
    return True


cdef void flow_release(worker_t* w, udp_t* u, const flow_t* f, uint32_t kind, uint32_t code, bint is_last) noexcept nogil:
    cdef ended_t e
    if likely(f.visit == 0):
        return
    e.visit = f.visit
    e.bytes_in = f.bytes[FRONT]
    e.bytes_out = f.bytes[BACK]
    e.session_ms = w.now_ms - f.start_ms
    e.connect_us = f.answer_us
    e.pool = f.asked
    e.backend = f.backend if f.flags & FLOW_LEASED else NO_INDEX
    e.kind = kind
    e.code = code
    e.is_own = f.flags & FLOW_OWN != 0
    e.is_last = is_last
    ask_release(w, &e)


cdef uint32_t flow_outcome(int error) noexcept nogil:
    if error == EHOSTUNREACH or error == ENETUNREACH:
        return OUTCOME_UNREACHABLE
    if error == ECONNREFUSED:
        return OUTCOME_REFUSED
    return OUTCOME_LOCAL_ERROR      # descriptors, memory, ports, rights: no fault of the backend's


# connect(2) and bind(2) when every source port towards this address is taken.
cdef inline bint is_no_port(int error) noexcept nogil:
    return error == EADDRNOTAVAIL or error == EADDRINUSE or error == EAGAIN


cdef void attempt_lost(worker_t* w, udp_t* u, flow_t* f, uint32_t outcome) noexcept nogil:
    stats_outcome(w, f.backend, outcome, 0)
    flow_release(w, u, f, RELEASE_ATTEMPT, outcome, False)
    if outcome != OUTCOME_LOCAL_ERROR:
        chooser_distrust(&w.chooser, f.backend, w.now_ms)
    if f.flags & FLOW_LEASED:
        lease_end(w, f.backend)
    f.flags &= ~<uint32_t>FLOW_LEASED


# Candidates in turn until one has a socket, or a class is asked about the next. 0, or 1 + drop_t. at: the first one, its
# lease taken, or -1; pool: the one that has had its say about it, or NO_INDEX. n: NULL without a first datagram.
cdef uint32_t flow_reach(worker_t* w, udp_t* u, uint32_t idx, const newcomer_t* n, int at, uint32_t pool) noexcept nogil:
    cdef flow_t* f = flow_at(u, idx)
    cdef int status
    while f.n_tried <= u.conf.retries:
        if at < 0:
            at = flow_named(w, u, f, n)
        if at < 0 and pool == NO_INDEX and flow_ask(w, u, idx, n, &pool):
            return 0
        if at < 0:
            at = flow_candidate(w, u, f, n, pool)
        if at < 0:
            return 1 + (DROP_BACKENDS_FULL if at == -REASON_BACKENDS_FULL else DROP_NO_BACKEND)
        f.backend = w.snapshot.backends[at].id
        f.tried[f.n_tried] = <uint16_t>f.backend
        f.n_tried += 1
        f.flags |= FLOW_LEASED
        f.attempt_us = clock_us()
        status = backsock_open(w, u, idx, &w.snapshot.addrs[at])
        if status == 0:
            return 0
        attempt_lost(w, u, f, flow_outcome(-status))
        at = -1
        pool = NO_INDEX
        if flow_outcome(-status) == OUTCOME_LOCAL_ERROR:
            return 1 + (DROP_NO_PORT if is_no_port(-status) else DROP_NO_DESCRIPTOR)
    return 1 + DROP_REFUSED


# ---- opening ----

# An entry for the newcomer; in a full table the oldest flow without an answer makes room.
cdef uint32_t flow_entry(worker_t* w, udp_t* u, const newcomer_t* n) noexcept nogil:
    cdef uint32_t idx = FLOW_NONE
    cdef uint32_t old
    if likely(w.n_flows < w.flows_max):
        idx = flowtable_add(&u.flows, n.key, n.hash, now_tick(w))
    if unlikely(idx == FLOW_NONE):
        old = flowtable_oldest(&u.flows, EVICT_LOOKS)
        if old == FLOW_NONE:
            return FLOW_NONE
        flow_end(w, u, old, REASON_EVICTED)
        idx = flowtable_add(&u.flows, n.key, n.hash, now_tick(w))
    return idx


cdef void flow_begin(worker_t* w, udp_t* u, uint32_t idx, const newcomer_t* n) noexcept nogil:
    cdef flow_t* f = flow_at(u, idx)
    cdef uint32_t fd_gen = f.fd_gen
    memset(f, 0, sizeof(flow_t))
    f.fd = -1
    f.fd_gen = fd_gen + 1
    f.sock = n.sock
    f.source = FLOW_NONE
    f.binding = FLOW_NONE
    f.backend = NO_INDEX
    f.start_ms = w.now_ms
    f.client_port = n.visit.port
    f.client_family = n.visit.family
    f.scope = n.scope
    f.quota = 1
    f.held = NO_BUFFER
    f.question = n.question
    f.dns_id = n.dns_id
    if u.conf.udp.check == CHECK_DNS and n.question == 0:
        f.flags = FLOW_UNCHECKED
    memcpy(f.client_ip, n.visit.ip, 16)


# A flow may have to choose again when its first datagram is gone.
cdef void flow_key(worker_t* w, udp_t* u, flow_t* f, const newcomer_t* n) noexcept nogil:
    cdef const snap_pool_t* pool = snapshot_pool(&w.snapshot, u.conf.pool)
    if f.key_hash == 0 and pool != NULL:
        f.key_hash = visit_hash(&pool.key, &n.visit)


# Everything that is asked before a socket is made. 0 and the session counted in, or 1 + drop_t.
cdef uint32_t flow_admit(worker_t* w, udp_t* u, const newcomer_t* n, uint32_t* source) noexcept nogil:
    cdef uint32_t refused
    if u.is_leaving:
        return 1 + DROP_DRAINING
    if unlikely(backsock_is_loop(w, n)):
        return 1 + DROP_LOOP
    refused = source_admit(w, u, n, source)
    if refused:
        return refused
    if u.conf.udp.flow_rate and not meter_take(&u.flow_meter, u.conf.udp.flow_rate, 1, 1, w.now_ms):
        source_release(u, source[0])
        return 1 + DROP_FLOW_RATE
    if ngy_add32(&w.shared.sessions[u.id], 1) >= u.conf.max_sessions and u.conf.max_sessions:
        ngy_sub32(&w.shared.sessions[u.id], 1)
        source_release(u, source[0])
        return 1 + DROP_SESSION_LIMIT
    return 0


cdef uint32_t flow_open(worker_t* w, udp_t* u, const newcomer_t* n, uint32_t* drop) noexcept nogil:
    cdef uint32_t source, idx
    cdef uint32_t refused = flow_admit(w, u, n, &source)
    if refused:
        drop[0] = refused - 1
        return FLOW_NONE
    idx = flow_entry(w, u, n)
    refused = 1 + (DROP_TABLE_FULL if u.flows.n_taken == u.flows.cap else DROP_NO_DESCRIPTOR)
    if idx != FLOW_NONE:
        flow_begin(w, u, idx, n)
        refused = flow_reach(w, u, idx, n, -1, NO_INDEX)
    if refused:
        if idx != FLOW_NONE:
            flowtable_remove(&u.flows, idx)
        ngy_sub32(&w.shared.sessions[u.id], 1)
        source_release(u, source)
        drop[0] = refused - 1
        return FLOW_NONE
    flow_key(w, u, flow_at(u, idx), n)
    flow_at(u, idx).source = source
    flow_at(u, idx).flags |= FLOW_LIVE
    u.n_live += 1
    w.n_flows += 1
    stats_accepted(w, u.id)
    if not flow_at(u, idx).flags & FLOW_ASKING:
        binding_note(w, u, flow_at(u, idx), &n.what, True)
    return idx


cdef uint32_t flow_resume(worker_t* w, udp_t* u, uint32_t idx, int at, const datagram_t* first) noexcept nogil:
    cdef flow_t* f = flow_at(u, idx)
    cdef uint32_t chosen = f.asked if snapshot_serves(&w.snapshot, u.conf.pool, f.asked) else u.conf.pool
    cdef const snap_pool_t* pool = snapshot_pool(&w.snapshot, chosen)
    cdef uint32_t refused
    cdef visit_t visit
    cdef key_t what
    f.flags &= ~<uint32_t>FLOW_ASKING
    f.held = NO_BUFFER          # the caller has it
    f.n_held = 0
    if at >= 0:
        f.flags |= FLOW_OWN
    if pool != NULL and pool.asks_key and chosen == f.asked:
        f.flags |= FLOW_KEYED
    refused = flow_reach(w, u, idx, NULL, at, chosen)
    if refused or f.flags & FLOW_ASKING:
        return refused
    binding_move(u, f)
    if u.is_keyed and f.binding == FLOW_NONE and first != NULL:
        flow_visit(w, u, idx, &visit)
        visit.bytes = first.at
        visit.n_bytes = first.n_bytes
        key_extract(&what, &u.conf.udp.key, &visit)
        binding_note(w, u, f, &what, True)
    return 0


# ---- what happens to it ----

cdef uint32_t flow_move(worker_t* w, udp_t* u, uint32_t idx, int error) noexcept nogil:
    cdef flow_t* f = flow_at(u, idx)
    cdef uint32_t refused
    if f.flags & FLOW_ANSWERED:     # it was right until now: the attempts begin anew
        count(&w.row.udp[u.id].assured, <uint64_t>-1)
        f.n_tried = 1
        f.tried[0] = <uint16_t>f.backend
    attempt_lost(w, u, f, flow_outcome(error))
    backsock_close(w, u, f)
    f.flags &= ~<uint32_t>(FLOW_ANSWERED | FLOW_BULK | FLOW_HEADED)
    refused = flow_reach(w, u, idx, NULL, -1, NO_INDEX)
    if refused == 0 and not f.flags & FLOW_ASKING:
        binding_move(u, f)
    return refused


cdef void flow_refused(worker_t* w, udp_t* u, uint32_t idx, int error) noexcept nogil:
    cdef flow_t* f = flow_at(u, idx)
    cdef uint32_t reason = REASON_BACK_RESET if f.flags & FLOW_ANSWERED else REASON_CONNECT_FAILED
    attempt_lost(w, u, f, flow_outcome(error))
    flow_end(w, u, idx, reason)


cdef bint flow_is_done(const udp_t* u, const flow_t* f) noexcept nogil:
    cdef uint32_t requests = u.conf.udp.requests
    cdef uint32_t responses = u.conf.udp.responses
    if responses == NO_BOUND or f.n_requests == 0 or f.n_requests < requests:
        return False
    return f.n_responses >= <uint64_t>responses * f.n_requests


cdef uint64_t flow_due(const udp_t* u, const flow_t* f) noexcept nogil:
    cdef uint64_t wanted = <uint64_t>u.conf.udp.responses * f.n_requests
    if u.conf.udp.responses == NO_BOUND or u.conf.udp.responses == 0 or f.n_requests < u.conf.udp.requests:
        return <uint64_t>-1
    return wanted - f.n_responses if wanted > f.n_responses else 0


cdef void flow_answered(worker_t* w, udp_t* u, uint32_t idx) noexcept nogil:
    cdef flow_t* f = flow_at(u, idx)
    f.flags |= FLOW_ANSWERED
    f.answer_us = <uint32_t>(clock_us() - f.attempt_us)
    flowtable_assure(&u.flows, idx)
    count(&w.row.udp[u.id].assured, 1)
    stats_outcome(w, f.backend, OUTCOME_CONNECTED, f.answer_us)
    if w.chooser.is_timed:
        chooser_spent(&w.chooser, f.backend, f.answer_us, w.now_ms)


cdef void flow_access(worker_t* w, udp_t* u, const flow_t* f, uint32_t reason) noexcept nogil:
    cdef session_t ghost
    cdef session_side_t side
    memset(&ghost, 0, sizeof(ghost))
    memset(&side, 0, sizeof(side))
    ghost.listener = u.id
    ghost.backend = f.backend
    ghost.start_ms = f.start_ms
    ghost.connect_us = f.answer_us
    ghost.n_tried = f.n_tried
    ghost.bytes[FRONT] = f.bytes[FRONT]
    ghost.bytes[BACK] = f.bytes[BACK]
    memcpy(side.client_ip, f.client_ip, 16)
    side.client_port = f.client_port
    side.client_family = f.client_family
    stats_access(w, &ghost, &side, reason)


# How the attempt of a flow that ends without an answer went.
cdef uint32_t silent_outcome(const udp_t* u, uint32_t reason) noexcept nogil:
    if u.conf.udp.responses == 0:
        return OUTCOME_CONNECTED    # none was expected
    return OUTCOME_TIMEOUT if reason == REASON_IDLE else OUTCOME_ABANDONED


cdef void flow_end(worker_t* w, udp_t* u, uint32_t idx, uint32_t reason) noexcept nogil:
    cdef flow_t* f = flow_at(u, idx)
    NGY_CHECK(f.flags & FLOW_LIVE != 0)
    if f.flags & FLOW_ANSWERED:
        count(&w.row.udp[u.id].assured, <uint64_t>-1)
    elif f.flags & FLOW_LEASED:
        stats_outcome(w, f.backend, silent_outcome(u, reason), 0)
    flow_release(w, u, f, RELEASE_SESSION, reason, True)
    if f.flags & FLOW_LEASED:
        lease_end(w, f.backend)
    if unlikely(f.flags & FLOW_ASKING):
        ask_abandon(w, f.ticket)
        count(&w.row.udp[u.id].drops[DROP_TABLE_FULL if reason == REASON_EVICTED else DROP_DRAINING], held_count(w, f))
        held_close(w, f)
    if w.snapshot.header != NULL and w.snapshot.header.is_access_log:
        flow_access(w, u, f, reason)
    if reason == REASON_CLOSED and not f.flags & FLOW_UNCHECKED:
        backsock_rest(w, u, f)
    else:
        backsock_close(w, u, f)
    source_release(u, f.source)
    f.flags = 0
    flowtable_remove(&u.flows, idx)
    ngy_sub32(&w.shared.sessions[u.id], 1)
    u.n_live -= 1
    w.n_flows -= 1
    stats_ended(w, u.id, reason)
    w.udp_work.is_changed = 1


cdef void flows_expire(worker_t* w, udp_t* u) noexcept nogil:
    cdef uint32_t old[FLOWS_EXPIRED_PER_TURN]
    cdef uint32_t idle_ticks = (u.conf.idle_ms >> FLOW_TICK_SHIFT) + 1
    cdef uint32_t i
    cdef uint32_t n = flowtable_expire(&u.flows, now_tick(w), idle_ticks, old, FLOWS_EXPIRED_PER_TURN)
    for i in range(n):
        flow_end(w, u, old[i], REASON_IDLE)
    if u.has_bindings:
        bindings_expire(w, u, idle_ticks)
    if u.has_sources:
        sources_expire(w, u)
