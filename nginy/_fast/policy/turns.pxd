# Policies that take turns or draw, whoever the client is and however loaded a backend.
from nginy._fast.policy.choose cimport chooser_t
from nginy._fast.policy.look cimport look_t

# All: position in the snapshot of a backend of the tier, or -1. The tier is not empty.
cdef int choose_smooth(chooser_t* c, look_t* look) noexcept nogil
cdef int choose_random(chooser_t* c, look_t* look) noexcept nogil
cdef int choose_first(chooser_t* c, look_t* look) noexcept nogil
