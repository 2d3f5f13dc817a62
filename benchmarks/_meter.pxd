# cython: language_level=3
# What every load needs: clocks, addresses, and latency in buckets. Compiled into each of them.
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.string cimport memset
from posix.time cimport CLOCK_MONOTONIC, CLOCK_THREAD_CPUTIME_ID, clock_gettime, timespec

from benchmarks._kernel cimport AF_INET, htonl, htons, sockaddr_in

cdef enum:
    HIST_ROWS = 64          # powers of two of nanoseconds
    HIST_COLS = 128         # equal parts of each: under 1 % wide

cdef struct hist_t:
    uint64_t counts[HIST_ROWS * HIST_COLS]


cdef inline uint64_t now_ns() noexcept nogil:
    cdef timespec at
    clock_gettime(CLOCK_MONOTONIC, &at)
    return <uint64_t>at.tv_sec * 1000000000 + <uint64_t>at.tv_nsec


cdef inline uint64_t thread_cpu_ns() noexcept nogil:
    cdef timespec at
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at)
    return <uint64_t>at.tv_sec * 1000000000 + <uint64_t>at.tv_nsec


cdef inline void address_fill(sockaddr_in* address, uint32_t host, uint16_t port) noexcept nogil:
    memset(address, 0, sizeof(sockaddr_in))
    address.sin_family = <uint16_t>AF_INET
    address.sin_port = htons(port)
    address.sin_addr.s_addr = htonl(host)


cdef inline void hist_note(hist_t* hist, uint64_t took_ns) noexcept nogil:
    cdef int row = 0
    cdef uint64_t rest = took_ns
    while rest > 1:
        rest >>= 1
        row += 1
    cdef int col = <int>(((took_ns - (<uint64_t>1 << row)) * HIST_COLS) >> row) if took_ns else 0
    hist.counts[row * HIST_COLS + col] += 1


# Nanoseconds below which so large a share of what was noted lies; 0: nothing was.
cdef inline double hist_percentile_ns(const hist_t* hist, double share) noexcept nogil:
    cdef uint64_t total = 0, want, seen = 0
    cdef int i, last = 0
    for i in range(HIST_ROWS * HIST_COLS):
        total += hist.counts[i]
    want = <uint64_t>(share * total)
    for i in range(HIST_ROWS * HIST_COLS):
        if hist.counts[i]:
            last = i
        seen += hist.counts[i]
        if seen > want:
            break
    return (<uint64_t>1 << (last // HIST_COLS)) * (1 + (last % HIST_COLS + 0.5) / HIST_COLS) if total else 0.0
