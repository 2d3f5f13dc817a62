# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The load of the UDP benchmarks: clients and backends in one thread and one epoll, without the GIL.

Three backends have a socket each, at ports of the kernel's choice. Every client has a socket, a port and a loopback
address of its own, and the same ones whenever it is opened again. The proxy under test stands between them.

The thread polls and does not sleep: whoever sends to a sleeping thread pays for waking it, and that would stand on the
proxy's account. How much of its time it had nothing to do is counted instead.

Every datagram but a DNS one begins with a head_t, so that what is late, foreign, or out of order is known as such.
"""

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from benchmarks._dns cimport (
    DNS_ANSWER, DNS_MASK, DNS_QUERY, answer_make, is_answer_to, query_fill, query_number,
)
from benchmarks._kernel cimport (
    AF_INET, EPOLL_CTL_ADD, EPOLLET, EPOLLIN, MSG_DONTWAIT, MSG_TRUNC, SO_RCVBUFFORCE, SO_SNDBUFFORCE, SOCK_CLOEXEC,
    SOCK_DGRAM, SOCK_NONBLOCK, SOL_SOCKET, SOL_UDP, UDP_GRO, UDP_SEGMENT, bind, close, connect, epoll_create1, epoll_ctl,
    epoll_event, epoll_wait, getsockname, iovec, mmsghdr, ntohs, recv, recvmmsg, send, sendmmsg, setsockopt, sockaddr,
    sockaddr_in, socket, socklen_t,
)
from benchmarks._meter cimport address_fill, hist_note, hist_percentile_ns, hist_t, now_ns, thread_cpu_ns

cdef enum:
    CLIENTS_MAX = 16384
    EVENTS_MAX = 256                # per epoll_wait
    BATCH = 64                      # datagrams per recvmmsg and sendmmsg
    BATCHES_MAX = 8                 # per event of a backend
    ANSWERS_MAX = 8                 # receives per event of a client: late ones before the one that is waited for
    RUNS_MAX = 4                    # sent before the backends are looked at again
    OPENINGS_MAX = 32               # first datagrams per turn while clients settle: a default receive buffer holds them
    RUN_MAX = 64                    # datagrams; also what one UDP_SEGMENT send may hold
    N_BACKENDS = 3
    MESSAGE_MAX = 1472              # one frame of Ethernet
    SEND_MAX = 65507                # bytes that UDP_SEGMENT may send at once
    BUFFER_BYTES = 67108864         # of the backends' sockets: what is lost is lost by the proxy
    PORT_WORDS = 1024               # a bit for each port
    FIRST_HOST = 0x7F000001         # 127.0.0.1
    CLIENT_HOST = 0x7F010000        # 127.1.0.0, and one further address for each client
    BACKEND_TAG = 1 << 30           # in epoll's payload; the rest is a position

cdef uint64_t TIMEOUT_NS = 200000000    # without an answer, or with nothing arriving: what is under way is lost
cdef uint64_t RETRY_NS = 100000000      # while clients settle
cdef uint64_t PREEMPTED_NS = 20000      # no poll takes so long: somebody else had the core
cdef uint64_t SWEEP_NS = 10000000       # how often that is looked for

cpdef enum Mode:
    ECHO = 0                # closed loop: one datagram under way for each client, answered by the same bytes
    RUNS = 1                # one way, closed loop: clients in turn send a run each, while a window of datagrams has room
    PACED = 2               # one way, open loop: the same at a fixed rate
    QUERY = 3               # closed loop: each DNS query from the next client; so many of them under way

cdef enum:
    UNTIL_DEADLINE = 0
    UNTIL_SETTLED = 1       # every client was answered, or heard of by a backend, once; QUERY: as many as are under way
    UNTIL_EMPTY = 2         # nothing is under way, or nothing has come for a while

cdef struct head_t:
    uint32_t epoch          # which start() it belongs to
    uint32_t client
    uint64_t number         # of the client's datagrams, from 1 on
    uint64_t begin_ns       # when it was sent

cdef struct client_t:
    uint64_t begin_ns       # when what is waited for was sent
    uint64_t number         # of the last datagram sent; QUERY: of the query
    uint64_t seen           # number of the last datagram that a backend got
    int fd
    uint8_t is_waiting      # for an answer; while settling, one way: for a backend to hear of it
    uint8_t is_settled

cdef client_t clients[CLIENTS_MAX]
cdef uint16_t client_ports[CLIENTS_MAX]     # what the kernel chose first; 0: nothing yet
cdef uint8_t outbox[RUN_MAX * MESSAGE_MAX]
cdef iovec out_spans[RUN_MAX]
cdef mmsghdr out_messages[RUN_MAX]
cdef uint8_t inbox[BATCH][MESSAGE_MAX]
cdef iovec in_spans[BATCH]
cdef mmsghdr in_messages[BATCH]
cdef sockaddr_in senders[BATCH]
cdef uint8_t answer[MESSAGE_MAX]
cdef uint32_t epoch = 0


cdef void messages_prepare() noexcept nogil:
    """Where batches are received, and by whom they were sent; answers go back the same way."""
    cdef int i
    for i in range(BATCH):
        in_spans[i].iov_base = &inbox[i][0]
        in_messages[i].msg_hdr.msg_iov = &in_spans[i]
        in_messages[i].msg_hdr.msg_iovlen = 1
        in_messages[i].msg_hdr.msg_name = &senders[i]
        in_messages[i].msg_hdr.msg_namelen = sizeof(sockaddr_in)
    for i in range(RUN_MAX):
        out_messages[i].msg_hdr.msg_iov = &out_spans[i]
        out_messages[i].msg_hdr.msg_iovlen = 1


cdef class Load:
    """One set of backends and, between start() and stop(), clients of one kind.

    One thread; of several loads only one may have clients at a time.
    """

    cdef int ep
    cdef int backends[N_BACKENDS]
    cdef int pair[2]            # of calibrate()
    cdef uint8_t mode
    cdef bint is_held           # until clients have settled: one datagram of each, no more
    cdef bint is_sending
    cdef bint is_segmented
    cdef uint32_t n_clients
    cdef uint32_t message_bytes
    cdef uint32_t n_run         # datagrams of a run
    cdef uint32_t window        # datagrams, or queries, under way at most
    cdef double rate            # datagrams per second
    cdef uint64_t paced_ns      # since when `paced` is counted
    cdef uint64_t paced         # datagrams
    cdef uint64_t cursor        # whose turn it is; QUERY: the number of the next query
    cdef uint64_t under_way
    cdef uint64_t arrived_ns    # when something came last
    cdef uint64_t swept_ns
    cdef uint64_t idle_ns
    cdef uint32_t settled
    cdef uint64_t sent
    cdef uint64_t units
    cdef uint64_t errors
    cdef uint64_t foreign
    cdef uint64_t lost
    cdef uint64_t stale
    cdef uint64_t misordered
    cdef uint64_t n_ports
    cdef uint64_t bytes_moved
    cdef hist_t hist
    cdef uint64_t ports_seen[PORT_WORDS]
    cdef uint64_t per_backend[N_BACKENDS]
    cdef readonly list ports

    def __cinit__(self):
        cdef int i, bytes = BUFFER_BYTES
        messages_prepare()
        self.ep = epoll_create1(0)
        self.ports = []
        for i in range(N_BACKENDS):
            self.backends[i], port = self.socket_bound()
            self.ports.append(port)
            if setsockopt(self.backends[i], SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(int)) < 0:
                raise OSError(errno, "cannot give the benchmark's backends a large receive buffer; be root")
            setsockopt(self.backends[i], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(int))
            self.watch(self.backends[i], BACKEND_TAG | i, EPOLLIN)
        self.pair[0], first = self.socket_bound()
        self.pair[1], second = self.socket_bound()
        self.connect_to(self.pair[0], second)
        self.connect_to(self.pair[1], first)

    def start(self, int port, Mode mode, uint32_t n_clients, uint32_t message_bytes=64, uint32_t run=1,
              uint32_t window=256, double rate=0.0, bint is_segmented=False, bint has_gro=False):
        """Open the clients towards port of 127.0.0.1; they send one datagram each until settle() is done.

        run: datagrams that a client sends back to back (RUNS, PACED).   window: datagrams under way at most (RUNS), or
        queries (QUERY).   rate: datagrams per second (PACED).   is_segmented: a run is one send with UDP_SEGMENT.
        has_gro: backends receive runs in one (UDP_GRO).
        Raises ValueError for what makes no sense, OSError when a client cannot have its socket.
        """
        global epoch
        if self.n_clients:
            raise ValueError("stop() first")
        if not 0 < n_clients <= CLIENTS_MAX:
            raise ValueError(f"1 to {CLIENTS_MAX} clients")
        if message_bytes < sizeof(head_t) or message_bytes > MESSAGE_MAX:
            raise ValueError(f"a message has {sizeof(head_t)} to {MESSAGE_MAX} bytes")
        if not 0 < run <= min(window, <uint32_t>RUN_MAX) or (is_segmented and run * message_bytes > SEND_MAX):
            raise ValueError(f"a run has 1 to {RUN_MAX} datagrams, no more than the window, in one send {SEND_MAX} bytes")
        if (mode == PACED) != (rate > 0):
            raise ValueError("a rate goes with PACED only")
        self.mode, self.message_bytes, self.n_run = <uint8_t>mode, message_bytes, run
        self.window, self.is_segmented = window, is_segmented
        self.is_held = self.is_sending = True
        self.cursor = self.under_way = self.settled = 0
        epoch += 1
        self.set_gro(has_gro)
        self.clients_open(port, n_clients)
        self.pace(rate)
        self.reset()

    def pace(self, double rate):
        """From now on so many datagrams per second (PACED)."""
        self.rate = rate
        self.paced = 0
        self.paced_ns = now_ns()

    def reset(self):
        """Forget what was counted; what is under way stays so."""
        self.sent = self.units = self.errors = self.foreign = self.lost = self.stale = self.misordered = 0
        self.n_ports = self.bytes_moved = self.idle_ns = 0
        memset(&self.hist, 0, sizeof(hist_t))
        memset(self.ports_seen, 0, sizeof(self.ports_seen))
        memset(self.per_backend, 0, sizeof(self.per_backend))

    def run(self, double seconds):
        """Work for so long; the clients stay open. Returns the seconds that it took."""
        cdef uint64_t begin = now_ns()
        with nogil:
            self.loop(begin + <uint64_t>(seconds * 1e9), UNTIL_DEADLINE)
        return (now_ns() - begin) / 1e9

    def settle(self, double seconds):
        """Send one datagram of each client, again and again, until it got through or the time is over.

        Returns how many did. All of them go on from there at once. QUERY: as many as may be under way are enough.
        """
        with nogil:
            self.loop(now_ns() + <uint64_t>(seconds * 1e9), UNTIL_SETTLED)
            if self.is_done(UNTIL_SETTLED, 0):
                self.release()
        return self.settled

    def drain(self, double seconds):
        """Send nothing more and wait for what is under way. What has not come by then is lost; returns how much.

        pace() and run() go on sending.
        """
        cdef uint64_t missing
        self.is_sending = False
        with nogil:
            self.loop(now_ns() + <uint64_t>(seconds * 1e9), UNTIL_EMPTY)
        missing = self.under_way
        self.lost += missing
        self.under_way = 0
        for i in range(self.n_clients):
            clients[i].is_waiting = 0
        self.is_sending = True
        return missing

    def calibrate(self, int steps):
        """CPU time of this thread, in ns, of one datagram each way between two sockets without a proxy.

        The same work every time: what changes is the machine.
        """
        cdef int _i
        cdef uint64_t begin = thread_cpu_ns()
        with nogil:
            for _i in range(steps):
                send(self.pair[0], outbox, 64, 0)
                recv(self.pair[1], answer, 64, 0)
                send(self.pair[1], outbox, 64, 0)
                recv(self.pair[0], answer, 64, 0)
        return (thread_cpu_ns() - begin) / <double>steps

    def stop(self):
        """Close all clients; the backends stay. Idempotent."""
        cdef uint32_t i
        for i in range(self.n_clients):
            close(clients[i].fd)
        self.n_clients = 0
        self.under_way = 0

    def close(self):
        """Close everything. Idempotent."""
        cdef int i
        self.stop()
        if self.ep < 0:
            return
        for i in range(N_BACKENDS):
            close(self.backends[i])
        for i in range(2):
            close(self.pair[i])
        close(self.ep)
        self.ep = -1

    @property
    def counts(self):
        """What was counted since start() or reset().

        units: answers that a client got, or datagrams that a backend got.   lost: what nobody saw again.   errors:
        refused or torn ones.   foreign: answers that a client got and another had asked for.   stale: answers that came
        when nobody waited for them.   misordered: datagrams behind a later one of the same client.   ports: different
        ports from which the backends were sent something.   idle_ns: time in which there was nothing to do.
        """
        return {"units": self.units, "errors": self.errors, "bytes": self.bytes_moved, "lost": self.lost,
                "sent": self.sent, "stale": self.stale, "foreign": self.foreign, "misordered": self.misordered,
                "under_way": self.under_way, "settled": self.settled, "ports": self.n_ports, "idle_ns": self.idle_ns,
                "per_backend": [self.per_backend[i] for i in range(N_BACKENDS)]}

    def percentile_us(self, double share):
        """Latency in microseconds below which so large a share of the units lies: there and back, or there only."""
        return hist_percentile_ns(&self.hist, share) / 1000.0

    cdef tuple socket_bound(self):
        """A socket at a port of 127.0.0.1 that the kernel chose."""
        cdef sockaddr_in address
        cdef socklen_t size = sizeof(address)
        cdef int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)
        address_fill(&address, FIRST_HOST, 0)
        if fd < 0 or bind(fd, <sockaddr*>&address, sizeof(address)) < 0:
            raise OSError(errno, "cannot bind a socket of the benchmark")
        getsockname(fd, <sockaddr*>&address, &size)
        return fd, ntohs(address.sin_port)

    cdef int connect_to(self, int fd, int port) except -1:
        cdef sockaddr_in address
        address_fill(&address, FIRST_HOST, <uint16_t>port)
        if connect(fd, <sockaddr*>&address, sizeof(address)) < 0:
            raise OSError(errno, "cannot connect a socket of the benchmark")
        return 0

    cdef int client_socket(self, uint32_t i) except -1:
        """A socket at the client's own address, and at the same port as ever if that is free."""
        cdef sockaddr_in address
        cdef socklen_t size = sizeof(address)
        cdef int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
        if fd < 0:
            raise OSError(errno, f"cannot open the socket of client {i}")
        address_fill(&address, CLIENT_HOST + i, client_ports[i])
        if bind(fd, <sockaddr*>&address, sizeof(address)) < 0:
            address_fill(&address, CLIENT_HOST + i, 0)
            bind(fd, <sockaddr*>&address, sizeof(address))
        getsockname(fd, <sockaddr*>&address, &size)
        client_ports[i] = ntohs(address.sin_port)
        return fd

    cdef int clients_open(self, int port, uint32_t n) except -1:
        cdef int fd, bytes = self.message_bytes
        while self.n_clients < n:
            fd = self.client_socket(self.n_clients)
            memset(&clients[self.n_clients], 0, sizeof(client_t))
            clients[self.n_clients].fd = fd
            self.n_clients += 1
            self.connect_to(fd, port)
            if self.is_segmented and setsockopt(fd, SOL_UDP, UDP_SEGMENT, &bytes, sizeof(int)) < 0:
                raise OSError(errno, "the kernel has no UDP_SEGMENT")
            if self.mode == ECHO or self.mode == QUERY:
                self.watch(fd, self.n_clients - 1, EPOLLIN | EPOLLET)
        return 0

    cdef int set_gro(self, int has_gro) except -1:
        cdef int i
        for i in range(N_BACKENDS):
            if setsockopt(self.backends[i], SOL_UDP, UDP_GRO, &has_gro, sizeof(int)) < 0:
                raise OSError(errno, "the kernel has no UDP_GRO")
        return 0

    cdef void watch(self, int fd, uint32_t tag, uint32_t events) noexcept nogil:
        cdef epoll_event event
        event.events = events
        event.data.u64 = tag
        epoll_ctl(self.ep, EPOLL_CTL_ADD, fd, &event)

    cdef void arrived(self, uint64_t n, uint64_t at) noexcept nogil:
        """So many were under way, or had been taken for lost."""
        cdef uint64_t known = min(n, self.under_way)
        self.under_way -= known
        self.lost -= min(n - known, self.lost)
        self.arrived_ns = at

    cdef void client_settled(self, uint32_t i) noexcept nogil:
        if not clients[i].is_settled:
            clients[i].is_settled = 1
            self.settled += 1

    cdef void port_note(self, uint16_t port) noexcept nogil:
        cdef uint64_t bit = <uint64_t>1 << (port & 63)
        if not self.ports_seen[port >> 6] & bit:
            self.ports_seen[port >> 6] |= bit
            self.n_ports += 1

    cdef int batch_receive(self, int fd, size_t room, int flags) noexcept nogil:
        cdef int i, n
        for i in range(BATCH):
            in_spans[i].iov_len = room
        n = recvmmsg(fd, in_messages, BATCH, MSG_DONTWAIT | flags, NULL)
        for i in range(n):
            self.port_note(senders[i].sin_port)
        return n

    cdef void sink_step(self, int row) noexcept nogil:
        """Count what has come, and look at nothing but its head."""
        cdef int i, n, _step
        for _step in range(BATCHES_MAX):
            n = self.batch_receive(self.backends[row], sizeof(head_t), MSG_TRUNC)
            for i in range(n):
                self.sink_note(row, <head_t*>&inbox[i][0], in_messages[i].msg_len, now_ns())
            if n < BATCH:
                return

    cdef void sink_note(self, int row, const head_t* head, uint32_t bytes, uint64_t at) noexcept nogil:
        """One datagram or, with UDP_GRO, a run of them."""
        cdef uint32_t n = bytes // self.message_bytes
        if bytes < sizeof(head_t) or head.epoch != epoch:
            self.stale += 1
            return
        if n * self.message_bytes != bytes or head.client >= self.n_clients:
            self.errors += 1
            return
        hist_note(&self.hist, at - head.begin_ns)
        self.units += n
        self.bytes_moved += bytes
        self.per_backend[row] += n
        if clients[head.client].is_waiting:
            clients[head.client].is_waiting = 0
        self.client_settled(head.client)
        if head.number <= clients[head.client].seen:
            self.misordered += n
        else:
            clients[head.client].seen = head.number + n - 1
        self.arrived(n, at)

    cdef void answer_step(self, int row) noexcept nogil:
        """Answer what has come: the same bytes back, or what a DNS server would say."""
        cdef int i, n, _step
        for _step in range(BATCHES_MAX):
            n = self.batch_receive(self.backends[row], MESSAGE_MAX, 0)
            if n <= 0:
                return
            self.per_backend[row] += <uint64_t>n
            for i in range(n):
                in_spans[i].iov_len = in_messages[i].msg_len
                if self.mode == QUERY:
                    in_spans[i].iov_len = answer_make(&inbox[i][0], in_messages[i].msg_len)
                    self.errors += in_spans[i].iov_len == 0
            if sendmmsg(self.backends[row], in_messages, n, MSG_DONTWAIT) != n:
                self.errors += 1
            if n < BATCH:
                return

    cdef void head_fill(self, uint8_t* out, uint32_t i, uint64_t at) noexcept nogil:
        cdef head_t head
        clients[i].number += 1
        head.epoch, head.client, head.number, head.begin_ns = epoch, i, clients[i].number, at
        memcpy(out, &head, sizeof(head_t))

    cdef void single_send(self, uint32_t i, uint64_t at) noexcept nogil:
        """One datagram that is waited for."""
        cdef ssize_t n = self.message_bytes
        if self.mode == QUERY:
            n = DNS_QUERY
            query_fill(outbox, clients[i].number)
        else:
            self.head_fill(outbox, i, at)
        clients[i].begin_ns = at
        clients[i].is_waiting = 1
        self.under_way += 1
        self.sent += 1
        if send(clients[i].fd, outbox, n, MSG_DONTWAIT) != n:
            self.errors += 1

    cdef void query_next(self, uint64_t at) noexcept nogil:
        """The next client asks; one that still waits for an answer is passed over."""
        cdef uint32_t i, _try
        for _try in range(self.n_clients):
            i = <uint32_t>(self.cursor % self.n_clients)
            self.cursor += 1
            if not clients[i].is_waiting:
                clients[i].number = self.cursor - 1
                self.single_send(i, at)
                return

    cdef void run_send(self, uint64_t at) noexcept nogil:
        """The next client's run."""
        cdef uint32_t i = <uint32_t>(self.cursor % self.n_clients), k
        cdef ssize_t n, wanted = self.n_run
        self.cursor += 1
        for k in range(self.n_run):
            out_spans[k].iov_base = &outbox[k * self.message_bytes]
            out_spans[k].iov_len = self.message_bytes
            self.head_fill(&outbox[k * self.message_bytes], i, at)
        self.under_way += self.n_run
        self.sent += self.n_run
        if self.is_segmented:
            wanted *= self.message_bytes
            n = send(clients[i].fd, outbox, wanted, MSG_DONTWAIT)
        else:
            n = sendmmsg(clients[i].fd, out_messages, self.n_run, MSG_DONTWAIT)
        if n != wanted:
            self.errors += 1

    cdef bint is_answer(self, uint32_t i, ssize_t n) noexcept nogil:
        """Whether what lies in `answer` is what this client waits for."""
        cdef head_t* head = <head_t*>answer
        if self.mode != QUERY:
            if n < <ssize_t>sizeof(head_t) or head.epoch != epoch:
                return False
            if n != <ssize_t>self.message_bytes or head.client != i:
                self.foreign += 1
                return False
            return head.number == clients[i].number and clients[i].is_waiting
        if is_answer_to(answer, n, clients[i].number):
            return clients[i].is_waiting
        if n != DNS_ANSWER or (clients[i].number - query_number(answer) & DNS_MASK) % self.n_clients:
            self.foreign += 1
        return False

    cdef void client_step(self, uint32_t i) noexcept nogil:
        cdef ssize_t n
        cdef int _step
        for _step in range(ANSWERS_MAX):
            n = recv(clients[i].fd, answer, MESSAGE_MAX, MSG_DONTWAIT)
            if n < 0:
                self.errors += errno != EAGAIN and errno != EINTR
                return
            if self.is_answer(i, n):
                self.bytes_moved += <uint64_t>n
                self.client_unit(i)
                return
            self.stale += 1

    cdef void client_unit(self, uint32_t i) noexcept nogil:
        """The answer that was waited for."""
        cdef uint64_t at = now_ns()
        hist_note(&self.hist, at - clients[i].begin_ns)
        self.units += 1
        clients[i].is_waiting = 0
        self.client_settled(i)
        self.arrived(1, at)
        self.single_next(i, at)

    cdef void single_next(self, uint32_t i, uint64_t at) noexcept nogil:
        if not self.is_sending or (self.is_held and self.mode != QUERY):
            return
        if self.mode == QUERY:
            self.query_next(at)
        else:
            self.single_send(i, at)

    cdef void release(self) noexcept nogil:
        """All clients at once, from now on."""
        cdef uint32_t i
        self.is_held = False
        self.paced = 0
        self.paced_ns = now_ns()
        if self.mode == ECHO:
            for i in range(self.n_clients):
                if not clients[i].is_waiting:
                    self.single_send(i, now_ns())

    cdef void sweep(self) noexcept nogil:
        """What has been waited for too long is lost; somebody goes on in its place."""
        cdef uint64_t at = now_ns(), patience_ns = RETRY_NS if self.is_held else TIMEOUT_NS
        cdef uint32_t i
        self.swept_ns = at
        if not self.is_held and self.mode == RUNS and self.under_way and at - self.arrived_ns > patience_ns:
            self.lost += self.under_way
            self.under_way = 0
        for i in range(self.n_clients):
            if clients[i].is_waiting and at - clients[i].begin_ns > patience_ns and self.is_sending:
                clients[i].is_waiting = 0
                self.lost += 1
                self.under_way -= min(self.under_way, <uint64_t>1)
                if self.is_held and self.mode != QUERY:
                    self.single_send(i, at)
                else:
                    self.single_next(i, at)

    cdef uint32_t openings_send(self, uint64_t at) noexcept nogil:
        """First datagrams of clients; of QUERY: as many queries as may be under way. Returns how many."""
        cdef uint32_t n = 0, i
        while n < OPENINGS_MAX:
            if self.mode == QUERY:
                if self.under_way >= min(self.window, self.n_clients):
                    return n
                self.query_next(at)
            else:
                if self.cursor >= self.n_clients:
                    return n
                i = <uint32_t>self.cursor
                self.cursor += 1
                self.single_send(i, at)
            n += 1
        return n

    cdef uint32_t due_send(self, uint64_t at) noexcept nogil:
        """Whatever may be sent now without an answer. Returns how many sends."""
        cdef uint32_t n = 0
        cdef uint64_t due
        if not self.is_sending or not self.n_clients:
            return 0
        if self.is_held or self.mode == QUERY:
            return self.openings_send(at)
        if self.mode == RUNS:
            while n < RUNS_MAX and self.under_way + self.n_run <= self.window:
                self.run_send(now_ns())
                n += 1
        elif self.mode == PACED:
            due = <uint64_t>((at - self.paced_ns) * 1e-9 * self.rate)
            while n < RUNS_MAX and self.paced + self.n_run <= due:
                self.run_send(now_ns())
                self.paced += self.n_run
                n += 1
        return n

    cdef bint is_done(self, int until, uint64_t at) noexcept nogil:
        if until == UNTIL_SETTLED:
            return self.settled >= (min(self.window, self.n_clients) if self.mode == QUERY else self.n_clients)
        return until == UNTIL_EMPTY and (not self.under_way or at - self.arrived_ns > TIMEOUT_NS)

    cdef void turn(self, uint32_t tag) noexcept nogil:
        if not tag & BACKEND_TAG:
            self.client_step(tag)
        elif self.mode == ECHO or self.mode == QUERY:
            self.answer_step(<int>(tag & ~BACKEND_TAG))
        else:
            self.sink_step(<int>(tag & ~BACKEND_TAG))

    cdef void loop(self, uint64_t deadline_ns, int until) noexcept nogil:
        cdef epoll_event events[EVENTS_MAX]
        cdef int i, n
        cdef uint64_t at = now_ns(), before
        cdef bint is_idle
        self.arrived_ns = at
        while at < deadline_ns and not self.is_done(until, at):
            is_idle = not self.due_send(at)
            n = epoll_wait(self.ep, events, EVENTS_MAX, 0)
            for i in range(n):
                self.turn(<uint32_t>events[i].data.u64)
            before, at = at, now_ns()
            if at - self.swept_ns > SWEEP_NS:
                self.sweep()
            if is_idle and n <= 0 and at - before < PREEMPTED_NS:
                self.idle_ns += at - before
