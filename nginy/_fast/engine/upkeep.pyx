"""Upkeep: what a turn does besides events, in bounded steps: sweeps, the end of a drain, memory that is not needed."""

from libc.stdint cimport uint32_t
from nginy._fast.base.cdefs cimport ngy_load_int, ngy_store64, ngy_store_int
from nginy._fast.base.layout cimport NO_INDEX, VERDICT_DOWN, snap_backend_t, snap_pool_t
from nginy._fast.base.limits cimport SWEEP_PER_TURN, UPKEEP_MS
from nginy._fast.base.message cimport MSG_DRAINED
from nginy._fast.base.status cimport REASON_BACKEND_DOWN, REASON_DRAIN_DEADLINE
from nginy._fast.engine.carrier cimport carrier_settle
from nginy._fast.engine.channel cimport channel_tell, worker_drain
from nginy._fast.engine.exchanges cimport exchange_t
from nginy._fast.engine.relay cimport relay_cut_at
from nginy._fast.engine.request cimport request_leave
from nginy._fast.engine.session cimport session_close
from nginy._fast.engine.types cimport SESS_EXCHANGE, SESS_HEAD, SESS_RELAY, session_t, upkeep_t, worker_t
from nginy._fast.engine.udp cimport udp_cut_all, udp_step
from nginy._fast.mem.slab cimport slab_at, slab_is_taken, slab_settle, slab_t, slab_trim
from nginy._fast.policy.snapshot cimport snapshot_backend, snapshot_listener, snapshot_pool

cdef enum:
    STATE_DRAINING = 2

cdef int term_asked = 0


cdef void worker_on_term(int sig) noexcept nogil:
    ngy_store_int(&term_asked, 1)


# Sessions on a backend that is down, where the pool says on_down: reset.
cdef bint is_cut_off(worker_t* w, const session_t* s) noexcept nogil:
    cdef bint is_served = s.state == SESS_RELAY or s.state == SESS_EXCHANGE and s.has_lease
    cdef const snap_backend_t* b = snapshot_backend(&w.snapshot, s.backend) if is_served else NULL
    cdef const snap_pool_t* pool = snapshot_pool(&w.snapshot, b.pool) if b != NULL else NULL
    return pool != NULL and pool.is_on_down_reset and b.verdict == VERDICT_DOWN


cdef void sweep_one(worker_t* w, session_t* s) noexcept nogil:
    if is_cut_off(w, s):
        session_close(w, s, REASON_BACKEND_DOWN)
        return
    if not w.is_draining and snapshot_listener(&w.snapshot, s.listener) != NULL:
        return
    if s.drain_ms and s.cut_ms == 0:
        relay_cut_at(w, s, w.now_ms + s.drain_ms)
    if s.state == SESS_HEAD:
        request_leave(w, s)


cdef void sweep_step(worker_t* w) noexcept nogil:
    cdef session_t* s
    cdef uint32_t end
    if w.sweep_at == NO_INDEX:
        return
    end = w.sweep_at + SWEEP_PER_TURN
    while w.sweep_at < end and w.sweep_at < w.sessions.n_touched:
        s = <session_t*>slab_at(&w.sessions, w.sweep_at)
        if slab_is_taken(&w.sessions, w.sweep_at):
            sweep_one(w, s)
        w.sweep_at += 1
    if w.sweep_at >= w.sessions.n_touched:
        w.sweep_at = NO_INDEX


cdef void cut_all(worker_t* w, uint32_t reason) noexcept nogil:
    cdef uint32_t i
    for i in range(w.sessions.n_touched):
        if slab_is_taken(&w.sessions, i):
            session_close(w, <session_t*>slab_at(&w.sessions, i), reason)
            w.n_cut += 1
    udp_cut_all(w, reason)


cdef void drain_step(worker_t* w) noexcept nogil:
    if ngy_load_int(&term_asked) and w.channel_fd < 0 and not w.is_draining:
        worker_drain(w, w.snapshot.header.drain_ms if w.snapshot.header != NULL else 0)
    if not w.is_draining:
        return
    ngy_store64(&w.row.worker.state, STATE_DRAINING)
    if w.sessions.n_taken + w.n_flows and w.now_ms >= w.drain_until_ms:
        cut_all(w, REASON_DRAIN_DEADLINE)
    if w.sessions.n_taken + w.n_flows == 0:
        channel_tell(w, MSG_DRAINED, w.n_cut, 0)
        w.is_over = 1


# ---- memory ----

# One chunk of this pool, when its round says so.
cdef bint trim_one(slab_t* slab, uint32_t* n, void* beside, uint32_t beside_bytes) noexcept nogil:
    if n[0] == 0:
        return False
    n[0] -= 1
    if not slab_trim(slab, beside, beside_bytes):
        n[0] = 0
    return True


cdef void trim_next(worker_t* w) noexcept nogil:
    if trim_one(&w.sessions, &w.upkeep.n_sessions, w.http.exchanges, sizeof(exchange_t)):
        return
    if trim_one(&w.carrier.buffers.blocks, &w.upkeep.n_buffers, NULL, 0):
        return
    if trim_one(&w.carrier.large.blocks, &w.upkeep.n_large, NULL, 0):
        return
    if trim_one(&w.http.heads.blocks, &w.upkeep.n_heads, NULL, 0):
        return
    if not trim_one(&w.http.links, &w.upkeep.n_links, NULL, 0):
        trim_one(&w.http.drafts, &w.upkeep.n_drafts, NULL, 0)


cdef void memory_step(worker_t* w) noexcept nogil:
    if w.now_ms >= w.upkeep.due_ms:
        w.upkeep.due_ms = w.now_ms + UPKEEP_MS
        w.upkeep.n_sessions = slab_settle(&w.sessions)
        w.upkeep.n_buffers = slab_settle(&w.carrier.buffers.blocks)
        w.upkeep.n_large = slab_settle(&w.carrier.large.blocks)
        w.upkeep.n_heads = slab_settle(&w.http.heads.blocks)
        w.upkeep.n_links = slab_settle(&w.http.links)
        w.upkeep.n_drafts = slab_settle(&w.http.drafts)
        carrier_settle(&w.carrier)
    trim_next(w)


cdef bint upkeep_is_pending(const worker_t* w) noexcept nogil:
    cdef const upkeep_t* u = &w.upkeep
    cdef uint32_t n = u.n_sessions | u.n_buffers | u.n_large | u.n_heads | u.n_links | u.n_drafts
    return n != 0 or w.udp_is_sweeping != 0


cdef bint upkeep_is_due(const worker_t* w) noexcept nogil:
    return (
        w.is_draining != 0 or w.sweep_at != NO_INDEX or w.now_ms >= w.upkeep.due_ms or upkeep_is_pending(w)
        or w.udp_is_leaving != 0 or ngy_load_int(&term_asked) != 0
    )


cdef void upkeep_step(worker_t* w) noexcept nogil:
    sweep_step(w)
    if w.udp_is_sweeping or w.udp_is_leaving:
        udp_step(w)
    drain_step(w)
    memory_step(w)
