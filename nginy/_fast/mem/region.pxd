# Address space reserved once, backed by the kernel page by page on first touch: a bound that costs nothing until used.
from libc.stdint cimport uint64_t

# Reserve n_bytes of zeroed private memory. NULL when the kernel refuses.
cdef void* region_open(uint64_t n_bytes) noexcept nogil

# Give it back. NULL is fine.
cdef void region_close(void* base, uint64_t n_bytes) noexcept nogil

# Map n_bytes of a descriptor, shared; writable on request. NULL when refused.
cdef void* region_map(int fd, uint64_t n_bytes, bint is_writable) noexcept nogil

# Give the whole pages of [offset, offset + n_bytes) back: they read as zero and cost nothing until touched again.
cdef void region_trim(void* base, uint64_t offset, uint64_t n_bytes) noexcept nogil
