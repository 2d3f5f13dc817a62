# Conditions of a route: its method, headers and query arguments.
from libc.stdint cimport uint8_t, uint32_t
from nginy._fast.policy.site cimport site_pick_t, site_t
from nginy._fast.wire.http1 cimport head_t

# Whether all conditions of a pick fit a request whose head was read at p.
cdef bint conds_fit(const site_t* site, const site_pick_t* pick, const uint8_t* p, const head_t* head) noexcept nogil
