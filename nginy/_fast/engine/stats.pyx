"""Stats: what a worker tells, by plain stores into its own rows."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy
from nginy._fast.base.cdefs cimport ngy_load64_acquire, ngy_store64, ngy_store64_release
from nginy._fast.base.layout cimport (
    CONNECT_BUCKETS, access_record_t, access_ring_t, backend_row_t, board_region_t, board_shared_t, listener_row_t,
    worker_row_t,
)
from nginy._fast.base.limits cimport ACCESS_RECORDS
from nginy._fast.base.status cimport OUTCOME_CONNECTED
from nginy._fast.engine.types cimport BACK, FRONT, session_t, worker_t
from nginy._fast.mem.clock cimport clock_wall_ms

cdef enum:
    PAGE = 4096


cdef uint64_t page_up(uint64_t n) noexcept nogil:
    return (n + PAGE - 1) & ~<uint64_t>(PAGE - 1)


cdef uint64_t board_bytes(uint32_t slots) noexcept nogil:
    return PAGE + page_up(sizeof(board_shared_t)) + <uint64_t>(slots + 2) * page_up(sizeof(board_region_t))


cdef board_shared_t* board_shared(void* base) noexcept nogil:
    return <board_shared_t*>(<uint8_t*>base + PAGE)


cdef board_region_t* board_region(void* base, uint32_t idx) noexcept nogil:
    return <board_region_t*>(
        <uint8_t*>base + PAGE + page_up(sizeof(board_shared_t)) + <uint64_t>idx * page_up(sizeof(board_region_t))
    )


cdef void own_count(worker_t* w, uint64_t accepted, uint64_t ended) noexcept nogil:
    cdef worker_row_t* own = &w.row.worker
    row_begin(&own.seq)
    count(&own.accepted, accepted)
    count(&own.ended, ended)
    ngy_store64(&own.live, w.sessions.n_taken)
    row_end(&own.seq)


cdef void stats_accepted(worker_t* w, uint32_t listener) noexcept nogil:
    cdef listener_row_t* row = &w.row.listeners[listener]
    row_begin(&row.seq)
    count(&row.accepted, 1)
    count(&row.live, 1)
    row_end(&row.seq)
    own_count(w, 1, 0)


cdef void stats_refused(worker_t* w, uint32_t listener, uint32_t reason) noexcept nogil:
    cdef listener_row_t* row = &w.row.listeners[listener]
    row_begin(&row.seq)
    count(&row.accepted, 1)
    count(&row.reasons[reason], 1)
    row_end(&row.seq)
    own_count(w, 1, 1)


cdef void stats_ended(worker_t* w, uint32_t listener, uint32_t reason) noexcept nogil:
    cdef listener_row_t* row = &w.row.listeners[listener]
    row_begin(&row.seq)
    count(&row.reasons[reason], 1)
    ngy_store64(&row.live, row.live - 1)
    row_end(&row.seq)
    own_count(w, 0, 1)


cdef void stats_moved(worker_t* w, const session_t* s, int from_side, uint64_t n_bytes) noexcept nogil:
    cdef listener_row_t* row = &w.row.listeners[s.listener]
    cdef backend_row_t* backend = &w.row.backends[s.backend]
    if from_side == FRONT:
        count(&row.bytes_in, n_bytes)
        count(&backend.bytes_in, n_bytes)
    else:
        count(&row.bytes_out, n_bytes)
        count(&backend.bytes_out, n_bytes)


cdef uint32_t connect_bucket(uint32_t us) noexcept nogil:
    # 100 us, then doubling: 0.1, 0.2, 0.4 ... 819.2 ms
    cdef uint32_t bound_us = 100
    cdef uint32_t i
    for i in range(CONNECT_BUCKETS):
        if us <= bound_us:
            return i
        bound_us *= 2
    return CONNECT_BUCKETS


cdef void stats_attempt(worker_t* w, const session_t* s, uint32_t outcome) noexcept nogil:
    cdef backend_row_t* row = &w.row.backends[s.backend]
    row_begin(&row.seq)
    count(&row.outcomes[outcome], 1)
    if outcome == OUTCOME_CONNECTED:
        count(&row.sessions, 1)
        count(&row.connect_us_sum, s.connect_us)
        count(&row.connect_hist[connect_bucket(s.connect_us)], 1)
    row_end(&row.seq)


cdef void stats_turn(worker_t* w) noexcept nogil:
    cdef worker_row_t* own = &w.row.worker
    count(&own.turns, 1)
    ngy_store64(&own.turn_ms, w.now_ms)
    ngy_store64(&own.buffers_used, w.buffers.blocks.n_taken)
    ngy_store64(&own.timers_live, w.wheel.n_armed)
    ngy_store64(&own.leases, w.n_leases)


cdef void record_fill(access_record_t* r, const session_t* s, uint32_t reason, uint64_t now_ms) noexcept nogil:
    r.end_wall_ms = clock_wall_ms()
    r.bytes_in = s.bytes[FRONT]
    r.bytes_out = s.bytes[BACK]
    r.duration_ms = now_ms - s.start_ms
    r.connect_us = s.connect_us
    r.listener = s.listener
    r.backend = s.backend
    r.client_port = s.client_port
    r.client_family = s.client_family
    r.reason = <uint8_t>reason
    r.attempts = s.n_tried
    memcpy(r.client_ip, s.client_ip, 16)


cdef void stats_access(worker_t* w, const session_t* s, uint32_t reason) noexcept nogil:
    cdef access_ring_t* ring = &w.row.access
    cdef uint64_t tail = ring.tail
    if tail - ngy_load64_acquire(&ring.head) >= ACCESS_RECORDS:
        count(&w.row.worker.access_dropped, 1)
        return
    record_fill(&ring.records[tail & (ACCESS_RECORDS - 1)], s, reason, w.now_ms)
    ngy_store64_release(&ring.tail, tail + 1)
