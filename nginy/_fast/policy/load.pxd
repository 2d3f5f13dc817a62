# Policies that look at how busy backends are, or how quick.
from nginy._fast.policy.choose cimport chooser_t
from nginy._fast.policy.look cimport look_t

# All: position in the snapshot of a backend of the tier, or -1. The tier is not empty.
cdef int choose_least_conn(chooser_t* c, look_t* look) noexcept nogil
cdef int choose_least_time(chooser_t* c, look_t* look) noexcept nogil
cdef int choose_random2(chooser_t* c, look_t* look) noexcept nogil
