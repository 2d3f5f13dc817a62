# Listening sockets as this worker holds them: all of every worker's, of which it serves its own, the shared ones, and
# those of a dead worker while it stands in.
from libc.stdint cimport uint32_t
from nginy._fast.engine.types cimport listener_t, worker_t

# Keep a descriptor under a socket id; a second one for the same id replaces nothing and is closed.
cdef void listener_hold(worker_t* w, uint32_t sock_id, int fd) noexcept nogil

# Bring registration in line with snapshot, serve_mask and drain: serve, stop serving, or drain and close.
cdef void listeners_settle(worker_t* w) noexcept nogil

# The poller says something may be there to accept.
cdef void listener_event(worker_t* w, uint32_t sock_id) noexcept nogil

# The pause after a shortage is over.
cdef void listener_timer(worker_t* w, listener_t* l) noexcept nogil

# Accept what is queued, end the socket, close it.
cdef void listener_close(worker_t* w, listener_t* l) noexcept nogil
cdef void listeners_close(worker_t* w) noexcept nogil

# Let go of every socket and leave what is queued to the other holders.
cdef void listeners_drop(worker_t* w) noexcept nogil
