# The worker's rows of the board. Each row is written by this worker alone; seq is odd while a row's fields disagree.
from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.base.cdefs cimport ngy_fence_release, ngy_store64, ngy_store64_release
from nginy._fast.base.board cimport backend_row_t, board_region_t, board_shared_t, listener_row_t
from nginy._fast.engine.types cimport session_side_t, session_t, worker_t

cdef inline void row_begin(uint64_t* seq) noexcept nogil:
    ngy_store64(seq, seq[0] + 1)
    ngy_fence_release()

cdef inline void row_end(uint64_t* seq) noexcept nogil:
    ngy_store64_release(seq, seq[0] + 1)

cdef inline void count(uint64_t* counter, uint64_t n) noexcept nogil:
    ngy_store64(counter, counter[0] + n)

# Size of a board for so many workers, and where its parts lie.
cdef uint64_t board_bytes(uint32_t slots) noexcept nogil
cdef board_shared_t* board_shared(void* base) noexcept nogil
cdef board_region_t* board_region(void* base, uint32_t idx) noexcept nogil

# A session of this listener exists, was refused before it existed, or has ended (its slab slot is given back already).
cdef void stats_accepted(worker_t* w, uint32_t listener) noexcept nogil
cdef void stats_refused(worker_t* w, uint32_t listener, uint32_t reason) noexcept nogil
cdef void stats_ended(worker_t* w, uint32_t listener, uint32_t reason) noexcept nogil

# Bytes delivered; the outcome of one attempt.
cdef void stats_moved(worker_t* w, const session_t* s, int from_side, uint64_t n_bytes) noexcept nogil
cdef void stats_attempt(worker_t* w, const session_t* s, uint32_t outcome) noexcept nogil
cdef void stats_outcome(worker_t* w, uint32_t backend, uint32_t outcome, uint32_t connect_us) noexcept nogil

# A loop turn: from the end of its wait, stage by stage, to what it all took.
cdef void turn_begin(worker_t* w) noexcept nogil
cdef void turn_mark(worker_t* w, uint32_t stage) noexcept nogil
cdef void stats_turn(worker_t* w) noexcept nogil

# The access record of a session that ends; dropped and counted when the ring is full.
cdef void stats_access(worker_t* w, const session_t* s, const session_side_t* side, uint32_t reason) noexcept nogil
