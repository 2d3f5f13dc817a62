# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The load: clients and backends of a benchmark in one thread and one epoll, without the GIL.

Three backends listen on ports of the kernel's choice; the proxy under test stands between them and the clients.
Everything here is closed loop: a client begins its next unit when the last one is complete.
"""

from libc.errno cimport EAGAIN, EINPROGRESS, EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

cdef extern from "sys/socket.h" nogil:
    ctypedef unsigned int socklen_t
    cdef struct sockaddr:
        pass
    int AF_INET, SOCK_STREAM, SOCK_NONBLOCK, SOCK_CLOEXEC, SOL_SOCKET, SO_REUSEADDR
    int MSG_NOSIGNAL, MSG_TRUNC
    int socket(int domain, int kind, int protocol)
    int bind(int fd, const sockaddr* addr, socklen_t size)
    int listen(int fd, int backlog)
    int accept4(int fd, sockaddr* addr, socklen_t* size, int flags)
    int connect(int fd, const sockaddr* addr, socklen_t size)
    int getsockname(int fd, sockaddr* addr, socklen_t* size)
    int setsockopt(int fd, int level, int name, const void* value, socklen_t size)
    ssize_t send(int fd, const void* buf, size_t size, int flags)
    ssize_t recv(int fd, void* buf, size_t size, int flags)

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
    int IPPROTO_TCP, TCP_NODELAY

cdef extern from "sys/epoll.h" nogil:
    int EPOLL_CTL_ADD
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

cdef enum:
    FD_MAX = 65536          # one row per descriptor number; the usual hard limit is far below
    EVENTS_MAX = 256        # per epoll_wait
    ACCEPT_MAX = 64         # per event of a listener
    BLOCK_BYTES = 262144    # one bulk send or receive
    BULK_STEPS = 4          # blocks per event, so that sixteen streams take turns
    HIST_ROWS = 64          # powers of two of nanoseconds
    HIST_COLS = 32          # equal parts of each
    N_BACKENDS = 3
    MESSAGE_MAX = 16384

cpdef enum Mode:
    CONNECT = 0             # connect, one message each way, the client closes
    PING = 1                # one message each way, for ever, on kept connections
    DOWN = 2                # backend to client, as fast as it goes
    UP = 3                  # client to backend
    BOTH = 4
    IDLE = 5                # connected, one message each way at the start, then silent

cdef enum:
    KIND_NONE = 0
    KIND_LISTENER = 1
    KIND_CLIENT = 2
    KIND_BACKEND = 3

cdef struct conn_t:
    uint64_t begin_ns       # when the unit under way began
    uint32_t got_bytes      # of the message under way
    uint32_t gen
    uint8_t kind
    uint8_t is_begun        # a client that has sent its first message
    uint8_t is_settled      # a client that has had its first answer

cdef conn_t conns[FD_MAX]
cdef uint8_t block[BLOCK_BYTES]


cdef inline uint64_t now_ns() noexcept nogil:
    cdef timespec at
    clock_gettime(CLOCK_MONOTONIC, &at)
    return <uint64_t>at.tv_sec * 1000000000 + <uint64_t>at.tv_nsec


cdef inline void address_fill(sockaddr_in* address, uint16_t port) noexcept nogil:
    memset(address, 0, sizeof(sockaddr_in))
    address.sin_family = <uint16_t>AF_INET
    address.sin_port = htons(port)
    address.sin_addr.s_addr = htonl(0x7F000001)


cdef inline void set_nodelay(int fd) noexcept nogil:
    cdef int yes = 1
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(int))


cdef class Load:
    """One set of backends and, between start() and stop(), clients of one kind. Single instance, single thread."""

    cdef int ep
    cdef int listeners[N_BACKENDS]
    cdef int mode
    cdef uint16_t port
    cdef uint32_t n_clients
    cdef uint32_t message_bytes
    cdef uint32_t live_clients
    cdef uint32_t live_backends
    cdef uint32_t settled
    cdef uint64_t units
    cdef uint64_t errors
    cdef uint64_t bytes_moved
    cdef uint64_t hist[HIST_ROWS * HIST_COLS]
    cdef uint64_t per_backend[N_BACKENDS]
    cdef readonly list ports

    def __cinit__(self):
        cdef int i, fd, yes = 1
        cdef sockaddr_in address
        cdef socklen_t size
        self.ep = epoll_create1(0)
        self.mode = CONNECT
        self.ports = []
        for i in range(N_BACKENDS):
            fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
            setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(int))
            address_fill(&address, 0)
            if bind(fd, <sockaddr*>&address, sizeof(address)) < 0 or listen(fd, 4096) < 0:
                raise OSError(errno, "cannot listen for the benchmark's backends")
            size = sizeof(address)
            getsockname(fd, <sockaddr*>&address, &size)
            self.ports.append(ntohs(address.sin_port))
            self.listeners[i] = fd
            conns[fd].kind = KIND_LISTENER
            conns[fd].got_bytes = i
            self.watch(fd, EPOLLIN)

    def start(self, int port, Mode mode, uint32_t n_clients, uint32_t message_bytes=64):
        """Open the clients towards 127.0.0.1:port. Raises ValueError while others are live."""
        if self.live_clients:
            raise ValueError("stop() first")
        if message_bytes < 1 or message_bytes > MESSAGE_MAX:
            raise ValueError(f"a message has 1 to {MESSAGE_MAX} bytes")
        self.port = <uint16_t>port
        self.mode = mode
        self.n_clients = n_clients
        self.message_bytes = message_bytes
        self.settled = 0
        self.reset()

    def reset(self):
        """Forget what was counted."""
        self.units = self.errors = self.bytes_moved = 0
        memset(self.hist, 0, sizeof(self.hist))
        memset(self.per_backend, 0, sizeof(self.per_backend))

    def run(self, double seconds):
        """Work for so long; the clients stay open. Returns the seconds that it took."""
        cdef uint64_t begin = now_ns()
        with nogil:
            self.loop(begin + <uint64_t>(seconds * 1e9), 0)
        return (now_ns() - begin) / 1e9

    def settle(self, double seconds):
        """Work until every client has had one answer or the time is over. Returns how many have."""
        with nogil:
            self.loop(now_ns() + <uint64_t>(seconds * 1e9), 1)
        return self.settled

    def stop(self):
        """Close all clients and backend connections; the backends go on listening."""
        cdef int fd
        for fd in range(FD_MAX):
            if conns[fd].kind == KIND_CLIENT or conns[fd].kind == KIND_BACKEND:
                self.drop(fd)
        self.n_clients = 0

    def close(self):
        """Close everything. Idempotent."""
        cdef int i
        self.stop()
        for i in range(N_BACKENDS):
            if self.listeners[i] >= 0:
                conns[self.listeners[i]].kind = KIND_NONE
                close(self.listeners[i])
                self.listeners[i] = -1
        if self.ep >= 0:
            close(self.ep)
            self.ep = -1

    @property
    def counts(self):
        """What was counted since start() or reset()."""
        return {"units": self.units, "errors": self.errors, "bytes": self.bytes_moved, "clients": self.live_clients,
                "settled": self.settled, "per_backend": [self.per_backend[i] for i in range(N_BACKENDS)]}

    def percentile_us(self, double share):
        """Latency in microseconds below which so large a share of the units lies (bucket width 3 %)."""
        cdef uint64_t total = 0, want, seen = 0
        cdef int i
        for i in range(HIST_ROWS * HIST_COLS):
            total += self.hist[i]
        if not total:
            return 0.0
        want = <uint64_t>(share * total)
        for i in range(HIST_ROWS * HIST_COLS):
            seen += self.hist[i]
            if seen > want:
                break
        return (1 << (i // HIST_COLS)) * (1 + (i % HIST_COLS + 0.5) / HIST_COLS) / 1000.0

    cdef void watch(self, int fd, uint32_t events) noexcept nogil:
        cdef epoll_event event
        event.events = events
        event.data.u64 = (<uint64_t>conns[fd].gen << 32) | <uint32_t>fd
        epoll_ctl(self.ep, EPOLL_CTL_ADD, fd, &event)

    cdef void drop(self, int fd) noexcept nogil:
        if conns[fd].kind == KIND_CLIENT:
            self.live_clients -= 1
        elif conns[fd].kind == KIND_BACKEND:
            self.live_backends -= 1
        conns[fd].kind = KIND_NONE
        conns[fd].gen += 1
        close(fd)

    cdef void note_latency(self, uint64_t took_ns) noexcept nogil:
        cdef int row = 0
        cdef uint64_t rest = took_ns
        while rest > 1:
            rest >>= 1
            row += 1
        cdef uint64_t base = <uint64_t>1 << row
        cdef int col = <int>(((took_ns - base) * HIST_COLS) >> row) if took_ns else 0
        self.hist[row * HIST_COLS + col] += 1

    cdef uint32_t watch_bits(self, int kind) noexcept nogil:
        if self.mode == DOWN or self.mode == UP or self.mode == BOTH:
            if self.mode == BOTH:
                return EPOLLIN | EPOLLOUT
            return EPOLLOUT if (self.mode == UP) == (kind == KIND_CLIENT) else EPOLLIN
        return EPOLLIN | EPOLLOUT | EPOLLET

    cdef int client_open(self) noexcept nogil:
        cdef sockaddr_in address
        cdef int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
        if fd < 0 or fd >= FD_MAX:
            self.errors += 1
            if fd >= 0:
                close(fd)
            return -1
        set_nodelay(fd)
        address_fill(&address, self.port)
        conns[fd].begin_ns = now_ns()
        if connect(fd, <sockaddr*>&address, sizeof(address)) < 0 and errno != EINPROGRESS:
            self.errors += 1
            close(fd)
            return -1
        conns[fd].kind = KIND_CLIENT
        conns[fd].got_bytes = 0
        conns[fd].is_begun = 0
        conns[fd].is_settled = 0
        self.live_clients += 1
        self.watch(fd, self.watch_bits(KIND_CLIENT))
        return fd

    cdef void backend_accept(self, int listener) noexcept nogil:
        cdef int i, fd
        for i in range(ACCEPT_MAX):
            fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)
            if fd < 0:
                return
            if fd >= FD_MAX:
                close(fd)
                self.errors += 1
                return
            set_nodelay(fd)
            self.per_backend[conns[listener].got_bytes] += 1
            conns[fd].kind = KIND_BACKEND
            conns[fd].got_bytes = 0
            self.live_backends += 1
            self.watch(fd, self.watch_bits(KIND_BACKEND))

    cdef bint message_send(self, int fd) noexcept nogil:
        return send(fd, block, self.message_bytes, MSG_NOSIGNAL) == <ssize_t>self.message_bytes

    cdef void backend_echo(self, int fd) noexcept nogil:
        cdef ssize_t n
        while True:
            n = recv(fd, block, BLOCK_BYTES, 0)
            if n > 0:
                conns[fd].got_bytes += <uint32_t>n
                while conns[fd].got_bytes >= self.message_bytes:
                    conns[fd].got_bytes -= self.message_bytes
                    if not self.message_send(fd):
                        self.errors += 1
                        self.drop(fd)
                        return
                if n < BLOCK_BYTES:
                    return
            elif n < 0 and errno == EAGAIN:
                return
            elif n < 0 and errno == EINTR:
                continue
            else:
                self.drop(fd)
                return

    cdef void client_lost(self, int fd) noexcept nogil:
        self.errors += 1
        self.drop(fd)

    cdef void client_unit(self, int fd) noexcept nogil:
        """One message came back whole."""
        cdef uint64_t at = now_ns()
        self.note_latency(at - conns[fd].begin_ns)
        self.units += 1
        conns[fd].got_bytes = 0
        if not conns[fd].is_settled:
            conns[fd].is_settled = 1
            self.settled += 1
        if self.mode == CONNECT:
            self.drop(fd)
            if self.live_clients < self.n_clients:
                self.client_open()
        elif self.mode == PING:
            conns[fd].begin_ns = at
            if not self.message_send(fd):
                self.client_lost(fd)

    cdef void client_talk(self, int fd, uint32_t events) noexcept nogil:
        cdef ssize_t n
        if not conns[fd].is_begun:
            if not events & EPOLLOUT or events & (EPOLLERR | EPOLLHUP):
                if events & (EPOLLERR | EPOLLHUP):
                    self.client_lost(fd)
                return
            conns[fd].is_begun = 1
            if self.mode != CONNECT:
                conns[fd].begin_ns = now_ns()
            if not self.message_send(fd):
                self.client_lost(fd)
            return
        if not events & (EPOLLIN | EPOLLERR | EPOLLHUP):
            return
        n = recv(fd, block, BLOCK_BYTES, 0)
        if n <= 0:
            if n == 0 or errno != EAGAIN:
                self.client_lost(fd)
            return
        conns[fd].got_bytes += <uint32_t>n
        if conns[fd].got_bytes >= self.message_bytes:
            self.client_unit(fd)

    cdef void bulk_step(self, int fd, uint32_t events) noexcept nogil:
        cdef ssize_t n
        cdef int i
        cdef bint is_client = conns[fd].kind == KIND_CLIENT
        if events & EPOLLOUT:
            for i in range(BULK_STEPS):
                n = send(fd, block, BLOCK_BYTES, MSG_NOSIGNAL)
                if n < BLOCK_BYTES:
                    break
        if events & (EPOLLIN | EPOLLERR | EPOLLHUP):
            for i in range(BULK_STEPS):
                n = recv(fd, block, BLOCK_BYTES, MSG_TRUNC)
                if n == 0 or (n < 0 and errno != EAGAIN):
                    if is_client:
                        self.errors += 1
                    self.drop(fd)
                    return
                if n < 0:
                    return
                self.bytes_moved += <uint64_t>n
                if not conns[fd].is_settled and is_client:
                    conns[fd].is_settled = 1
                    self.settled += 1
                if n < BLOCK_BYTES:
                    return

    cdef void turn(self, uint64_t token, uint32_t events) noexcept nogil:
        cdef int fd = <int><uint32_t>token
        if conns[fd].gen != <uint32_t>(token >> 32):
            return
        if conns[fd].kind == KIND_LISTENER:
            self.backend_accept(fd)
        elif self.mode == DOWN or self.mode == UP or self.mode == BOTH:
            self.bulk_step(fd, events)
        elif conns[fd].kind == KIND_BACKEND:
            if events & (EPOLLIN | EPOLLERR | EPOLLHUP):
                self.backend_echo(fd)
        elif conns[fd].kind == KIND_CLIENT:
            self.client_talk(fd, events)

    cdef void loop(self, uint64_t deadline_ns, bint until_settled) noexcept nogil:
        cdef epoll_event events[EVENTS_MAX]
        cdef int i, n
        while now_ns() < deadline_ns:
            for i in range(ACCEPT_MAX):     # bounded, so that ten thousand idle clients do not overrun a backlog
                if self.live_clients >= self.n_clients or self.client_open() < 0:
                    break
            n = epoll_wait(self.ep, events, EVENTS_MAX, 5)
            for i in range(n):
                self.turn(events[i].data.u64, events[i].events)
            if until_settled and self.settled >= self.n_clients and self.live_clients >= self.n_clients:
                return
