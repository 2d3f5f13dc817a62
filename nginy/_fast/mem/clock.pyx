"""Clock: one vDSO call each, no system call."""

from libc.stdint cimport uint64_t
from nginy._fast.base.cdefs cimport CLOCK_MONOTONIC, CLOCK_REALTIME, c_clock_gettime, timespec


cdef uint64_t clock_ms() noexcept nogil:
    cdef timespec ts
    c_clock_gettime(CLOCK_MONOTONIC, &ts)
    return <uint64_t>ts.tv_sec * 1000 + <uint64_t>ts.tv_nsec // 1000000


cdef uint64_t clock_us() noexcept nogil:
    cdef timespec ts
    c_clock_gettime(CLOCK_MONOTONIC, &ts)
    return <uint64_t>ts.tv_sec * 1000000 + <uint64_t>ts.tv_nsec // 1000


cdef uint64_t clock_wall_ms() noexcept nogil:
    cdef timespec ts
    c_clock_gettime(CLOCK_REALTIME, &ts)
    return <uint64_t>ts.tv_sec * 1000 + <uint64_t>ts.tv_nsec // 1000000
