# A pipe as a way through the kernel: bytes pass from socket to socket as page references. Source: splice(2), pipe(7).
from libc.stdint cimport uint32_t

cdef struct pipe_t:             # both owned; 0 = not open (0 is never a pipe here)
    int read_fd
    int write_fd

# Open with room for n_bytes. 0, or -errno with nothing held: -EPERM when the user's pages are used up (pipe(7)).
cdef int pipe_open(pipe_t* p, uint32_t n_bytes) noexcept nogil
cdef void pipe_close(pipe_t* p) noexcept nogil

# Socket into an empty pipe: bytes moved, 0 = the peer finished, -EAGAIN = nothing there, -EINVAL = this socket cannot.
# A short move says nothing about what is left: the pipe holds pages, and small packets fill it early.
cdef ssize_t pipe_fill(const pipe_t* p, int from_fd, uint32_t n) noexcept nogil

# Pipe into a socket: bytes moved, or -errno; -EAGAIN = no room.
cdef ssize_t pipe_drain(const pipe_t* p, int to_fd, uint32_t n) noexcept nogil
