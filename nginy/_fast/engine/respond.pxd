# Responses that routes are made of: they lie in the snapshot, and go out as the client takes them.
from nginy._fast.engine.types cimport session_t, worker_t
from nginy._fast.policy.site cimport site_found_t, site_t
from nginy._fast.wire.http1 cimport head_t

# Answer the request at hand as its route says, which is no pool. The session goes on as after own_respond, or waits for the
# client to take the rest.
cdef void respond_begin(
    worker_t* w, session_t* s, const site_t* site, const site_found_t* found, const head_t* head
) noexcept nogil

# Go on (PHASE_OWN). Where the routes are others by now, the rest is not theirs: the connection is reset.
cdef void respond_run(worker_t* w, session_t* s) noexcept nogil
