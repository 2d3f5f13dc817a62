# Kernel and libc declarations, grouped by man page. Declarations only: no behaviour lives here.
from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t, uint64_t

cdef extern from "compat.h" nogil:
    uint32_t ngy_load32 "ngy_load"(const uint32_t* p)
    uint64_t ngy_load64 "ngy_load"(const uint64_t* p)
    uint64_t ngy_load64_acquire "ngy_load_acquire"(const uint64_t* p)
    int ngy_load_int "ngy_load"(const int* p)
    void ngy_store32 "ngy_store"(uint32_t* p, uint32_t v)
    void ngy_store64 "ngy_store"(uint64_t* p, uint64_t v)
    void ngy_store_int "ngy_store"(int* p, int v)
    void ngy_store64_release "ngy_store_release"(uint64_t* p, uint64_t v)
    uint32_t ngy_add32 "ngy_add"(uint32_t* p, uint32_t v)
    uint32_t ngy_sub32 "ngy_sub"(uint32_t* p, uint32_t v)
    void ngy_fence_release()
    void ngy_fence_acquire()
    void ngy_fence_full()
    bint likely "ngy_likely"(bint x)
    bint unlikely "ngy_unlikely"(bint x)
    void NGY_CHECK(bint cond)
    int NGY_IS_DEBUG

cdef extern from "errno.h" nogil:
    int errno
    enum:
        EAGAIN
        EBADF
        ECONNABORTED
        EIO
        EMSGSIZE
        ECONNREFUSED
        ECONNRESET
        EADDRINUSE
        EADDRNOTAVAIL
        EHOSTUNREACH
        EINPROGRESS
        EINTR
        EINVAL
        EMFILE
        ENETUNREACH
        ENFILE
        ENOBUFS
        ENOENT
        ENOMEM
        EOPNOTSUPP
        EPERM
        EPIPE
        EPROTO
        ETIMEDOUT
        EACCES

cdef extern from "time.h" nogil:
    struct timespec:
        int64_t tv_sec
        long tv_nsec

# socket(7), ip(7), tcp(7), unix(7)
cdef extern from "sys/socket.h" nogil:
    ctypedef uint32_t socklen_t
    ctypedef uint16_t sa_family_t
    struct sockaddr:
        sa_family_t sa_family
    struct sockaddr_storage:
        sa_family_t ss_family
    struct iovec:
        void* iov_base
        size_t iov_len
    struct msghdr:
        void* msg_name
        socklen_t msg_namelen
        iovec* msg_iov
        size_t msg_iovlen
        void* msg_control
        size_t msg_controllen
        int msg_flags
    struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len
    struct cmsghdr:
        size_t cmsg_len
        int cmsg_level
        int cmsg_type
    struct linger:
        int l_onoff
        int l_linger
    cmsghdr* CMSG_FIRSTHDR(msghdr* m)
    cmsghdr* CMSG_NXTHDR(msghdr* m, cmsghdr* c)
    unsigned char* CMSG_DATA(cmsghdr* c)
    size_t CMSG_LEN(size_t n)
    size_t CMSG_SPACE(size_t n)
    int c_socket "socket"(int domain, int kind, int protocol)
    int c_connect "connect"(int fd, const sockaddr* addr, socklen_t n)
    int c_accept4 "accept4"(int fd, sockaddr* addr, socklen_t* n, int flags)
    ssize_t c_recv "recv"(int fd, void* buf, size_t n, int flags)
    ssize_t c_send "send"(int fd, const void* buf, size_t n, int flags)
    ssize_t c_sendto "sendto"(int fd, const void* buf, size_t n, int flags, const sockaddr* addr, socklen_t n_addr)
    ssize_t c_recvmsg "recvmsg"(int fd, msghdr* m, int flags)
    ssize_t c_sendmsg "sendmsg"(int fd, const msghdr* m, int flags)
    int c_recvmmsg "recvmmsg"(int fd, mmsghdr* m, unsigned int n, int flags, timespec* timeout)
    int c_sendmmsg "sendmmsg"(int fd, mmsghdr* m, unsigned int n, int flags)
    int c_bind "bind"(int fd, const sockaddr* addr, socklen_t n)
    int c_shutdown "shutdown"(int fd, int how)
    int c_setsockopt "setsockopt"(int fd, int level, int name, const void* v, socklen_t n)
    int c_getsockopt "getsockopt"(int fd, int level, int name, void* v, socklen_t* n)
    int c_getsockname "getsockname"(int fd, sockaddr* addr, socklen_t* n)
    int c_getpeername "getpeername"(int fd, sockaddr* addr, socklen_t* n)
    enum:
        AF_INET
        AF_INET6
        AF_UNIX
        SOCK_STREAM
        SOCK_DGRAM
        SOCK_NONBLOCK
        SOCK_CLOEXEC
        SOL_SOCKET
        SO_ERROR
        SO_KEEPALIVE
        SO_LINGER
        SO_RXQ_OVFL
        SO_MEMINFO
        SO_RCVBUF
        SCM_RIGHTS
        MSG_NOSIGNAL
        MSG_DONTWAIT
        MSG_FASTOPEN
        MSG_PEEK
        MSG_CMSG_CLOEXEC
        MSG_CTRUNC
        MSG_TRUNC
        SHUT_WR
        SHUT_RDWR

