"""Jump: each step leaps to the next number of buckets at which this key would move."""

from libc.stdint cimport int64_t, uint32_t, uint64_t


# The doubles are exact on every machine: a quotient and a product, each rounded as IEEE 754 says, and no sum to fuse.
cdef uint32_t jump_bucket(uint64_t key, uint32_t n) noexcept nogil:
    cdef int64_t bucket = 0
    cdef int64_t leap = 0
    while leap < <int64_t>n:    # grows by one at least
        bucket = leap
        key = key * <uint64_t>2862933555777941757 + 1
        leap = <int64_t>((<double>(bucket + 1)) * (2147483648.0 / <double>((key >> 33) + 1)))
    return <uint32_t>bucket
