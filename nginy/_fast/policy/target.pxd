# Targets: the path that goes to a backend, and the place that a redirect names.
from libc.stdint cimport uint8_t, uint32_t
from nginy._fast.policy.site cimport site_found_t, site_t
from nginy._fast.wire.http1 cimport head_t

cdef struct target_t:           # two runs of bytes, one behind the other
    const uint8_t* put          # borrowed from the block, or constant
    uint32_t n_put
    uint32_t at                 # from the beginning of the head
    uint32_t n

# The path of a request that took this route, its query not included. It begins with exactly one slash where the route changes
# the path; else it is as it came. Of `*` and of CONNECT the whole target, as it came.
cdef void target_make(const site_t* s, const site_found_t* f, const uint8_t* p, const head_t* head, target_t* t) noexcept nogil

# Write the location of a redirect: as configured, or the client's own URL with what the route says instead. Returns its bytes,
# or -1 when there is no room for it.
cdef int location_write(
    const site_t* site, const site_found_t* found, const uint8_t* p, const head_t* head, bint is_tls,
    uint8_t* to, uint32_t room
) noexcept nogil