cdef extern from "netinet/in.h" nogil:
    struct in_addr:
        uint32_t s_addr
    struct in6_addr:
        unsigned char s6_addr[16]
    struct sockaddr_in:
        sa_family_t sin_family
        uint16_t sin_port
        in_addr sin_addr
    struct sockaddr_in6:
        sa_family_t sin6_family
        uint16_t sin6_port
        uint32_t sin6_flowinfo
        in6_addr sin6_addr
        uint32_t sin6_scope_id
    struct in_pktinfo:
        int ipi_ifindex
        in_addr ipi_spec_dst
        in_addr ipi_addr
    struct in6_pktinfo:
        in6_addr ipi6_addr
        unsigned int ipi6_ifindex
    enum:
        IPPROTO_IP
        IPPROTO_IPV6
        IPPROTO_TCP
        IPPROTO_UDP
        IP_PKTINFO
        IP_TRANSPARENT
        IPV6_PKTINFO
        IPV6_TRANSPARENT
    uint16_t htons(uint16_t v)
    uint16_t ntohs(uint16_t v)

cdef extern from "netinet/tcp.h" nogil:
    enum:
        TCP_CONGESTION
        TCP_KEEPIDLE
        TCP_NODELAY
        TCP_QUICKACK

# udp(7)
cdef extern from "netinet/udp.h" nogil:
    enum:
        UDP_SEGMENT
        UDP_GRO

cdef extern from "sys/un.h" nogil:
    struct sockaddr_un:
        sa_family_t sun_family
        char sun_path[108]

# epoll(7)
cdef extern from "sys/epoll.h" nogil:
    ctypedef union epoll_data_t:
        uint64_t u64
    struct epoll_event:
        uint32_t events
        epoll_data_t data
    int c_epoll_create1 "epoll_create1"(int flags)
    int c_epoll_ctl "epoll_ctl"(int ep, int op, int fd, epoll_event* ev)
    int c_epoll_wait "epoll_wait"(int ep, epoll_event* evs, int n, int timeout_ms)
    enum:
        EPOLL_CLOEXEC
        EPOLL_CTL_ADD
        EPOLL_CTL_DEL
        EPOLL_CTL_MOD
        EPOLLIN
        EPOLLOUT
        EPOLLPRI
        EPOLLERR
        EPOLLHUP
        EPOLLRDHUP
        EPOLLEXCLUSIVE
    uint32_t EPOLLET

# close(2), mmap(2), madvise(2), memfd_create(2), fcntl(2), pipe(7), splice(2)
cdef extern from "unistd.h" nogil:
    int c_close "close"(int fd)
    int c_ftruncate "ftruncate"(int fd, int64_t n)
    int c_getpid "getpid"()
    int c_pipe2 "pipe2"(int* fds, int flags)
    ssize_t c_write "write"(int fd, const void* bytes, size_t n)

cdef extern from "sys/mman.h" nogil:
    void* c_mmap "mmap"(void* at, size_t n, int prot, int flags, int fd, int64_t off)
    int c_munmap "munmap"(void* at, size_t n)
    int c_madvise "madvise"(void* at, size_t n, int advice)
    int c_memfd_create "memfd_create"(const char* name, unsigned int flags)
    enum:
        PROT_READ
        PROT_WRITE
        MAP_SHARED
        MAP_PRIVATE
        MAP_ANONYMOUS
        MAP_NORESERVE
        MADV_DONTFORK
        MADV_DONTNEED
        MFD_CLOEXEC
        MFD_ALLOW_SEALING
    void* MAP_FAILED

cdef extern from "sys/stat.h" nogil:
    struct c_stat "stat":
        int64_t st_size
    int c_fstat "fstat"(int fd, c_stat* st)

cdef extern from "fcntl.h" nogil:
    int c_fcntl "fcntl"(int fd, int cmd, ...)
    ssize_t c_splice "splice"(int from_, int64_t* from_at, int to, int64_t* to_at, size_t n, unsigned int flags)
    enum:
        F_SETPIPE_SZ
        O_CLOEXEC
        O_NONBLOCK
        SPLICE_F_MOVE
        SPLICE_F_NONBLOCK
        F_GET_SEALS
        F_SEAL_WRITE
        F_SEAL_SHRINK

# clock_gettime(2), sigaction(2), prctl(2)
cdef extern from "time.h" nogil:
    int c_clock_gettime "clock_gettime"(int clock, timespec* ts)
    enum:
        CLOCK_MONOTONIC
        CLOCK_REALTIME

cdef extern from "signal.h" nogil:
    ctypedef void (*sighandler_t)(int) noexcept nogil
    struct sigaction_t "sigaction":
        sighandler_t sa_handler
        int sa_flags
    int c_sigaction "sigaction"(int sig, const sigaction_t* act, sigaction_t* old)
    enum:
        SIGTERM
        SIGINT
        SIGHUP
        SIGPIPE
    sighandler_t SIG_IGN
    ctypedef struct sigset_t:
        pass
    int c_sigemptyset "sigemptyset"(sigset_t* set)
    int c_sigaddset "sigaddset"(sigset_t* set, int sig)
    int c_pthread_sigmask "pthread_sigmask"(int how, const sigset_t* set, sigset_t* old)
    enum:
        SIG_BLOCK
        SIG_SETMASK

cdef extern from "sys/prctl.h" nogil:
    int c_prctl "prctl"(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
    enum:
        PR_SET_DUMPABLE
        PR_SET_NO_NEW_PRIVS
        PR_SET_NAME

# dlopen(3)
cdef extern from "dlfcn.h" nogil:
    void* c_dlopen "dlopen"(const char* name, int flags)
    void* c_dlsym "dlsym"(void* library, const char* name)
    enum:
        RTLD_LOCAL
        RTLD_NOW
