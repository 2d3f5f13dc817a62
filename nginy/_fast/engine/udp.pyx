"""Udp: the state behind UDP listeners. Opened with the first one that a generation names."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from nginy._fast.base.cdefs cimport ENOMEM
from nginy._fast.base.layout cimport (
    KEY_TUPLE, NO_INDEX, PROTOCOL_UDP, PROXY_OFF, VERDICT_DOWN, snap_backend_t, snap_listener_t, snap_pool_t,
)
from nginy._fast.base.limits cimport FLOW_TICK_SHIFT, FLOWS_EXPIRED_PER_TURN, MAX_BACKENDS, MAX_FLOWS, MAX_LISTENERS
from nginy._fast.base.status cimport REASON_BACKEND_DOWN, REASON_BACKEND_REMOVED, REASON_DRAIN_DEADLINE
from nginy._fast.engine.backsock cimport backsock_event, backsocks_expire, backsocks_settle
from nginy._fast.engine.flow cimport flow_at, flow_end, flows_expire
from nginy._fast.engine.flows cimport FLOW_ASKING, FLOW_LIVE, binding_t, flow_t, rest_t, resting_t, source_t, udp_t, udp_work_t
from nginy._fast.engine.reply cimport reply_event
from nginy._fast.engine.session cimport TAG_RESTING
from nginy._fast.engine.types cimport TIMER_FLOWS, listener_t, now_tick, worker_t
from nginy._fast.mem.flowtable cimport flowtable_close, flowtable_is_taken, flowtable_open, flowtable_t, flowtable_wait
from nginy._fast.mem.hash cimport random_next
from nginy._fast.mem.region cimport region_close, region_open
from nginy._fast.mem.slab cimport slab_close, slab_open
from nginy._fast.mem.wheel cimport wheel_arm, wheel_disarm
from nginy._fast.net.dgram cimport BATCH_BYTES, batch_open
from nginy._fast.net.sock cimport sock_drops, sock_name
from nginy._fast.policy.snapshot cimport snapshot_backend, snapshot_listener, snapshot_pool, snapshot_serves

cdef enum:
    PORTS = 65536
    RESTING_MOST = 4096         # upstream sockets of one listener between two flows
    RESTING_SHIFT = 6
    SWEEP_FLOWS = 512           # looked at per turn
    KEPT_ENTRIES = 4096         # a table that was never larger keeps its memory
    RENEWED_ENTRIES = 65536     # giving back more at once would stop the loop for too long
    WAIT_TICKS = 16             # a second at most between two looks for silent flows

# ---- memory ----

cdef int work_open(worker_t* w) noexcept nogil:
    if w.udp_work != NULL:
        return 0
    w.udp_work = <udp_work_t*>region_open(sizeof(udp_work_t))
    w.udps = <udp_t*>region_open(MAX_LISTENERS * sizeof(udp_t))
    w.port_flow = <uint64_t*>region_open(PORTS * sizeof(uint64_t))
    if w.udp_work == NULL or w.udps == NULL or w.port_flow == NULL:
        udp_close(w)
        return -ENOMEM
    batch_open(&w.udp_work.inward, <uint8_t*>region_open(BATCH_BYTES))
    batch_open(&w.udp_work.outward, <uint8_t*>region_open(BATCH_BYTES))
    if w.udp_work.inward.bytes == NULL or w.udp_work.outward.bytes == NULL:
        udp_close(w)
        return -ENOMEM
    w.udp_work.out_fd = -1
    w.udp_work.number = 1
    return 0


cdef int table_open(worker_t* w, flowtable_t* t, uint32_t cap, uint32_t side_bytes) noexcept nogil:
    return flowtable_open(t, cap, side_bytes, random_next(&w.chooser.random), now_tick(w))


cdef void tables_close(udp_t* u) noexcept nogil:
    flowtable_close(&u.flows)
    flowtable_close(&u.bindings)
    flowtable_close(&u.sources)
    slab_close(&u.resting)
    region_close(u.rests, (MAX_BACKENDS + 1) * sizeof(rest_t))
    u.rests = NULL
    u.is_open = u.has_bindings = u.has_sources = 0


# A table that a flood has filled and left gives its memory back once it is empty.
cdef void table_renew(worker_t* w, flowtable_t* t) noexcept nogil:
    cdef uint32_t cap = t.cap
    cdef uint32_t side_bytes = t.side_bytes
    cdef flowtable_t fresh
    if t.n_taken or t.n_fresh < KEPT_ENTRIES or t.n_fresh > RENEWED_ENTRIES or table_open(w, &fresh, cap, side_bytes) < 0:
        return
    flowtable_close(t)
    t[0] = fresh


# Tables that this configuration needs and that are not there yet.
cdef int tables_open(worker_t* w, udp_t* u, const snap_listener_t* conf) noexcept nogil:
    cdef uint32_t cap = conf.udp.flows_max
    cdef int status = 0
    if not u.is_open:
        status = table_open(w, &u.flows, cap, sizeof(flow_t))
    if status == 0 and conf.udp.key.kind != KEY_TUPLE and not u.has_bindings:
        status = table_open(w, &u.bindings, cap, sizeof(binding_t))
        u.has_bindings = status == 0
    if status == 0 and (conf.udp.source_flows or conf.udp.source_rate) and not u.has_sources:
        status = table_open(w, &u.sources, min(cap * 2, <uint32_t>MAX_FLOWS), sizeof(source_t))  # half of them free
        u.has_sources = status == 0
    if status == 0 and conf.udp.is_reuse and u.rests == NULL:
        status = slab_open(&u.resting, sizeof(resting_t), 0, RESTING_MOST, RESTING_SHIFT)
        u.rests = <rest_t*>region_open((MAX_BACKENDS + 1) * sizeof(rest_t))
        if u.rests == NULL:
            status = -ENOMEM
    return status


# ---- generations ----

cdef void udp_tune(worker_t* w, udp_t* u, const snap_listener_t* conf) noexcept nogil:
    cdef const snap_pool_t* pool = snapshot_pool(&w.snapshot, conf.pool)
    u.conf = conf[0]
    u.is_keyed = conf.udp.key.kind != KEY_TUPLE
    u.is_transparent = pool != NULL and pool.is_transparent != 0
    u.is_headed = pool != NULL and pool.proxy_out != PROXY_OFF
    u.is_leaving = w.is_draining
    u.cut_ms = w.drain_until_ms if w.is_draining else 0
    u.sweep_at = 0
    w.udp_is_sweeping = 1
    backsocks_settle(w, u)


cdef int udp_open(worker_t* w, const snap_listener_t* conf) noexcept nogil:
    cdef udp_t* u = &w.udps[conf.id]
    cdef int status
    if u.is_open and u.n_live == 0 and u.resting.n_taken == 0 and u.flows.cap != conf.udp.flows_max:
        tables_close(u)         # another size; a table with flows in it keeps the one it has
    status = tables_open(w, u, conf)
    if status < 0:
        if not u.is_open:
            tables_close(u)
        return status
    if not u.is_open:
        u.id = conf.id
        u.timer_kind = TIMER_FLOWS
        u.is_open = 1
        wheel_arm(&w.wheel, &u.timer, w.now_ms + (WAIT_TICKS << FLOW_TICK_SHIFT))
    if conf.id >= w.n_udps:
        w.n_udps = conf.id + 1
    udp_tune(w, u, conf)
    return 0


cdef int udp_adopt(worker_t* w) noexcept nogil:
    cdef const snap_listener_t* conf
    cdef uint32_t i
    cdef int status
    cdef int worst = 0
    for i in range(w.n_udps):
        conf = snapshot_listener(&w.snapshot, i)
        if w.udps[i].is_open and (conf == NULL or conf.protocol != PROTOCOL_UDP):
            w.udps[i].conf.udp.n_nets = w.udps[i].conf.udp.n_cids = 0     # they lie in the generation that named it
            udp_leave(w, i, w.now_ms)   # its sockets are closed: no datagram of its flows can come any more
    for i in range(w.snapshot.header.n_listeners):
        conf = &w.snapshot.listeners[i]
        if conf.protocol != PROTOCOL_UDP:
            continue
        status = work_open(w)
        if status < 0:
            return status
        status = udp_open(w, conf)
        if status < 0:
            worst = status      # the others are opened all the same
    return worst


cdef void udp_socket(worker_t* w, listener_t* l, bint is_wildcard) noexcept nogil:
    cdef int family
    l.is_udp = 1
    l.is_wildcard = is_wildcard
    if l.port == 0:
        family = sock_name(l.fd, l.ip, &l.port)
        l.family = <uint16_t>max(family, 0)
        l.overflow = sock_drops(l.fd)   # what others have counted already


cdef bint udp_is_open(const worker_t* w, uint32_t listener) noexcept nogil:
    return listener < w.n_udps and w.udps[listener].is_open != 0


# ---- leaving ----

cdef void udp_leave(worker_t* w, uint32_t listener, uint64_t deadline_ms) noexcept nogil:
    cdef udp_t* u = &w.udps[listener]
    if not u.is_open:
        return
    u.is_leaving = 1
    u.sweep_at = 0
    w.udp_is_leaving = w.udp_is_sweeping = 1
    if deadline_ms and (u.cut_ms == 0 or deadline_ms < u.cut_ms):
        u.cut_ms = deadline_ms


cdef void udp_leave_all(worker_t* w, uint64_t deadline_ms) noexcept nogil:
    cdef uint32_t i
    cdef uint64_t own_ms
    for i in range(w.n_udps):
        own_ms = w.now_ms + w.udps[i].conf.drain_ms if w.udps[i].conf.drain_ms else deadline_ms
        udp_leave(w, i, min(own_ms, deadline_ms))


# Why a flow cannot stay, or NO_INDEX.
cdef uint32_t verdict_of(worker_t* w, udp_t* u, const flow_t* f) noexcept nogil:
    cdef const snap_backend_t* b = snapshot_backend(&w.snapshot, f.backend)
    cdef const snap_pool_t* pool = snapshot_pool(&w.snapshot, b.pool) if b != NULL else NULL
    if u.is_leaving and u.cut_ms and w.now_ms >= u.cut_ms:
        return REASON_DRAIN_DEADLINE
    if f.flags & FLOW_ASKING:
        return NO_INDEX
    if b == NULL or not snapshot_serves(&w.snapshot, u.conf.pool, b.pool):
        return REASON_BACKEND_REMOVED
    if pool != NULL and pool.is_on_down_reset and b.verdict == VERDICT_DOWN:
        return REASON_BACKEND_DOWN
    return NO_INDEX


cdef void udp_sweep(worker_t* w, udp_t* u) noexcept nogil:
    cdef uint32_t _look, reason
    cdef uint32_t n_ended = 0
    for _look in range(SWEEP_FLOWS):
        if u.sweep_at >= u.flows.n_fresh:
            u.sweep_at = NO_INDEX
            return
        if flowtable_is_taken(&u.flows, u.sweep_at) and flow_at(u, u.sweep_at).flags & FLOW_LIVE:
            reason = verdict_of(w, u, flow_at(u, u.sweep_at))
            if reason != NO_INDEX:
                flow_end(w, u, u.sweep_at, reason)
                n_ended += 1
                w.n_cut += reason == REASON_DRAIN_DEADLINE
        u.sweep_at += 1
        if n_ended == FLOWS_EXPIRED_PER_TURN:
            return


cdef void udp_step(worker_t* w) noexcept nogil:
    cdef udp_t* u
    cdef uint32_t i
    if not w.udp_is_sweeping and not w.udp_is_leaving:
        return
    w.udp_is_sweeping = w.udp_is_leaving = 0
    for i in range(w.n_udps):
        u = &w.udps[i]
        if not u.is_open:
            continue
        if u.sweep_at == NO_INDEX and u.is_leaving and u.cut_ms and w.now_ms >= u.cut_ms and u.n_live:
            u.sweep_at = 0
        if u.sweep_at != NO_INDEX:
            udp_sweep(w, u)
        if u.is_leaving and u.n_live == 0:
            backsocks_expire(w, u, True)
        w.udp_is_sweeping |= u.sweep_at != NO_INDEX
        w.udp_is_leaving |= u.is_leaving != 0 and (u.n_live != 0 or u.resting.n_taken != 0)


cdef void udp_cut_all(worker_t* w, uint32_t reason) noexcept nogil:
    cdef uint32_t i, idx
    for i in range(w.n_udps):
        if not w.udps[i].is_open:
            continue
        for idx in range(w.udps[i].flows.n_fresh):
            if flowtable_is_taken(&w.udps[i].flows, idx) and flow_at(&w.udps[i], idx).flags & FLOW_LIVE:
                flow_end(w, &w.udps[i], idx, reason)
                w.n_cut += 1
        while backsocks_expire(w, &w.udps[i], True):
            pass


cdef void udp_close(worker_t* w) noexcept nogil:
    cdef uint32_t i
    for i in range(w.n_udps):
        if w.udps[i].is_open:
            wheel_disarm(&w.wheel, &w.udps[i].timer)
            tables_close(&w.udps[i])
    if w.udp_work != NULL:
        region_close(w.udp_work.inward.bytes, BATCH_BYTES)
        region_close(w.udp_work.outward.bytes, BATCH_BYTES)
    region_close(w.udp_work, sizeof(udp_work_t))
    region_close(w.udps, MAX_LISTENERS * sizeof(udp_t))
    region_close(w.port_flow, PORTS * sizeof(uint64_t))
    w.udp_work = NULL
    w.udps = NULL
    w.port_flow = NULL
    w.n_udps = 0


# ---- events ----

cdef void udp_event(worker_t* w, uint64_t tag, uint32_t bits) noexcept nogil:
    cdef uint32_t index = <uint32_t>tag
    cdef uint32_t gen = <uint32_t>(tag >> 32 & 0xffffff)
    cdef udp_t* u = &w.udps[index >> 22]
    if <uint32_t>(tag >> 57) == TAG_RESTING:
        backsock_event(w, u, index & 0x3fffff, gen)
    else:
        reply_event(w, u, index & 0x3fffff, gen, bits)


# Ticks until a table of this listener may hold something silent.
cdef uint32_t wait_ticks(worker_t* w, udp_t* u) noexcept nogil:
    cdef uint32_t idle_ticks = (u.conf.idle_ms >> FLOW_TICK_SHIFT) + 1
    cdef uint32_t ticks = flowtable_wait(&u.flows, now_tick(w), idle_ticks, WAIT_TICKS)
    if u.has_bindings:
        ticks = min(ticks, flowtable_wait(&u.bindings, now_tick(w), idle_ticks, WAIT_TICKS))
    return ticks


cdef void udp_timer(worker_t* w, udp_t* u) noexcept nogil:
    cdef uint32_t ticks
    flows_expire(w, u)
    backsocks_expire(w, u, False)
    table_renew(w, &u.flows)
    if u.has_bindings:
        table_renew(w, &u.bindings)
    if u.has_sources:
        table_renew(w, &u.sources)
    ticks = wait_ticks(w, u)
    u.is_behind = ticks == 0
    w.udp_is_behind |= u.is_behind
    wheel_arm(&w.wheel, &u.timer, w.now_ms + (<uint64_t>max(ticks, <uint32_t>1) << FLOW_TICK_SHIFT))


cdef void udp_catch_up(worker_t* w) noexcept nogil:
    cdef udp_t* u
    cdef uint32_t i
    w.udp_is_behind = 0
    for i in range(w.n_udps):
        u = &w.udps[i]
        if u.is_open and u.is_behind:
            flows_expire(w, u)
            u.is_behind = wait_ticks(w, u) == 0
            w.udp_is_behind |= u.is_behind
