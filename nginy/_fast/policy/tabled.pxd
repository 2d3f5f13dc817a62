# Policies by key over a published table. Without one that fits, highest random weight answers.
from nginy._fast.policy.choose cimport chooser_t
from nginy._fast.policy.look cimport look_t

# Position in the snapshot of a backend of the tier, or -1. The tier is not empty.
# is_bounded: nobody over its share of the load.
cdef int choose_ring(chooser_t* c, look_t* look, bint is_bounded) noexcept nogil
cdef int choose_maglev(chooser_t* c, look_t* look, bint is_bounded) noexcept nogil
# The backend that a published map names for the key, if it may be taken; -1: it names none.
cdef int choose_mapped(chooser_t* c, look_t* look) noexcept nogil
cdef int choose_preserve(chooser_t* c, look_t* look) noexcept nogil
