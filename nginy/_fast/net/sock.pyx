"""Sock: the socket system calls, as status codes."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset
from nginy._fast.base.cdefs cimport (
    AF_INET, AF_INET6, CMSG_DATA, CMSG_FIRSTHDR, CMSG_LEN, EINVAL, EPROTO, IPPROTO_TCP, MSG_CMSG_CLOEXEC, MSG_CTRUNC,
    MSG_DONTWAIT, MSG_FASTOPEN, MSG_NOSIGNAL, MSG_PEEK, MSG_TRUNC, SCM_RIGHTS, SHUT_RDWR, SHUT_WR, SOCK_CLOEXEC,
    SOCK_NONBLOCK, SOCK_STREAM, SOL_SOCKET, SO_ERROR, SO_KEEPALIVE, SO_LINGER, SO_MEMINFO, SO_RCVBUF,
    TCP_CONGESTION, TCP_KEEPIDLE,
    TCP_NODELAY, TCP_QUICKACK, c_accept4, c_close, c_connect, c_getpeername, c_getsockname, c_getsockopt, c_recv,
    c_recvmsg, c_send, c_sendmsg, c_sendto, c_setsockopt, c_shutdown, c_socket, c_write, cmsghdr, errno, iovec, linger, msghdr,
    sockaddr, sockaddr_in6, sockaddr_storage, socklen_t, IPPROTO_IP, IPPROTO_IPV6, IP_TRANSPARENT, IPV6_TRANSPARENT,
    c_bind, htons, ntohs, sockaddr_in,
)
from nginy._fast.base.layout cimport CONGESTION_BYTES
from nginy._fast.base.limits cimport MAX_MESSAGE_FDS
from nginy._fast.base.message cimport message_t


cdef int sock_accept(int fd, sockaddr_storage* addr, socklen_t* n_bytes) noexcept nogil:
    cdef int got
    n_bytes[0] = sizeof(sockaddr_storage)
    got = c_accept4(fd, <sockaddr*>addr, n_bytes, SOCK_NONBLOCK | SOCK_CLOEXEC)
    return -errno if got < 0 else got


cdef int sock_open(int family) noexcept nogil:
    cdef int fd = c_socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    return -errno if fd < 0 else fd


cdef int sock_connect(int fd, const uint8_t* addr, uint16_t n_bytes) noexcept nogil:
    return -errno if c_connect(fd, <const sockaddr*>addr, n_bytes) < 0 else 0


cdef ssize_t sock_connect_with(int fd, const uint8_t* addr, uint16_t n_bytes, const uint8_t* data, size_t n) noexcept nogil:
    cdef ssize_t sent = c_sendto(fd, data, n, MSG_FASTOPEN | MSG_NOSIGNAL, <const sockaddr*>addr, n_bytes)
    return -errno if sent < 0 else sent


cdef int sock_nodelay(int fd) noexcept nogil:
    cdef int one = 1
    return -errno if c_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 else 0


cdef int sock_quickack(int fd, bint is_on) noexcept nogil:
    cdef int value = is_on
    return -errno if c_setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &value, sizeof(value)) < 0 else 0


cdef int sock_congestion(int fd, const uint8_t* name) noexcept nogil:
    return -errno if c_setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, CONGESTION_BYTES) < 0 else 0


cdef int sock_error(int fd) noexcept nogil:
    cdef int error = 0
    cdef socklen_t n = sizeof(error)
    if c_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0:
        return errno
    return error


cdef ssize_t sock_recv(int fd, uint8_t* to, size_t n) noexcept nogil:
    cdef ssize_t got = c_recv(fd, to, n, 0)
    return -errno if got < 0 else got


cdef ssize_t sock_send(int fd, const uint8_t* from_, size_t n) noexcept nogil:
    cdef ssize_t sent = c_send(fd, from_, n, MSG_NOSIGNAL)
    return -errno if sent < 0 else sent


cdef ssize_t sock_peek(int fd, uint8_t* to, size_t n) noexcept nogil:
    cdef ssize_t got = c_recv(fd, to, n, MSG_PEEK)
    return -errno if got < 0 else got


cdef ssize_t sock_skip(int fd, uint8_t* scratch, size_t n) noexcept nogil:
    cdef ssize_t got = c_recv(fd, scratch, n, 0)
    return -errno if got < 0 else got


cdef int sock_finish(int fd) noexcept nogil:
    return -errno if c_shutdown(fd, SHUT_WR) < 0 else 0


cdef int sock_unlisten(int fd) noexcept nogil:
    return -errno if c_shutdown(fd, SHUT_RDWR) < 0 else 0


cdef int sock_keepalive(int fd, uint32_t idle_s) noexcept nogil:
    cdef int one = 1
    cdef int idle = <int>idle_s
    if c_setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)) < 0:
        return -errno
    return -errno if c_setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle)) < 0 else 0


cdef void sock_close(int fd) noexcept nogil:
    c_close(fd)


cdef void sock_reset(int fd) noexcept nogil:
    cdef linger now
    now.l_onoff = 1
    now.l_linger = 0
    c_setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now))
    c_close(fd)


cdef enum:
    MEMINFO_WORDS = 9
    MEMINFO_DROPS = 8


cdef uint32_t sock_drops(int fd) noexcept nogil:
    cdef uint32_t info[MEMINFO_WORDS]
    cdef socklen_t n = sizeof(info)
    memset(info, 0, sizeof(info))
    if c_getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &n) < 0:
        return 0
    return info[MEMINFO_DROPS]


cdef void sock_receive_room(int fd, int n_bytes) noexcept nogil:
    cdef int _ignored = c_setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n_bytes, sizeof(n_bytes))


cdef int sock_name(int fd, uint8_t* ip, uint16_t* port) noexcept nogil:
    cdef sockaddr_storage own
    cdef socklen_t n = sizeof(own)
    memset(ip, 0, 16)
    port[0] = 0
    if c_getsockname(fd, <sockaddr*>&own, &n) < 0:
        return -errno
    if own.ss_family == AF_INET:
        memcpy(ip, &(<sockaddr_in*>&own).sin_addr, 4)
        port[0] = ntohs((<sockaddr_in*>&own).sin_port)
    elif own.ss_family == AF_INET6:
        memcpy(ip, &(<sockaddr_in6*>&own).sin6_addr, 16)
        port[0] = ntohs((<sockaddr_in6*>&own).sin6_port)
    return own.ss_family


cdef int sock_bind_transparent(int fd, uint8_t family, const uint8_t* ip, uint16_t port) noexcept nogil:
    cdef sockaddr_storage addr
    cdef int one = 1
    cdef bint is_six = family == 6
    memset(&addr, 0, sizeof(addr))
    if is_six:
        addr.ss_family = AF_INET6
        memcpy(&(<sockaddr_in6*>&addr).sin6_addr, ip, 16)
        (<sockaddr_in6*>&addr).sin6_port = htons(port)
    else:
        addr.ss_family = AF_INET
        memcpy(&(<sockaddr_in*>&addr).sin_addr, ip, 4)
        (<sockaddr_in*>&addr).sin_port = htons(port)
    if c_setsockopt(
        fd, IPPROTO_IPV6 if is_six else IPPROTO_IP, IPV6_TRANSPARENT if is_six else IP_TRANSPARENT, &one, sizeof(one)
    ) < 0:
        return -errno
    return -errno if c_bind(fd, <sockaddr*>&addr, sizeof(sockaddr_in6) if is_six else sizeof(sockaddr_in)) < 0 else 0


cdef bint sock_is_self(int fd) noexcept nogil:
    cdef sockaddr_storage own, peer
    cdef socklen_t n_own = sizeof(own)
    cdef socklen_t n_peer = sizeof(peer)
    memset(&own, 0, sizeof(own))
    memset(&peer, 0, sizeof(peer))
    if c_getsockname(fd, <sockaddr*>&own, &n_own) < 0 or c_getpeername(fd, <sockaddr*>&peer, &n_peer) < 0:
        return False
    if own.ss_family == AF_INET:
        return memcmp(&own, &peer, 8) == 0      # family, port, address
    if own.ss_family == AF_INET6:
        return (
            (<sockaddr_in6*>&own).sin6_port == (<sockaddr_in6*>&peer).sin6_port
            and memcmp(&(<sockaddr_in6*>&own).sin6_addr, &(<sockaddr_in6*>&peer).sin6_addr, 16) == 0
        )
    return False


cdef bint sock_is_connected(int fd) noexcept nogil:
    cdef sockaddr_storage peer
    cdef socklen_t n = sizeof(peer)
    return c_getpeername(fd, <sockaddr*>&peer, &n) == 0


cdef union control_t:
    cmsghdr align
    uint8_t bytes[24 + 4 * MAX_MESSAGE_FDS]


cdef ssize_t sock_recv_message(int fd, message_t* message, int* fds, int* n_fds) noexcept nogil:
    cdef iovec part
    cdef msghdr m
    cdef control_t control
    cdef cmsghdr* c
    cdef ssize_t got
    part.iov_base = message
    part.iov_len = sizeof(message_t)
    memset(&m, 0, sizeof(m))
    m.msg_iov = &part
    m.msg_iovlen = 1
    m.msg_control = &control
    m.msg_controllen = CMSG_LEN(MAX_MESSAGE_FDS * sizeof(int))  # not the padded size: two more would fit
    n_fds[0] = 0
    got = c_recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)
    if got < 0:
        return -errno
    c = CMSG_FIRSTHDR(&m)
    if c != NULL and c.cmsg_level == SOL_SOCKET and c.cmsg_type == SCM_RIGHTS:
        n_fds[0] = <int>((c.cmsg_len - CMSG_LEN(0)) // sizeof(int))
        memcpy(fds, CMSG_DATA(c), <size_t>n_fds[0] * sizeof(int))
    if m.msg_flags & (MSG_CTRUNC | MSG_TRUNC):
        return -EPROTO
    return got


cdef ssize_t sock_send_message(int fd, const message_t* message, size_t n_bytes, const int* fds, int n_fds) noexcept nogil:
    cdef iovec part
    cdef msghdr m
    cdef control_t control
    cdef cmsghdr* c
    cdef ssize_t sent
    if n_fds > MAX_MESSAGE_FDS:
        return -EINVAL
    part.iov_base = <void*>message
    part.iov_len = n_bytes
    memset(&m, 0, sizeof(m))
    m.msg_iov = &part
    m.msg_iovlen = 1
    if n_fds > 0:
        memset(&control, 0, sizeof(control))
        m.msg_control = &control
        m.msg_controllen = CMSG_LEN(<size_t>n_fds * sizeof(int))
        c = CMSG_FIRSTHDR(&m)
        c.cmsg_level = SOL_SOCKET
        c.cmsg_type = SCM_RIGHTS
        c.cmsg_len = CMSG_LEN(<size_t>n_fds * sizeof(int))
        memcpy(CMSG_DATA(c), fds, <size_t>n_fds * sizeof(int))
    sent = c_sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL)
    return -errno if sent < 0 else sent


cdef void sock_ring(int fd) noexcept nogil:
    cdef uint64_t one = 1
    cdef ssize_t _ignored = c_write(fd, &one, sizeof(one))     # EAGAIN: 2^64 - 1 rings that nobody has heard
