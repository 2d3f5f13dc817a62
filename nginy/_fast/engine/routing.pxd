# Routing: which pool, or which response of our own, a request is for; and whether that is still so when it is sent.
from nginy._fast.engine.exchanges cimport exchange_t
from nginy._fast.engine.types cimport session_t, worker_t
from nginy._fast.wire.http1 cimport head_t

# The session's request's head, read once more when another one was read since. NULL: it cannot be.
cdef const head_t* request_head(worker_t* w, const session_t* s, const exchange_t* x) noexcept nogil

# Route a request whose head is in the head buffer. True: the session's pool is the one for it. False: it is answered.
cdef bint route_request(worker_t* w, session_t* s, exchange_t* x, const head_t* head) noexcept nogil

# Whether the routes of this generation still send the request to the session's pool, and make the path that is known of it.
cdef bint route_stays(worker_t* w, session_t* s, exchange_t* x) noexcept nogil
