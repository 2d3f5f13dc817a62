"""Poller: epoll(7)."""

from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.base.cdefs cimport (
    EINTR, EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLERR, EPOLLET, EPOLLEXCLUSIVE, EPOLLHUP, EPOLLIN,
    EPOLLOUT, EPOLLPRI, EPOLLRDHUP, c_epoll_create1, c_epoll_ctl, c_epoll_wait, epoll_event, errno,
)


cdef int poller_open() noexcept nogil:
    cdef int ep = c_epoll_create1(EPOLL_CLOEXEC)
    return -errno if ep < 0 else ep


cdef int poller_add_stream(int ep, int fd, uint64_t tag) noexcept nogil:
    cdef epoll_event event
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET
    event.data.u64 = tag
    return -errno if c_epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event) < 0 else 0


cdef int poller_add_source(int ep, int fd, uint64_t tag, bint is_shared) noexcept nogil:
    cdef epoll_event event
    event.events = EPOLLIN
    if is_shared:
        event.events |= EPOLLEXCLUSIVE
    event.data.u64 = tag
    return -errno if c_epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event) < 0 else 0


cdef int poller_add_bell(int ep, int fd, uint64_t tag) noexcept nogil:
    cdef epoll_event event
    event.events = EPOLLIN | EPOLLET
    event.data.u64 = tag
    return -errno if c_epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event) < 0 else 0


cdef int poller_remove(int ep, int fd) noexcept nogil:
    cdef epoll_event event
    return -errno if c_epoll_ctl(ep, EPOLL_CTL_DEL, fd, &event) < 0 else 0


cdef int poller_move(int ep, int fd, uint64_t tag) noexcept nogil:
    cdef epoll_event event
    event.events = EPOLLIN
    event.data.u64 = tag
    return -errno if c_epoll_ctl(ep, EPOLL_CTL_MOD, fd, &event) < 0 else 0


cdef int poller_wait(int ep, epoll_event* events, int n, int timeout_ms) noexcept nogil:
    cdef int got = c_epoll_wait(ep, events, n, timeout_ms)
    if got < 0:
        return 0 if errno == EINTR else -errno
    return got


cdef uint32_t poller_bits(const epoll_event* event) noexcept nogil:
    cdef uint32_t bits = 0
    if event.events & EPOLLIN:
        bits |= POLL_IN
    if event.events & EPOLLOUT:
        bits |= POLL_OUT
    if event.events & (EPOLLRDHUP | EPOLLHUP):
        bits |= POLL_END
    if event.events & EPOLLERR:
        bits |= POLL_BROKEN
    if event.events & EPOLLHUP:
        bits |= POLL_IN | POLL_OUT
    if event.events & EPOLLPRI:
        bits |= POLL_URGENT
    return bits
