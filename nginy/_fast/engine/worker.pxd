# One thread, one loop. Opened and closed with or without Python; worker_run needs none.
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from nginy._fast.engine.types cimport worker_t

cdef struct worker_options_t:
    int channel_fd              # taken over, as are the next two
    int board_fd
    int rejoin_fd               # -1 = none
    uint32_t slot
    uint32_t slots              # of the board
    uint32_t sessions_max
    uint32_t flows_max
    uint64_t buffers_bytes
    uint32_t pipes_max          # 0 = never splice
    bint is_spin
    bint is_process             # of its own, not a thread of a host
    uint64_t seed
    uint64_t secret[2]          # of hashes whose keys strangers choose
    uint16_t port_min           # source ports the kernel picks, inclusive
    uint16_t port_max

# 0, or -errno with everything given back (the descriptors too).
cdef int worker_open(worker_t* w, const worker_options_t* options) noexcept nogil

# Serve until stopped or drained; then every session has ended with a reason.
cdef void worker_run(worker_t* w) noexcept nogil
cdef void worker_close(worker_t* w) noexcept nogil

# SIGTERM in a worker process: obeyed only when control is lost.
cdef void worker_take_signals() noexcept nogil
