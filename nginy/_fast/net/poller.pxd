# Readiness behind six functions. Tags are the caller's 64 bits, returned untouched. All return >= 0 or -errno.
from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.base.cdefs cimport epoll_event

cdef enum:                      # poll_t
    POLL_IN = 1                 # readable, or something to accept
    POLL_OUT = 2                # writable, or connected
    POLL_END = 4                # the peer finished sending, or hung up
    POLL_BROKEN = 8             # error pending
    POLL_URGENT = 16            # urgent data: a short read no longer means drained

cdef int poller_open() noexcept nogil

# Both directions of a stream socket, edge triggered, once for its life.
cdef int poller_add_stream(int ep, int fd, uint64_t tag) noexcept nogil

# A listening or message socket, level triggered; is_shared wakes one of several workers.
cdef int poller_add_source(int ep, int fd, uint64_t tag, bint is_shared) noexcept nogil

# An eventfd of which each write is one event; nobody reads it.
cdef int poller_add_bell(int ep, int fd, uint64_t tag) noexcept nogil
cdef int poller_remove(int ep, int fd) noexcept nogil

# Another tag for a source that is watched already.
cdef int poller_move(int ep, int fd, uint64_t tag) noexcept nogil

# At most n events; timeout_ms 0 = look only. EINTR is 0 events.
cdef int poller_wait(int ep, epoll_event* events, int n, int timeout_ms) noexcept nogil

# The kernel's bits as poll_t bits.
cdef uint32_t poller_bits(const epoll_event* event) noexcept nogil
