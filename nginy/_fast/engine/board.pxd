# The board as control reads it: sums over the workers' rows and the departed one, less a baseline of what is forgotten.
# One thread. Control writes only the departed region, the baseline, and the rows of a worker that is dead.
from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.base.letter cimport pool_row_t
from nginy._fast.base.board cimport (
    access_record_t, backend_row_t, board_region_t, board_shared_t, http_pool_row_t, http_row_t, listener_row_t,
    request_record_t, udp_row_t, worker_row_t,
)
from nginy._fast.base.tls cimport tls_row_t

cdef struct board_t:
    void* base                  # owned mapping
    uint64_t n_bytes
    uint32_t slots
    board_shared_t* shared

# Map the board behind fd (not consumed). 0, -EINVAL for another layout or slot count, -ENOMEM.
cdef int board_attach(board_t* b, int fd, uint32_t slots) noexcept nogil
cdef void board_detach(board_t* b) noexcept nogil

# One worker's row, read whole. slot < 0: the sum of all, departed included, forgotten excluded.
cdef void board_read_worker(const board_t* b, uint32_t slot, worker_row_t* out) noexcept nogil
cdef void board_read_listener(const board_t* b, uint32_t id, int slot, listener_row_t* out) noexcept nogil
cdef void board_read_tls(const board_t* b, uint32_t id, int slot, tls_row_t* out) noexcept nogil
cdef void board_read_http(const board_t* b, uint32_t id, int slot, http_row_t* out) noexcept nogil
cdef void board_read_udp(const board_t* b, uint32_t id, int slot, udp_row_t* out) noexcept nogil
cdef void board_read_pool(const board_t* b, uint32_t id, int slot, pool_row_t* out) noexcept nogil
cdef void board_read_http_pool(const board_t* b, uint32_t id, int slot, http_pool_row_t* out) noexcept nogil
cdef void board_read_backend(const board_t* b, uint32_t id, int slot, backend_row_t* out) noexcept nogil

# A worker is dead: its counters join the departed, its sessions end as WORKER_DIED, its share of the atomics is
# taken back, its rows become zero. Returns the sessions lost.
cdef uint64_t board_fold(board_t* b, uint32_t slot) noexcept nogil

# Counters of this id start at zero from here on: it will mean something else.
cdef void board_forget_listener(board_t* b, uint32_t id) noexcept nogil
cdef void board_forget_backend(board_t* b, uint32_t id) noexcept nogil
cdef void board_forget_pool(board_t* b, uint32_t id) noexcept nogil

# The oldest access record of a worker. False when there is none.
cdef bint board_take_access(board_t* b, uint32_t slot, access_record_t* out) noexcept nogil

# The same of HTTP, with its texts: `out` has room for DRAFT_BYTES.
cdef bint board_take_request(board_t* b, uint32_t slot, request_record_t* out) noexcept nogil
