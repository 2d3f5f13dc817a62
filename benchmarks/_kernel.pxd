# cython: language_level=3
# What the load generator calls in the kernel, by manual page.
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from posix.time cimport timespec

cdef extern from "sys/uio.h" nogil:
    cdef struct iovec:
        void* iov_base
        size_t iov_len

cdef extern from "sys/socket.h" nogil:
    ctypedef unsigned int socklen_t
    cdef struct sockaddr:
        pass
    cdef struct msghdr:
        void* msg_name
        socklen_t msg_namelen
        iovec* msg_iov
        size_t msg_iovlen
    cdef struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len
    int AF_INET, SOCK_STREAM, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_CLOEXEC, SOL_SOCKET, SO_REUSEADDR, SO_BINDTODEVICE
    int SO_RCVBUFFORCE, SO_SNDBUFFORCE, MSG_NOSIGNAL, MSG_TRUNC, MSG_DONTWAIT
    int socket(int domain, int kind, int protocol)
    int bind(int fd, const sockaddr* addr, socklen_t size)
    int listen(int fd, int backlog)
    int accept4(int fd, sockaddr* addr, socklen_t* size, int flags)
    int connect(int fd, const sockaddr* addr, socklen_t size)
    int getsockname(int fd, sockaddr* addr, socklen_t* size)
    int setsockopt(int fd, int level, int name, const void* value, socklen_t size)
    ssize_t send(int fd, const void* buf, size_t size, int flags)
    ssize_t recv(int fd, void* buf, size_t size, int flags)
    int sendmmsg(int fd, mmsghdr* messages, unsigned int n, int flags)
    int recvmmsg(int fd, mmsghdr* messages, unsigned int n, int flags, timespec* timeout)

cdef extern from "netinet/in.h" nogil:
    cdef struct in_addr:
        uint32_t s_addr
    cdef struct sockaddr_in:
        uint16_t sin_family
        uint16_t sin_port
        in_addr sin_addr
    uint16_t htons(uint16_t value)
    uint16_t ntohs(uint16_t value)
    uint32_t htonl(uint32_t value)

cdef extern from "netinet/tcp.h" nogil:
    int IPPROTO_TCP, TCP_CONGESTION, TCP_NODELAY

cdef extern from "netinet/udp.h" nogil:
    int SOL_UDP, UDP_SEGMENT, UDP_GRO

cdef extern from "sys/epoll.h" nogil:
    int EPOLL_CTL_ADD, EPOLL_CTL_MOD
    uint32_t EPOLLIN, EPOLLOUT, EPOLLET, EPOLLERR, EPOLLHUP, EPOLLRDHUP
    cdef union epoll_data_t:
        uint64_t u64
    cdef struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_create1(int flags)
    int epoll_ctl(int ep, int op, int fd, epoll_event* event)
    int epoll_wait(int ep, epoll_event* events, int n_max, int timeout_ms)

cdef extern from "unistd.h" nogil:
    int close(int fd)
    ssize_t write(int fd, const void* buf, size_t size)

cdef extern from "sys/mman.h" nogil:
    unsigned int MFD_CLOEXEC
    int memfd_create(const char* name, unsigned int flags)

cdef extern from "sys/sendfile.h" nogil:
    ssize_t sendfile(int out, int source, int64_t* offset, size_t size)
