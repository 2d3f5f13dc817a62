"""Region: reserved or mapped memory; the only place that calls mmap."""

from libc.stdint cimport uint8_t, uint64_t
from nginy._fast.base.cdefs cimport (
    MADV_DONTNEED, MAP_ANONYMOUS, MAP_FAILED, MAP_NORESERVE, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE, c_madvise,
    c_mmap, c_munmap,
)

cdef enum:
    PAGE = 4096


cdef void* region_open(uint64_t n_bytes) noexcept nogil:
    cdef void* base = c_mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    return NULL if base == MAP_FAILED else base


cdef void region_close(void* base, uint64_t n_bytes) noexcept nogil:
    if base != NULL:
        c_munmap(base, n_bytes)


cdef void* region_map(int fd, uint64_t n_bytes, bint is_writable) noexcept nogil:
    cdef int prot = PROT_READ | PROT_WRITE if is_writable else PROT_READ
    cdef void* base = c_mmap(NULL, n_bytes, prot, MAP_SHARED, fd, 0)
    return NULL if base == MAP_FAILED else base


cdef void region_trim(void* base, uint64_t offset, uint64_t n_bytes) noexcept nogil:
    cdef uint64_t first = (offset + PAGE - 1) & ~<uint64_t>(PAGE - 1)
    cdef uint64_t end = (offset + n_bytes) & ~<uint64_t>(PAGE - 1)
    if first < end:
        c_madvise(<uint8_t*>base + first, end - first, MADV_DONTNEED)
