# Policies by key that need no table: they compute.
from nginy._fast.policy.choose cimport chooser_t
from nginy._fast.policy.look cimport look_t

# All: position in the snapshot of a backend of the tier, or -1. The tier is not empty.
cdef int choose_source_hash(chooser_t* c, look_t* look) noexcept nogil
cdef int choose_rendezvous(chooser_t* c, look_t* look) noexcept nogil
cdef int choose_jump(chooser_t* c, look_t* look) noexcept nogil
cdef int choose_jump_load(chooser_t* c, look_t* look) noexcept nogil
