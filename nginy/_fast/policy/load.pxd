# Policies that look at how busy backends are, or how quick.
from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.policy.choose cimport chooser_t
from nginy._fast.policy.look cimport look_t

# The average of the loads that a backend reports, a tenth of each; 0 = it never did.
cdef inline uint32_t load_mix(uint32_t before_ms, uint64_t ms) noexcept nogil:
    return <uint32_t>(ms if before_ms == 0 else (9 * <uint64_t>before_ms + ms) // 10)

# All: position in the snapshot of a backend of the tier, or -1. The tier is not empty.
cdef int choose_least_conn(chooser_t* c, look_t* look) noexcept nogil
cdef int choose_least_time(chooser_t* c, look_t* look) noexcept nogil
cdef int choose_random2(chooser_t* c, look_t* look) noexcept nogil
