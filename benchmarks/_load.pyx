# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The load: clients and backends of a benchmark in one thread and one epoll, without the GIL.

Three backends listen on ports of the kernel's choice, each on all addresses of the loopback device, so that a pool of
a thousand addresses needs no thousand sockets. The proxy under test stands between them and the clients.

Closed loop: a client begins its next unit when the last one is complete. A client's first message tells the backend
what is wanted: one byte for the mode, seven of nothing, eight for the size of an answer.
"""

from libc.errno cimport EAGAIN, EINPROGRESS, EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from benchmarks._kernel cimport (
    AF_INET, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, IPPROTO_TCP, MFD_CLOEXEC,
    MSG_NOSIGNAL, MSG_TRUNC, SO_BINDTODEVICE, SO_REUSEADDR, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM, SOL_SOCKET,
    TCP_CONGESTION, TCP_NODELAY, accept4, bind, close, connect, epoll_create1, epoll_ctl, epoll_event, epoll_wait,
    getsockname, listen, memfd_create, ntohs, recv, send, sendfile, setsockopt, sockaddr, sockaddr_in, socket, socklen_t, write,
)
from benchmarks._meter cimport address_fill, hist_note, hist_percentile_ns, hist_t, now_ns, thread_cpu_ns

cdef enum:
    FD_MAX = 65536          # one row per descriptor number; the usual hard limit is far below
    EVENTS_MAX = 256        # per epoll_wait
    ACCEPT_MAX = 64         # per event of a listener
    BLOCK_BYTES = 262144    # one bulk send or receive
    BULK_STEPS = 4          # blocks per event, so that sixteen streams take turns
    N_BACKENDS = 3
    HEAD_BYTES = 16         # of a first message: what the client wants
    MESSAGE_MAX = 16384
    WAIT_MS = 5             # in epoll_wait; a bound for how late the end of a window may be seen
    SETTLE_WAIT_MS = 1      # the same while a proxy is starting: how late its first answer may be seen

cpdef enum Mode:
    CONNECT = 0             # connect, one message each way, the client closes
    PING = 1                # one message each way, for ever, on kept connections
    DOWN = 2                # backend to client, as fast as it goes
    BOTH = 3                # both ways, as fast as it goes
    IDLE = 4                # connected, one message each way at the start, then silent
    FETCH = 5               # one message, an answer of fetch_bytes, for ever, on kept connections

cdef enum:
    MODE_UNKNOWN = 255      # a backend's connection before its first message

cdef enum:
    UNTIL_DEADLINE = 0
    UNTIL_SETTLED = 1       # every client has had an answer
    UNTIL_EMPTY = 2         # no client and no backend connection is left

cdef enum:
    KIND_NONE = 0
    KIND_LISTENER = 1
    KIND_CLIENT = 2
    KIND_BACKEND = 3

cdef struct conn_t:
    uint64_t begin_ns       # when the unit under way began
    uint64_t got_bytes      # of the message or answer under way; of a listener: its number
    uint64_t left_bytes     # of the answer that a backend is sending
    uint64_t fetch_bytes    # what each request asks a backend for
    uint32_t gen
    uint32_t watched        # epoll bits
    uint8_t kind
    uint8_t mode
    uint8_t is_begun        # a client that has sent its first message
    uint8_t is_settled      # a client that has had its first answer

cdef conn_t conns[FD_MAX]
cdef uint8_t block[BLOCK_BYTES]
cdef uint8_t message[MESSAGE_MAX]
cdef uint32_t ANY_HOST = 0
cdef uint32_t FIRST_HOST = 0x7F000001      # 127.0.0.1


cdef inline uint8_t is_bulk(uint8_t mode) noexcept nogil:
    return mode == DOWN or mode == BOTH


cdef inline void set_nodelay(int fd) noexcept nogil:
    cdef int yes = 1
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(int))


cdef inline void set_unpaced(int fd) noexcept nogil:
    """Reno, which every kernel has and everybody may use: under bbr the load's core is full of the timers that pace it,
    long before the proxy's is full of work. What the proxy sends is the system's affair."""
    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, b"reno", 4)


cdef class Load:
    """One set of backends and, between start() and stop(), clients of one kind.

    One thread; of several loads only one may have clients at a time.
    """

    cdef int ep
    cdef int bulk           # a file in memory: what bulk streams send
    cdef int listeners[N_BACKENDS]
    cdef int pair[2]        # of calibrate()
    cdef uint8_t mode
    cdef bint is_held       # PING: who has had a first answer waits for the others
    cdef uint16_t port
    cdef uint32_t fronts
    cdef uint32_t n_clients
    cdef uint32_t n_greedy
    cdef uint32_t live_greedy
    cdef uint32_t message_bytes
    cdef uint64_t fetch_bytes
    cdef uint32_t live_clients
    cdef uint32_t live_backends
    cdef uint32_t opened
    cdef uint32_t settled
    cdef uint64_t units
    cdef uint64_t errors
    cdef uint64_t bytes_moved
    cdef hist_t hist
    cdef uint64_t per_backend[N_BACKENDS]
    cdef readonly list ports

    def __cinit__(self):
        cdef int i, fd, yes = 1
        cdef sockaddr_in address
        cdef socklen_t size
        self.ep = epoll_create1(0)
        self.bulk = memfd_create("bulk", MFD_CLOEXEC)
        if self.bulk < 0 or write(self.bulk, block, BLOCK_BYTES) != BLOCK_BYTES:
            raise OSError(errno, "memfd_create")
        self.pair[0] = self.pair[1] = -1
        self.ports = []
        for i in range(N_BACKENDS):
            fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
            setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(int))
            if setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, b"lo", 3) < 0:
                raise OSError(errno, "cannot keep the benchmark's backends to the loopback device")
            set_unpaced(fd)
            address_fill(&address, ANY_HOST, 0)
            if bind(fd, <sockaddr*>&address, sizeof(address)) < 0 or listen(fd, 4096) < 0:
                raise OSError(errno, "cannot listen for the benchmark's backends")
            size = sizeof(address)
            getsockname(fd, <sockaddr*>&address, &size)
            self.ports.append(ntohs(address.sin_port))
            self.listeners[i] = fd
            if i == 0:
                self.pair_open(fd, ntohs(address.sin_port))
            conns[fd].kind = KIND_LISTENER
            conns[fd].got_bytes = i
            self.watch(fd, EPOLLIN)

    def start(self, int port, Mode mode, uint32_t n_clients, uint32_t message_bytes=64, uint64_t fetch_bytes=0,
              uint32_t fronts=1, uint32_t n_greedy=0):
        """Open the clients towards port, in turn at 127.0.0.1 and the `fronts` - 1 addresses after it.

        fetch_bytes: size of an answer (FETCH).   n_greedy: so many further clients take all that they can get (DOWN);
        their bytes count, their latency does not.
        Raises ValueError while others are live.
        """
        if self.live_clients:
            raise ValueError("stop() first")
        if message_bytes < HEAD_BYTES or message_bytes > MESSAGE_MAX:
            raise ValueError(f"a message has {HEAD_BYTES} to {MESSAGE_MAX} bytes")
        if (mode == FETCH) != (fetch_bytes > 0) or not fronts or (n_greedy and mode != PING):
            raise ValueError("fetch_bytes goes with FETCH only, n_greedy with PING only; there is at least one front")
        self.port = <uint16_t>port
        self.mode = <uint8_t>mode
        self.is_held = mode == PING
        self.n_clients = n_clients
        self.message_bytes = message_bytes
        self.fetch_bytes = fetch_bytes
        self.fronts = fronts
        self.n_greedy = n_greedy
        self.opened = 0
        self.settled = 0
        memcpy(&message[8], &self.fetch_bytes, sizeof(uint64_t))
        self.reset()

    def reset(self):
        """Forget what was counted."""
        self.units = self.errors = self.bytes_moved = 0
        memset(&self.hist, 0, sizeof(hist_t))
        memset(self.per_backend, 0, sizeof(self.per_backend))

    def run(self, double seconds):
        """Work for so long; the clients stay open. Returns the seconds that it took."""
        cdef uint64_t begin = now_ns()
        with nogil:
            self.loop(begin + <uint64_t>(seconds * 1e9), UNTIL_DEADLINE)
        return (now_ns() - begin) / 1e9

    def settle(self, double seconds):
        """Work until every client has had one answer or the time is over. Returns how many have.

        Kept connections go on from there all at once: those that came first would hold up the others.
        """
        with nogil:
            self.loop(now_ns() + <uint64_t>(seconds * 1e9), UNTIL_SETTLED)
            if self.is_held and self.is_done(UNTIL_SETTLED):
                self.release()
        return self.settled

    def finish(self, double seconds):
        """Open no more clients and let those of CONNECT complete. Returns whether all are gone, backends' ends too."""
        self.n_clients = self.n_greedy = 0
        with nogil:
            self.loop(now_ns() + <uint64_t>(seconds * 1e9), UNTIL_EMPTY)
        return not self.live_clients and not self.live_backends

    def calibrate(self, int steps):
        """CPU time of this thread, in ns, of one message each way on a connection of its own without a proxy.

        The same work every time: what changes is the machine.
        """
        cdef int _i
        cdef uint64_t begin = thread_cpu_ns()
        with nogil:
            for _i in range(steps):
                send(self.pair[0], message, 64, MSG_NOSIGNAL)
                recv(self.pair[1], block, 64, 0)
                send(self.pair[1], message, 64, MSG_NOSIGNAL)
                recv(self.pair[0], block, 64, 0)
        return (thread_cpu_ns() - begin) / <double>steps

    def stop(self):
        """Close all clients and backend connections; the backends go on listening."""
        cdef int fd
        for fd in range(FD_MAX):
            if conns[fd].kind == KIND_CLIENT or conns[fd].kind == KIND_BACKEND:
                self.drop(fd)
        self.n_clients = self.n_greedy = 0

    def close(self):
        """Close everything. Idempotent."""
        cdef int i
        self.stop()
        for i in range(N_BACKENDS):
            if self.listeners[i] >= 0:
                conns[self.listeners[i]].kind = KIND_NONE
                conns[self.listeners[i]].gen += 1
                close(self.listeners[i])
                self.listeners[i] = -1
        for i in range(2):
            if self.pair[i] >= 0:
                close(self.pair[i])
                self.pair[i] = -1
        if self.ep >= 0:
            close(self.ep)
            close(self.bulk)
            self.ep = -1

    @property
    def counts(self):
        """What was counted since start() or reset()."""
        return {"units": self.units, "errors": self.errors, "bytes": self.bytes_moved, "clients": self.live_clients,
                "settled": self.settled, "per_backend": [self.per_backend[i] for i in range(N_BACKENDS)]}

    def percentile_us(self, double share):
        """Latency in microseconds below which so large a share of the units lies (bucket width 1 %)."""
        return hist_percentile_ns(&self.hist, share) / 1000.0

    cdef void pair_open(self, int listener, uint16_t port) except *:
        cdef sockaddr_in address
        address_fill(&address, FIRST_HOST, port)
        self.pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)
        if connect(self.pair[0], <sockaddr*>&address, sizeof(address)) < 0:
            raise OSError(errno, "cannot connect the pair that is calibrated with")
        self.pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC)
        set_nodelay(self.pair[0])
        set_nodelay(self.pair[1])

    cdef void watch(self, int fd, uint32_t events) noexcept nogil:
        cdef epoll_event event
        event.events = events
        event.data.u64 = (<uint64_t>conns[fd].gen << 32) | <uint32_t>fd
        conns[fd].watched = events
        epoll_ctl(self.ep, EPOLL_CTL_ADD, fd, &event)

    cdef void watch_again(self, int fd, uint32_t events) noexcept nogil:
        cdef epoll_event event
        if conns[fd].watched == events:
            return
        event.events = events
        event.data.u64 = (<uint64_t>conns[fd].gen << 32) | <uint32_t>fd
        conns[fd].watched = events
        epoll_ctl(self.ep, EPOLL_CTL_MOD, fd, &event)

    cdef void drop(self, int fd) noexcept nogil:
        if conns[fd].kind == KIND_CLIENT:
            self.live_clients -= 1
            if conns[fd].mode != self.mode:
                self.live_greedy -= 1
        elif conns[fd].kind == KIND_BACKEND:
            self.live_backends -= 1
        conns[fd].kind = KIND_NONE
        conns[fd].gen += 1
        close(fd)

    cdef int client_open(self) noexcept nogil:
        cdef sockaddr_in address
        cdef int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
        if fd < 0 or fd >= FD_MAX:
            self.errors += 1
            if fd >= 0:
                close(fd)
            return -1
        set_nodelay(fd)
        if self.mode != CONNECT:
            set_unpaced(fd)
        address_fill(&address, FIRST_HOST + self.opened % self.fronts, self.port)
        conns[fd].begin_ns = now_ns()
        if connect(fd, <sockaddr*>&address, sizeof(address)) < 0 and errno != EINPROGRESS:
            self.errors += 1
            close(fd)
            return -1
        conns[fd].kind = KIND_CLIENT
        conns[fd].got_bytes = 0
        conns[fd].is_begun = 0
        conns[fd].is_settled = 0
        conns[fd].mode = self.mode
        if self.live_greedy < self.n_greedy:
            conns[fd].mode = DOWN
            self.live_greedy += 1
        self.opened += 1
        self.live_clients += 1
        if is_bulk(conns[fd].mode) or conns[fd].mode == FETCH:
            self.watch(fd, EPOLLOUT)
        else:
            self.watch(fd, EPOLLIN | EPOLLOUT | EPOLLET)
        return fd

    cdef void backend_accept(self, int listener) noexcept nogil:
        cdef int _i, fd
        for _i in range(ACCEPT_MAX):
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
            conns[fd].mode = MODE_UNKNOWN
            conns[fd].got_bytes = 0
            conns[fd].left_bytes = 0
            self.live_backends += 1
            self.watch(fd, EPOLLIN)

    cdef bint message_send(self, int fd) noexcept nogil:
        message[0] = conns[fd].mode
        return send(fd, message, self.message_bytes, MSG_NOSIGNAL) == <ssize_t>self.message_bytes

    cdef void backend_lost(self, int fd) noexcept nogil:
        self.errors += 1
        self.drop(fd)

    cdef bint backend_learn(self, int fd, ssize_t n) noexcept nogil:
        """Read what the client wants from its first bytes, which lie in `block`. False: they are torn."""
        if n < HEAD_BYTES:
            return False
        conns[fd].mode = block[0]
        if conns[fd].mode == FETCH:
            memcpy(&conns[fd].fetch_bytes, &block[8], sizeof(uint64_t))
        elif is_bulk(conns[fd].mode):
            self.watch_again(fd, EPOLLIN | EPOLLOUT)
        return True

    cdef void backend_step(self, int fd) noexcept nogil:
        """One receive: what comes is a message for an echo, a request, or of no interest."""
        cdef ssize_t n = recv(fd, block, BLOCK_BYTES, 0)
        if n <= 0:
            if n == 0 or (errno != EAGAIN and errno != EINTR):
                self.drop(fd)
            return
        if conns[fd].mode == MODE_UNKNOWN and not self.backend_learn(fd, n):
            self.backend_lost(fd)
            return
        if is_bulk(conns[fd].mode):
            self.bytes_moved += <uint64_t>n
            return
        conns[fd].got_bytes += <uint64_t>n
        while conns[fd].got_bytes >= self.message_bytes:
            conns[fd].got_bytes -= self.message_bytes
            if conns[fd].mode == FETCH:
                conns[fd].left_bytes += conns[fd].fetch_bytes
            elif not self.message_send(fd):
                self.backend_lost(fd)
                return
        if conns[fd].mode == FETCH:
            self.answer_step(fd)

    cdef void answer_step(self, int fd) noexcept nogil:
        """Send on what is left of an answer, and ask for room only while something is."""
        cdef ssize_t n
        cdef uint64_t want
        cdef int _i
        for _i in range(BULK_STEPS):
            if not conns[fd].left_bytes:
                break
            want = min(conns[fd].left_bytes, <uint64_t>BLOCK_BYTES)
            n = send(fd, block, want, MSG_NOSIGNAL)
            if n < 0 and errno != EAGAIN:
                self.drop(fd)
                return
            if n > 0:
                conns[fd].left_bytes -= <uint64_t>n
            if n < <ssize_t>want:
                break
        self.watch_again(fd, EPOLLIN | EPOLLOUT if conns[fd].left_bytes else EPOLLIN)

    cdef void client_lost(self, int fd) noexcept nogil:
        self.errors += 1
        self.drop(fd)

    cdef void client_settled(self, int fd) noexcept nogil:
        if not conns[fd].is_settled:
            conns[fd].is_settled = 1
            self.settled += 1

    cdef void client_unit(self, int fd) noexcept nogil:
        """One message or answer came whole."""
        cdef uint64_t at = now_ns()
        hist_note(&self.hist, at - conns[fd].begin_ns)
        self.units += 1
        conns[fd].got_bytes = 0
        self.client_settled(fd)
        if self.mode == CONNECT:
            self.drop(fd)
            if self.live_clients < self.n_clients + self.n_greedy:
                self.client_open()
        elif self.mode != IDLE and not self.is_held:
            conns[fd].begin_ns = at
            if not self.message_send(fd):
                self.client_lost(fd)

    cdef void release(self) noexcept nogil:
        cdef int fd
        self.is_held = False
        for fd in range(FD_MAX):
            if conns[fd].kind == KIND_CLIENT and conns[fd].mode == PING:
                conns[fd].begin_ns = now_ns()
                if not self.message_send(fd):
                    self.client_lost(fd)

    cdef void client_begin(self, int fd, uint32_t events) noexcept nogil:
        """Connected or refused: say what is wanted."""
        cdef uint8_t mode = conns[fd].mode
        if events & (EPOLLERR | EPOLLHUP):
            self.client_lost(fd)
            return
        if not events & EPOLLOUT:
            return
        conns[fd].is_begun = 1
        if mode != CONNECT:
            conns[fd].begin_ns = now_ns()
        if not self.message_send(fd):
            self.client_lost(fd)
        elif mode == DOWN or mode == FETCH:
            self.watch_again(fd, EPOLLIN)
        elif mode == BOTH:
            self.watch_again(fd, EPOLLIN | EPOLLOUT)

    cdef void client_talk(self, int fd, uint32_t events) noexcept nogil:
        cdef ssize_t n
        if not events & (EPOLLIN | EPOLLERR | EPOLLHUP):
            return
        n = recv(fd, block, BLOCK_BYTES, 0)
        if n <= 0:
            if n == 0 or errno != EAGAIN:
                self.client_lost(fd)
            return
        conns[fd].got_bytes += <uint64_t>n
        if conns[fd].got_bytes >= self.message_bytes:
            self.client_unit(fd)

    cdef bint bulk_receive(self, int fd) noexcept nogil:
        """Take and forget what has come. False: the connection is over."""
        cdef ssize_t n
        cdef int _i
        for _i in range(1 if self.n_greedy else BULK_STEPS):
            n = recv(fd, block, BLOCK_BYTES, MSG_TRUNC)
            if n == 0 or (n < 0 and errno != EAGAIN):
                return False
            if n < 0:
                return True
            self.bytes_moved += <uint64_t>n
            conns[fd].got_bytes += <uint64_t>n
            if n < BLOCK_BYTES:
                return True
        return True

    cdef void bulk_send(self, int fd) noexcept nogil:
        """From memory that the kernel has already: the load does not copy, so that it is not the first to be full."""
        cdef ssize_t n
        cdef int64_t offset
        cdef int _i
        for _i in range(1 if self.n_greedy else BULK_STEPS):
            offset = 0
            n = sendfile(fd, self.bulk, &offset, BLOCK_BYTES)
            if n < BLOCK_BYTES:
                return

    cdef void client_take(self, int fd, uint32_t events) noexcept nogil:
        """A client that moves bytes rather than messages."""
        if events & EPOLLOUT:
            self.bulk_send(fd)
        if not events & (EPOLLIN | EPOLLERR | EPOLLHUP):
            return
        if not self.bulk_receive(fd):
            self.client_lost(fd)
            return
        if conns[fd].got_bytes:
            self.client_settled(fd)
        if conns[fd].mode == FETCH and conns[fd].got_bytes >= self.fetch_bytes:
            self.client_unit(fd)

    cdef void backend_turn(self, int fd, uint32_t events) noexcept nogil:
        cdef uint32_t gen = conns[fd].gen
        if events & EPOLLOUT:
            if conns[fd].mode == FETCH:
                self.answer_step(fd)
            else:
                self.bulk_send(fd)
        if conns[fd].gen != gen or not events & (EPOLLIN | EPOLLERR | EPOLLHUP):
            return
        if not is_bulk(conns[fd].mode):
            self.backend_step(fd)
        elif not self.bulk_receive(fd):
            self.drop(fd)

    cdef void turn(self, uint64_t token, uint32_t events) noexcept nogil:
        cdef int fd = <int><uint32_t>token
        if conns[fd].gen != <uint32_t>(token >> 32):
            return
        if conns[fd].kind == KIND_LISTENER:
            self.backend_accept(fd)
        elif conns[fd].kind == KIND_BACKEND:
            self.backend_turn(fd, events)
        elif not conns[fd].is_begun:
            self.client_begin(fd, events)
        elif is_bulk(conns[fd].mode) or conns[fd].mode == FETCH:
            self.client_take(fd, events)
        else:
            self.client_talk(fd, events)

    cdef bint is_done(self, int until) noexcept nogil:
        cdef uint32_t wanted = self.n_clients + self.n_greedy
        if until == UNTIL_SETTLED:
            return self.settled >= wanted and self.live_clients >= wanted
        return until == UNTIL_EMPTY and not self.live_clients and not self.live_backends

    cdef void loop(self, uint64_t deadline_ns, int until) noexcept nogil:
        cdef epoll_event events[EVENTS_MAX]
        cdef int i, _i, n
        cdef int wait_ms = WAIT_MS if until == UNTIL_DEADLINE else SETTLE_WAIT_MS
        while now_ns() < deadline_ns:
            for _i in range(ACCEPT_MAX):     # bounded, so that ten thousand idle clients do not overrun a backlog
                if self.live_clients >= self.n_clients + self.n_greedy or self.client_open() < 0:
                    break
            n = epoll_wait(self.ep, events, EVENTS_MAX, wait_ms)
            for i in range(n):
                self.turn(events[i].data.u64, events[i].events)
            if self.is_done(until):
                return
