# Time: monotonic for every decision; wall time only for access records.
from libc.stdint cimport uint64_t

cdef uint64_t clock_ms() noexcept nogil
cdef uint64_t clock_us() noexcept nogil
cdef uint64_t clock_wall_ms() noexcept nogil
