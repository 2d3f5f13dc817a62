"""Stats: what a worker tells, by plain stores into its own rows."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy
from nginy._fast.base.cdefs cimport ngy_load64_acquire, ngy_store64, ngy_store64_release, unlikely
from nginy._fast.base.board cimport (
    CONNECT_BUCKETS, TURN_BUCKETS, access_record_t, access_ring_t, backend_row_t, board_region_t, board_shared_t,
    listener_row_t, worker_row_t,
)
from nginy._fast.base.limits cimport ACCESS_RECORDS, SLOW_TURN_US
from nginy._fast.base.status cimport OUTCOME_CONNECTED
from nginy._fast.engine.types cimport (
    BACK, FRONT, carrier_lent, carrier_pipes_lent, session_side_t, session_t, worker_t,
)
from nginy._fast.mem.clock cimport clock_us, clock_wall_ms

cdef extern from *:
    int clz64 "__builtin_clzll"(unsigned long long x) nogil

cdef enum:
    PAGE = 4096
    CONNECT_FIRST_US = 100      # to 819.2 ms
    TURN_FIRST_US = 8           # to 65.536 ms


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
    ngy_store64(&own.live, w.sessions.n_taken + w.n_flows)
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


# first_us << i is the upper bound of bucket i; n buckets and one for the rest.
cdef inline uint32_t bucket_of(uint64_t us, uint64_t first_us, uint32_t n) noexcept nogil:
    cdef uint64_t times = (us - 1) // first_us if us else 0
    cdef uint32_t bucket = <uint32_t>(64 - clz64(times)) if times else 0
    return bucket if bucket < n else n


cdef void stats_outcome(worker_t* w, uint32_t backend, uint32_t outcome, uint32_t connect_us) noexcept nogil:
    cdef backend_row_t* row = &w.row.backends[backend]
    row_begin(&row.seq)
    count(&row.outcomes[outcome], 1)
    if outcome == OUTCOME_CONNECTED:
        count(&row.sessions, 1)
        count(&row.connect_us_sum, connect_us)
        count(&row.connect_hist[bucket_of(connect_us, CONNECT_FIRST_US, CONNECT_BUCKETS)], 1)
    row_end(&row.seq)


cdef void stats_attempt(worker_t* w, const session_t* s, uint32_t outcome) noexcept nogil:
    stats_outcome(w, s.backend, outcome, s.connect_us)


cdef void turn_begin(worker_t* w) noexcept nogil:
    w.now_us = clock_us()
    w.now_ms = w.now_us // 1000
    w.turn.begin_us = w.now_us
    w.turn.mark_us = w.now_us
    w.turn.worst_us = 0


cdef void turn_mark(worker_t* w, uint32_t stage) noexcept nogil:
    cdef uint64_t now_us = clock_us()
    if now_us - w.turn.mark_us >= w.turn.worst_us:
        w.turn.worst_us = now_us - w.turn.mark_us
        w.turn.worst_stage = stage
    w.turn.mark_us = now_us


cdef void turn_count(worker_t* w) noexcept nogil:
    cdef worker_row_t* own = &w.row.worker
    cdef uint64_t took_us = w.turn.mark_us - w.turn.begin_us
    count(&own.turn_us_sum, took_us)
    count(&own.turn_hist[bucket_of(took_us, TURN_FIRST_US, TURN_BUCKETS)], 1)
    if unlikely(took_us > SLOW_TURN_US):
        count(&own.slow_turns[w.turn.worst_stage], 1)


cdef void stats_turn(worker_t* w) noexcept nogil:
    cdef worker_row_t* own = &w.row.worker
    turn_count(w)
    count(&own.turns, 1)
    ngy_store64(&own.turn_ms, w.now_ms)
    ngy_store64(&own.buffers_used, carrier_lent(&w.carrier))
    ngy_store64(&own.pipes_lent, carrier_pipes_lent(&w.carrier))
    ngy_store64(&own.pipes_open, w.carrier.pipes_open)
    ngy_store64(&own.timers_live, w.wheel.n_armed)
    ngy_store64(&own.leases, w.n_leases)


cdef void record_fill(
    access_record_t* r, const session_t* s, const session_side_t* side, uint32_t reason, uint64_t now_ms
) noexcept nogil:
    r.end_wall_ms = clock_wall_ms()
    r.bytes_in = s.bytes[FRONT]
    r.bytes_out = s.bytes[BACK]
    r.duration_ms = now_ms - s.start_ms
    r.connect_us = s.connect_us
    r.listener = s.listener
    r.backend = s.backend
    r.client_port = side.client_port
    r.client_family = side.client_family
    r.reason = <uint8_t>reason
    r.attempts = s.n_tried
    memcpy(r.client_ip, side.client_ip, 16)


cdef void stats_access(worker_t* w, const session_t* s, const session_side_t* side, uint32_t reason) noexcept nogil:
    cdef access_ring_t* ring = &w.row.access
    cdef uint64_t tail = ring.tail
    if tail - ngy_load64_acquire(&ring.head) >= ACCESS_RECORDS:
        count(&w.row.worker.access_dropped, 1)
        return
    record_fill(&ring.records[tail & (ACCESS_RECORDS - 1)], s, side, reason, w.now_ms)
    ngy_store64_release(&ring.tail, tail + 1)
