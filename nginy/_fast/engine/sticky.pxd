# Sticky cookies: a client's cookie names its backend, which is taken before the policy is asked.
from libc.stdint cimport uint8_t
from nginy._fast.engine.exchanges cimport exchange_t
from nginy._fast.engine.types cimport session_t, worker_t
from nginy._fast.policy.site cimport site_route_t, site_t
from nginy._fast.wire.http1 cimport head_t

# A request was routed to the session's pool. A cookie that names a backend of it, or of another pool that the route leads to,
# is noted, and that pool becomes the session's. site, route: NULL where the listener has a pool alone. p: where the head was
# read.
cdef void sticky_begin(
    worker_t* w, session_t* s, exchange_t* x, const uint8_t* p, const head_t* head, const site_t* site,
    const site_route_t* route
) noexcept nogil

# The position of the backend that the cookie names, if it takes its clients still, with a lease on it; else -1.
cdef int sticky_choose(worker_t* w, session_t* s, exchange_t* x) noexcept nogil
