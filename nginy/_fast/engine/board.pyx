"""Board: every row is a sequence number and 64-bit counters, so rows are added and compared as arrays."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from nginy._fast.base.cdefs cimport (
    EINVAL, ENOMEM, ngy_fence_acquire, ngy_load64, ngy_load64_acquire, ngy_store64_release, ngy_sub32,
)
from nginy._fast.base.board cimport (
    BOARD_MAGIC, access_record_t, access_ring_t, backend_row_t, board_header_t, board_region_t, http_pool_row_t, http_row_t,
    listener_row_t, request_record_t, udp_row_t, worker_row_t,
)
from nginy._fast.base.layout cimport LAYOUT_VERSION
from nginy._fast.base.tls cimport tls_row_t
from nginy._fast.base.letter cimport pool_row_t
from nginy._fast.base.limits cimport ACCESS_RECORDS, MAX_LISTENERS, MAX_POOLS
from nginy._fast.base.status cimport REASON_COUNT, REASON_WORKER_DIED
from nginy._fast.engine.records cimport records_take
from nginy._fast.engine.stats cimport board_bytes, board_region, board_shared
from nginy._fast.mem.region cimport region_close, region_map

cdef enum:
    READ_TRIES = 10000          # a writer holds a row for nanoseconds; a dead one may hold it for ever
    ROW_WORDS = 32              # rows of listeners, of UDP listeners, of pools and of backends: 256 bytes
    WIDE_WORDS = 64             # rows of HTTP listeners, and of requests by pool: 512 bytes


cdef int board_attach(board_t* b, int fd, uint32_t slots) noexcept nogil:
    cdef board_header_t* header
    memset(b, 0, sizeof(board_t))
    b.n_bytes = board_bytes(slots)
    b.slots = slots
    b.base = region_map(fd, b.n_bytes, True)
    if b.base == NULL:
        return -ENOMEM
    header = <board_header_t*>b.base
    if header.magic != BOARD_MAGIC or header.version != LAYOUT_VERSION or header.slots != slots:
        board_detach(b)
        return -EINVAL
    b.shared = board_shared(b.base)
    return 0


cdef void board_detach(board_t* b) noexcept nogil:
    region_close(b.base, b.n_bytes)
    memset(b, 0, sizeof(board_t))


# Copy a row between two equal, even sequence numbers.
cdef void row_read(const uint64_t* row, uint64_t* out, uint32_t n_words) noexcept nogil:
    cdef uint32_t _turn, k
    cdef uint64_t before
    for _turn in range(READ_TRIES):
        before = ngy_load64_acquire(&row[0])
        for k in range(n_words):
            out[k] = ngy_load64(&row[k])
        ngy_fence_acquire()
        if before & 1 == 0 and ngy_load64(&row[0]) == before:
            return


cdef void words_add(const uint64_t* row, uint64_t* sum, uint32_t n_words) noexcept nogil:
    cdef uint64_t copy[WIDE_WORDS]
    cdef uint32_t k
    row_read(row, copy, n_words)
    for k in range(1, n_words):
        sum[k] += copy[k]


cdef inline void row_add(const uint64_t* row, uint64_t* sum) noexcept nogil:
    words_add(row, sum, ROW_WORDS)


cdef void row_subtract(const uint64_t* row, uint64_t* sum, uint32_t n_words) noexcept nogil:
    cdef uint32_t k
    for k in range(1, n_words):
        sum[k] -= row[k]


cdef void board_read_worker(const board_t* b, uint32_t slot, worker_row_t* out) noexcept nogil:
    row_read(<uint64_t*>&board_region(b.base, slot).worker, <uint64_t*>out, sizeof(worker_row_t) // 8)


# Where a row lies in its region, so that one walk serves every kind of row.
cdef inline const uint64_t* row_at(const board_t* b, uint32_t region, const void* in_first) noexcept nogil:
    return <const uint64_t*>(
        <const uint8_t*>board_region(b.base, region) + (<const uint8_t*>in_first - <const uint8_t*>board_region(b.base, 0))
    )


# One worker's row, or with slot -1 the sum of all since the row was last given to somebody.
cdef void words_sum(const board_t* b, const void* in_first, int slot, uint64_t* out, uint32_t n_words) noexcept nogil:
    cdef uint32_t i
    memset(out, 0, n_words * sizeof(uint64_t))
    if slot >= 0:
        words_add(row_at(b, <uint32_t>slot, in_first), out, n_words)
        return
    for i in range(b.slots + 1):
        words_add(row_at(b, i, in_first), out, n_words)
    row_subtract(row_at(b, b.slots + 1, in_first), out, n_words)


cdef inline void rows_sum(const board_t* b, const void* in_first, int slot, uint64_t* out) noexcept nogil:
    words_sum(b, in_first, slot, out, ROW_WORDS)


cdef void board_read_listener(const board_t* b, uint32_t id, int slot, listener_row_t* out) noexcept nogil:
    rows_sum(b, &board_region(b.base, 0).listeners[id], slot, <uint64_t*>out)


cdef void board_read_http(const board_t* b, uint32_t id, int slot, http_row_t* out) noexcept nogil:
    words_sum(b, &board_region(b.base, 0).http[id], slot, <uint64_t*>out, WIDE_WORDS)


cdef void board_read_tls(const board_t* b, uint32_t id, int slot, tls_row_t* out) noexcept nogil:
    rows_sum(b, &board_region(b.base, 0).tls[id], slot, <uint64_t*>out)


cdef void board_read_udp(const board_t* b, uint32_t id, int slot, udp_row_t* out) noexcept nogil:
    rows_sum(b, &board_region(b.base, 0).udp[id], slot, <uint64_t*>out)


cdef void board_read_pool(const board_t* b, uint32_t id, int slot, pool_row_t* out) noexcept nogil:
    rows_sum(b, &board_region(b.base, 0).pools[id], slot, <uint64_t*>out)


cdef void board_read_http_pool(const board_t* b, uint32_t id, int slot, http_pool_row_t* out) noexcept nogil:
    words_sum(b, &board_region(b.base, 0).http_pools[id], slot, <uint64_t*>out, WIDE_WORDS)


cdef void board_read_backend(const board_t* b, uint32_t id, int slot, backend_row_t* out) noexcept nogil:
    rows_sum(b, &board_region(b.base, 0).backends[id], slot, <uint64_t*>out)


cdef uint64_t reasons_sum(const listener_row_t* row) noexcept nogil:
    cdef uint64_t total = 0
    cdef uint32_t i
    for i in range(REASON_COUNT):
        total += row.reasons[i]
    return total


cdef uint64_t fold_listeners(board_t* b, board_region_t* dead, board_region_t* departed) noexcept nogil:
    cdef listener_row_t* row
    cdef uint64_t lost = 0
    cdef uint64_t unended
    cdef uint32_t id
    for id in range(MAX_LISTENERS):
        row = &dead.listeners[id]
        if row.accepted == 0:
            continue
        if row.live:
            ngy_sub32(&b.shared.sessions[id], <uint32_t>row.live)
            row.live = 0
        unended = row.accepted - reasons_sum(row)   # also right when it died inside an update
        row.reasons[REASON_WORKER_DIED] += unended
        lost += unended
        row.seq = 0             # the writer may have died inside an update
        row_add(<uint64_t*>row, <uint64_t*>&departed.listeners[id])
        memset(row, 0, sizeof(listener_row_t))
    return lost


cdef inline bint row_is_used(const uint64_t* row) noexcept nogil:
    return words_are_used(row, ROW_WORDS)


cdef bint words_are_used(const uint64_t* row, uint32_t n_words) noexcept nogil:
    cdef uint32_t i
    for i in range(n_words):
        if row[i]:
            return True
    return False


cdef void fold_udp(board_region_t* dead, board_region_t* departed) noexcept nogil:
    cdef udp_row_t* row
    cdef uint32_t id
    for id in range(MAX_LISTENERS):
        row = &dead.udp[id]
        if row.receives == 0:
            continue
        row.seq = 0
        row.assured = 0         # its flows are gone
        row_add(<uint64_t*>row, <uint64_t*>&departed.udp[id])
        memset(row, 0, sizeof(udp_row_t))


cdef void fold_http(board_region_t* dead, board_region_t* departed) noexcept nogil:
    cdef http_row_t* row
    cdef uint32_t id
    for id in range(MAX_LISTENERS):
        row = &dead.http[id]
        if not words_are_used(<const uint64_t*>row, WIDE_WORDS):
            continue
        row.seq = 0
        words_add(<uint64_t*>row, <uint64_t*>&departed.http[id], WIDE_WORDS)
        memset(row, 0, sizeof(http_row_t))


cdef void fold_tls(board_region_t* dead, board_region_t* departed) noexcept nogil:
    cdef tls_row_t* row
    cdef uint32_t id
    for id in range(MAX_LISTENERS):
        row = &dead.tls[id]
        if not row_is_used(<const uint64_t*>row):
            continue
        row.seq = 0
        row_add(<uint64_t*>row, <uint64_t*>&departed.tls[id])
        memset(row, 0, sizeof(tls_row_t))


cdef void fold_pools(board_region_t* dead, board_region_t* departed) noexcept nogil:
    cdef pool_row_t* row
    cdef uint32_t id
    for id in range(MAX_POOLS):
        row = &dead.pools[id]
        if row.asked == 0:
            continue
        row.seq = 0
        row_add(<uint64_t*>row, <uint64_t*>&departed.pools[id])
        memset(row, 0, sizeof(pool_row_t))


cdef void fold_http_pools(board_region_t* dead, board_region_t* departed) noexcept nogil:
    cdef http_pool_row_t* row
    cdef uint32_t id
    for id in range(min(<uint32_t>dead.worker.n_http_pools, <uint32_t>MAX_POOLS)):
        row = &dead.http_pools[id]
        if not words_are_used(<const uint64_t*>row, WIDE_WORDS):
            continue
        row.seq = 0
        words_add(<uint64_t*>row, <uint64_t*>&departed.http_pools[id], WIDE_WORDS)
        memset(row, 0, sizeof(http_pool_row_t))


cdef void fold_backends(board_t* b, board_region_t* dead, board_region_t* departed) noexcept nogil:
    cdef backend_row_t* row
    cdef uint32_t id
    for id in range(<uint32_t>dead.worker.n_backend_rows):
        row = &dead.backends[id]
        if not row_is_used(<const uint64_t*>row):
            continue
        if row.live:
            ngy_sub32(&b.shared.in_flight[id], <uint32_t>row.live)
            row.live = 0
        row.seq = 0
        row_add(<uint64_t*>row, <uint64_t*>&departed.backends[id])
        memset(row, 0, sizeof(backend_row_t))


cdef uint64_t board_fold(board_t* b, uint32_t slot) noexcept nogil:
    cdef board_region_t* dead = board_region(b.base, slot)
    cdef board_region_t* departed = board_region(b.base, b.slots)
    cdef uint64_t lost = fold_listeners(b, dead, departed)
    fold_backends(b, dead, departed)
    fold_udp(dead, departed)
    fold_http(dead, departed)
    fold_tls(dead, departed)
    fold_pools(dead, departed)
    fold_http_pools(dead, departed)
    departed.worker.accepted += dead.worker.accepted
    departed.worker.ended += dead.worker.accepted
    departed.worker.stale_events += dead.worker.stale_events
    departed.worker.accept_paused += dead.worker.accept_paused
    departed.worker.access_dropped += dead.worker.access_dropped
    departed.worker.rejected += dead.worker.rejected
    departed.worker.unbuffered += dead.worker.unbuffered
    memset(&dead.worker, 0, sizeof(worker_row_t))
    return lost


cdef void board_forget_listener(board_t* b, uint32_t id) noexcept nogil:
    cdef listener_row_t sum
    cdef udp_row_t datagrams
    cdef http_row_t requests
    cdef tls_row_t handshakes
    cdef board_region_t* baseline = board_region(b.base, b.slots + 1)
    board_read_listener(b, id, -1, &sum)
    sum.live = 0
    row_add(<uint64_t*>&sum, <uint64_t*>&baseline.listeners[id])
    board_read_udp(b, id, -1, &datagrams)
    datagrams.assured = 0
    row_add(<uint64_t*>&datagrams, <uint64_t*>&baseline.udp[id])
    board_read_http(b, id, -1, &requests)
    words_add(<uint64_t*>&requests, <uint64_t*>&baseline.http[id], WIDE_WORDS)
    board_read_tls(b, id, -1, &handshakes)
    row_add(<uint64_t*>&handshakes, <uint64_t*>&baseline.tls[id])


cdef void board_forget_backend(board_t* b, uint32_t id) noexcept nogil:
    cdef backend_row_t sum
    cdef board_region_t* baseline = board_region(b.base, b.slots + 1)
    board_read_backend(b, id, -1, &sum)
    b.shared.load_ms[id] = 0
    sum.live = 0
    row_add(<uint64_t*>&sum, <uint64_t*>&baseline.backends[id])


cdef void board_forget_pool(board_t* b, uint32_t id) noexcept nogil:
    cdef pool_row_t sum
    cdef http_pool_row_t requests
    cdef board_region_t* baseline = board_region(b.base, b.slots + 1)
    board_read_pool(b, id, -1, &sum)
    row_add(<uint64_t*>&sum, <uint64_t*>&baseline.pools[id])
    board_read_http_pool(b, id, -1, &requests)
    words_add(<uint64_t*>&requests, <uint64_t*>&baseline.http_pools[id], WIDE_WORDS)


cdef bint board_take_request(board_t* b, uint32_t slot, request_record_t* out) noexcept nogil:
    return records_take(&board_region(b.base, slot).requests, out)


cdef bint board_take_access(board_t* b, uint32_t slot, access_record_t* out) noexcept nogil:
    cdef access_ring_t* ring = &board_region(b.base, slot).access
    cdef uint64_t head = ring.head
    if head == ngy_load64_acquire(&ring.tail):
        return False
    memcpy(out, &ring.records[head & (ACCESS_RECORDS - 1)], sizeof(access_record_t))
    ngy_store64_release(&ring.head, head + 1)
    return True
