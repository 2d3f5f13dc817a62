# Every socket system call of the data plane, none of which blocks. All return >= 0 or -errno; errno is read nowhere else.
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from nginy._fast.base.cdefs cimport sockaddr, sockaddr_storage, socklen_t
from nginy._fast.base.message cimport message_t

# A client of a listening socket, non-blocking, close-on-exec.
cdef int sock_accept(int fd, sockaddr_storage* addr, socklen_t* n_bytes) noexcept nogil

# A non-blocking stream socket for the address family.
cdef int sock_open(int family) noexcept nogil

# 0 = connected, -EINPROGRESS = wait for writable, other = refused.
cdef int sock_connect(int fd, const uint8_t* addr, uint16_t n_bytes) noexcept nogil

# As sock_connect, the bytes with the SYN (TCP_FASTOPEN, RFC 7413): bytes taken, and the connection is under way; or as above
# with nothing sent, when the kernel knows no cookie of this server yet.
cdef ssize_t sock_connect_with(int fd, const uint8_t* addr, uint16_t n_bytes, const uint8_t* data, size_t n) noexcept nogil

# Options of tcp(7). congestion: 16 bytes, padded with zeros.
cdef int sock_nodelay(int fd) noexcept nogil
cdef int sock_quickack(int fd, bint is_on) noexcept nogil   # off: wait for something to send; on: now
cdef int sock_congestion(int fd, const uint8_t* name) noexcept nogil

# The pending error as a positive errno, 0 = none.
cdef int sock_error(int fd) noexcept nogil

# Bytes > 0, 0 = peer finished, -EAGAIN = nothing now.
cdef ssize_t sock_recv(int fd, uint8_t* to, size_t n) noexcept nogil
cdef ssize_t sock_send(int fd, const uint8_t* from_, size_t n) noexcept nogil

# Look at bytes without taking them; then take n of them away (scratch holds at least n). Same returns as sock_recv.
cdef ssize_t sock_peek(int fd, uint8_t* to, size_t n) noexcept nogil
cdef ssize_t sock_skip(int fd, uint8_t* scratch, size_t n) noexcept nogil

cdef int sock_finish(int fd) noexcept nogil             # no more bytes from us
cdef int sock_unlisten(int fd) noexcept nogil           # stop listening for every holder of the socket
cdef int sock_keepalive(int fd, uint32_t idle_s) noexcept nogil
cdef void sock_close(int fd) noexcept nogil
cdef void sock_reset(int fd) noexcept nogil             # close; the peer sees a reset

# Datagrams that this socket has dropped so far for want of room (SO_MEMINFO, SK_MEMINFO_DROPS).
cdef uint32_t sock_drops(int fd) noexcept nogil

# Ask for a longer receive queue; the system's bound is what it gets.
cdef void sock_receive_room(int fd, int n_bytes) noexcept nogil

# A socket's own address (IPv4 in the first four bytes) and port, host order; other families: zeros.
cdef int sock_name(int fd, uint8_t* ip, uint16_t* port) noexcept nogil

# Bind to an address that need not be ours (IP_TRANSPARENT, ip(7); needs CAP_NET_ADMIN).
cdef int sock_bind_transparent(int fd, uint8_t family, const uint8_t* ip, uint16_t port) noexcept nogil

# Whether a connected socket's own address is its peer's (RFC 9293, simultaneous open with itself).
cdef bint sock_is_self(int fd) noexcept nogil

# Whether connect(2) has come through by now.
cdef bint sock_is_connected(int fd) noexcept nogil

# One channel message with its descriptors (SCM_RIGHTS). recv: bytes, 0 = the other end is gone; *n_fds in: room, out: got.
cdef ssize_t sock_recv_message(int fd, message_t* message, int* fds, int* n_fds) noexcept nogil
cdef ssize_t sock_send_message(int fd, const message_t* message, size_t n_bytes, const int* fds, int n_fds) noexcept nogil

# Ring an eventfd: whoever waits for it wakes up. It never blocks: a full one has rung already.
cdef void sock_ring(int fd) noexcept nogil
