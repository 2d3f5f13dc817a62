# Bounded load: nobody holds more than so many times the mean. Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with
# Bounded Loads", 2016; a node's part of the bound follows its weight.
from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    BOUNDED_UNIT = 1000         # a factor of 1
    BOUNDED_MOST = 65535        # 65.5 times the mean: beyond it nothing is bounded, and products stay below 2**64

# How many a node may hold when one more than `total` are spread: ceil(factor * (total + 1) * weight / weight_sum).
# The bounds of all nodes sum up to more than total, so somebody has room. total < 2**31, weight <= 65535.
cdef inline uint64_t bounded_cap(uint64_t total, uint32_t weight, uint64_t weight_sum, uint32_t factor) noexcept nogil:
    cdef uint64_t unit = weight_sum * BOUNDED_UNIT
    return (factor * (total + 1) * weight + unit - 1) // unit
