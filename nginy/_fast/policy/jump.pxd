# Jump hash: a number to one of n buckets. Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm", 2014.
from libc.stdint cimport uint32_t, uint64_t

# 0 .. n - 1; 0 for n = 0. From n to n + 1 buckets, only keys of the new bucket move. Takes about ln(n) steps.
cdef uint32_t jump_bucket(uint64_t key, uint32_t n) noexcept nogil
