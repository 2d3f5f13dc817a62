# Links: connections to backends that serve one exchange after the other. A link is in use by one session or at rest; the
# poller knows it by its own tag, so that changing hands costs no system call.
from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.base.cdefs cimport epoll_event
from nginy._fast.engine.exchanges cimport exchange_t, link_t
from nginy._fast.engine.types cimport session_t, worker_t

# The worker's part for HTTP. 0, or -ENOMEM.
cdef int http_open(worker_t* w, uint32_t sessions_max, uint64_t heads_bytes) noexcept nogil
cdef void http_close(worker_t* w) noexcept nogil

cdef inline exchange_t* exchange_of(const worker_t* w, const session_t* s) noexcept nogil:
    return &w.http.exchanges[s.timer.idx]

# Watch a session's new back leg. 0 or -errno.
cdef int link_open(worker_t* w, session_t* s) noexcept nogil

# A link of the session's backend becomes its back leg. One that has rested longer than most_ms is left. False: none is there.
cdef bint link_take(worker_t* w, session_t* s, uint64_t most_ms) noexcept nogil

# The session's back leg is put to rest, or closed where there are enough. The session has no back leg then.
cdef void link_rest(worker_t* w, session_t* s) noexcept nogil

# The session's link is no more; its descriptor is the caller's to close.
cdef void link_forget(worker_t* w, session_t* s) noexcept nogil

# The session whose back leg a tag means. NULL: a stale tag, or a link at rest, which is closed when the bits say so.
cdef session_t* link_event(worker_t* w, uint64_t tag, uint32_t bits) noexcept nogil
# A batch of n events begins: what it says of links at rest comes first, so that nobody takes one that is known to have ended,
# or to have bytes that nobody asked for. The number of events that are left.
cdef int links_first(worker_t* w, epoll_event* events, int n) noexcept nogil

cdef void link_timer(worker_t* w, link_t* link) noexcept nogil

# A new generation: links at rest whose backend is gone are closed.
cdef void links_settle(worker_t* w) noexcept nogil

# The head buffer of a request, with whatever is in it; that of a response's head which is not whole.
cdef void head_give(worker_t* w, exchange_t* x) noexcept nogil
# What is in it is needed no more: it is given back, but for what belongs to the next request, or may be sent once more.
cdef void head_let_go(worker_t* w, exchange_t* x) noexcept nogil
cdef void part_give(worker_t* w, exchange_t* x) noexcept nogil

# Give back what the session holds for HTTP.
cdef void exchange_drop(worker_t* w, session_t* s) noexcept nogil
