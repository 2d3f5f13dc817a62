"""Pipe: splice(2), as status codes."""

from libc.stdint cimport uint32_t
from nginy._fast.base.cdefs cimport (
    EPERM, F_SETPIPE_SZ, O_CLOEXEC, O_NONBLOCK, SPLICE_F_MOVE, SPLICE_F_NONBLOCK, c_close, c_fcntl, c_pipe2, c_splice,
    errno,
)


cdef int pipe_open(pipe_t* p, uint32_t n_bytes) noexcept nogil:
    cdef int fds[2]
    cdef int got
    if c_pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0:
        return -errno
    p.read_fd = fds[0]
    p.write_fd = fds[1]
    got = c_fcntl(p.write_fd, F_SETPIPE_SZ, <int>n_bytes)
    if got >= <int>n_bytes:
        return 0
    got = -errno if got < 0 else -EPERM
    pipe_close(p)
    return got


cdef void pipe_close(pipe_t* p) noexcept nogil:
    if p.write_fd > 0:
        c_close(p.write_fd)
        c_close(p.read_fd)
    p.read_fd = 0
    p.write_fd = 0


cdef ssize_t pipe_fill(const pipe_t* p, int from_fd, uint32_t n) noexcept nogil:
    cdef ssize_t got = c_splice(from_fd, NULL, p.write_fd, NULL, n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK)
    return -errno if got < 0 else got


cdef ssize_t pipe_drain(const pipe_t* p, int to_fd, uint32_t n) noexcept nogil:
    cdef ssize_t sent = c_splice(p.read_fd, NULL, to_fd, NULL, n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK)
    return -errno if sent < 0 else sent
