"""Worker: wait, take events, resume, expire, tell. Nothing in a turn is unbounded."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset
from nginy._fast.base.cdefs cimport (
    EINVAL, ENOMEM, SIG_IGN, SIGHUP, SIGINT, SIGPIPE, SIGTERM, c_getpid, c_sigaction, epoll_event, ngy_load_int,
    ngy_store64, ngy_store_int, sigaction_t,
)
from nginy._fast.base.layout cimport (
    BOARD_MAGIC, LAYOUT_VERSION, MSG_DRAINED, NO_INDEX, VERDICT_DOWN, board_header_t, snap_pool_t,
)
from nginy._fast.base.limits cimport (
    BUFFER_BYTES, EVENTS_PER_TURN, MAX_SOCKETS, QUEUE_PER_TURN, SWEEP_PER_TURN, TURN_MAX_WAIT_MS,
)
from nginy._fast.base.status cimport REASON_BACKEND_DOWN, REASON_DRAIN_DEADLINE, REASON_STOPPED
from nginy._fast.engine.channel cimport channel_event, channel_tell, rejoin_event, worker_drain
from nginy._fast.engine.connect cimport connect_event, connect_timer
from nginy._fast.engine.listener cimport listener_event, listener_timer, listeners_drop
from nginy._fast.engine.relay cimport leg_note, relay_cut_at, relay_run, relay_timer
from nginy._fast.engine.session cimport (
    TAG_CHANNEL, TAG_LISTENER, TAG_REJOIN, TAG_SESSION, session_close, session_of_tag, session_unqueue,
    tag_make,
)
from nginy._fast.engine.stats cimport board_bytes, board_region, board_shared, stats_turn
from nginy._fast.engine.types cimport (
    SESS_CONNECT, SESS_RELAY, TIMER_LISTENER, listener_t, session_t, timer_t, worker_t,
)
from nginy._fast.mem.buffers cimport buffers_close, buffers_open
from nginy._fast.mem.clock cimport clock_ms
from nginy._fast.mem.region cimport region_close, region_map, region_open
from nginy._fast.mem.slab cimport slab_at, slab_close, slab_is_taken, slab_open
from nginy._fast.mem.wheel cimport wheel_advance, wheel_node_t, wheel_open, wheel_take_due, wheel_wait_ms
from nginy._fast.net.poller cimport poller_add_source, poller_bits, poller_open, poller_wait
from nginy._fast.net.sock cimport sock_close
from nginy._fast.policy.choose cimport chooser_close, chooser_open
from nginy._fast.policy.snapshot cimport snapshot_backend, snapshot_close, snapshot_listener, snapshot_pool

cdef enum:
    STATE_RUNNING = 1
    STATE_DRAINING = 2

cdef int term_asked = 0


cdef void on_term(int sig) noexcept nogil:
    ngy_store_int(&term_asked, 1)


cdef void worker_take_signals() noexcept nogil:
    cdef sigaction_t act
    memset(&act, 0, sizeof(act))
    act.sa_handler = on_term
    c_sigaction(SIGTERM, &act, NULL)
    act.sa_handler = SIG_IGN    # a terminal's signals are control's business
    c_sigaction(SIGINT, &act, NULL)
    c_sigaction(SIGHUP, &act, NULL)
    c_sigaction(SIGPIPE, &act, NULL)


# ---- life ----

cdef int board_attach(worker_t* w, uint32_t slots) noexcept nogil:
    cdef board_header_t* header
    w.board_bytes = board_bytes(slots)
    w.board_base = region_map(w.board_fd, w.board_bytes, True)
    if w.board_base == NULL:
        return -ENOMEM
    header = <board_header_t*>w.board_base
    if header.magic != BOARD_MAGIC or header.version != LAYOUT_VERSION or header.slots != slots or w.slot >= slots:
        return -EINVAL
    w.shared = board_shared(w.board_base)
    w.row = board_region(w.board_base, w.slot)
    return 0


cdef int worker_try_open(worker_t* w, const worker_options_t* o) noexcept nogil:
    cdef int status = board_attach(w, o.slots)
    if status < 0:
        return status
    w.poller_fd = poller_open()
    if w.poller_fd < 0:
        return w.poller_fd
    w.sockets = <listener_t*>region_open(MAX_SOCKETS * sizeof(listener_t))
    w.scratch = <uint8_t*>region_open(BUFFER_BYTES)
    if w.sockets == NULL or w.scratch == NULL:
        return -ENOMEM
    status = slab_open(&w.sessions, sizeof(session_t), o.sessions_max)
    if status == 0:
        status = buffers_open(&w.buffers, o.buffers_bytes)
    if status == 0:
        status = chooser_open(&w.chooser, w.shared.in_flight, o.seed, o.slot)
    if status == 0:
        status = poller_add_source(w.poller_fd, w.channel_fd, tag_make(TAG_CHANNEL, 0, 0, 0), False)
    return status


cdef int worker_open(worker_t* w, const worker_options_t* options) noexcept nogil:
    cdef int status
    memset(w, 0, sizeof(worker_t))
    w.poller_fd = -1
    w.snapshot_fd = -1
    w.channel_fd = options.channel_fd
    w.board_fd = options.board_fd
    w.rejoin_fd = options.rejoin_fd
    w.slot = options.slot
    w.port_min = options.port_min
    w.port_max = options.port_max
    w.sweep_at = NO_INDEX
    w.now_ms = clock_ms()
    wheel_open(&w.wheel, w.now_ms)
    status = worker_try_open(w, options)
    if status < 0:
        worker_close(w)
        return status
    ngy_store64(&w.row.worker.pid, <uint64_t>c_getpid())
    ngy_store64(&w.row.worker.sessions_max, w.sessions.cap)
    ngy_store64(&w.row.worker.buffers_max, w.buffers.blocks.cap)
    ngy_store64(&w.row.worker.turn_ms, w.now_ms)
    ngy_store64(&w.row.worker.state, STATE_RUNNING)
    return 0


cdef void fd_close(int* fd) noexcept nogil:
    if fd[0] >= 0:
        sock_close(fd[0])
    fd[0] = -1


cdef void worker_close(worker_t* w) noexcept nogil:
    if w.sockets != NULL:
        listeners_drop(w)
    if w.row != NULL:
        ngy_store64(&w.row.worker.state, 0)
    snapshot_close(&w.snapshot)
    slab_close(&w.sessions)
    buffers_close(&w.buffers)
    chooser_close(&w.chooser)
    region_close(w.sockets, MAX_SOCKETS * sizeof(listener_t))
    region_close(w.scratch, BUFFER_BYTES)
    region_close(w.board_base, w.board_bytes)
    w.sockets = NULL
    w.scratch = NULL
    w.board_base = NULL
    w.row = NULL
    fd_close(&w.poller_fd)
    fd_close(&w.snapshot_fd)
    fd_close(&w.channel_fd)
    fd_close(&w.rejoin_fd)
    fd_close(&w.board_fd)


# ---- one turn ----

cdef void session_event(worker_t* w, const epoll_event* event) noexcept nogil:
    cdef session_t* s = session_of_tag(w, event.data.u64)
    cdef int side = <int>(event.data.u64 >> 56 & 1)
    if s == NULL:
        return
    if s.state == SESS_CONNECT:
        connect_event(w, s, side, poller_bits(event))
        return
    leg_note(s, side, poller_bits(event))
    relay_run(w, s)


cdef void take_event(worker_t* w, const epoll_event* event) noexcept nogil:
    cdef uint32_t kind = <uint32_t>(event.data.u64 >> 57)
    if kind == TAG_SESSION:
        session_event(w, event)
    elif kind == TAG_LISTENER:
        listener_event(w, <uint32_t>event.data.u64)
    elif kind == TAG_CHANNEL:
        channel_event(w)
    elif kind == TAG_REJOIN:
        rejoin_event(w)


cdef void resume_ready(worker_t* w) noexcept nogil:
    cdef uint32_t n = w.ready.n if w.ready.n < QUEUE_PER_TURN else QUEUE_PER_TURN
    cdef uint32_t _turn
    cdef session_t* s
    for _turn in range(n):
        s = w.ready.head
        if s == NULL:
            return
        session_unqueue(w, s)
        relay_run(w, s)


cdef void expire(worker_t* w) noexcept nogil:
    cdef wheel_node_t* node
    cdef timer_t* timer
    cdef session_t* s
    wheel_advance(&w.wheel, w.now_ms)
    while True:
        node = wheel_take_due(&w.wheel)
        if node == NULL:
            return
        timer = <timer_t*>node
        if timer.kind == TIMER_LISTENER:
            listener_timer(w, <listener_t*>timer)
            continue
        s = <session_t*>timer
        if s.state == SESS_CONNECT:
            connect_timer(w, s)
        else:
            relay_timer(w, s)


# Sessions on a backend that is down, where the pool says on_down: reset.
cdef bint is_cut_off(worker_t* w, const session_t* s) noexcept nogil:
    cdef const snap_pool_t* pool
    if s.state != SESS_RELAY or snapshot_backend(&w.snapshot, s.backend) == NULL:
        return False
    pool = snapshot_pool(&w.snapshot, s.pool)
    return pool != NULL and pool.is_on_down_reset and snapshot_backend(&w.snapshot, s.backend).verdict == VERDICT_DOWN


cdef void sweep_one(worker_t* w, session_t* s) noexcept nogil:
    if is_cut_off(w, s):
        session_close(w, s, REASON_BACKEND_DOWN)
    elif s.drain_ms and s.cut_ms == 0 and (w.is_draining or snapshot_listener(&w.snapshot, s.listener) == NULL):
        relay_cut_at(w, s, w.now_ms + s.drain_ms)


cdef void sweep_step(worker_t* w) noexcept nogil:
    cdef session_t* s
    cdef uint32_t end
    if w.sweep_at == NO_INDEX:
        return
    end = w.sweep_at + SWEEP_PER_TURN
    while w.sweep_at < end and w.sweep_at < w.sessions.n_touched:
        s = <session_t*>slab_at(&w.sessions, w.sweep_at)
        if slab_is_taken(&w.sessions, w.sweep_at):
            sweep_one(w, s)
        w.sweep_at += 1
    if w.sweep_at >= w.sessions.n_touched:
        w.sweep_at = NO_INDEX


cdef void cut_all(worker_t* w, uint32_t reason) noexcept nogil:
    cdef uint32_t i
    for i in range(w.sessions.n_touched):
        if slab_is_taken(&w.sessions, i):
            session_close(w, <session_t*>slab_at(&w.sessions, i), reason)
            w.n_cut += 1


cdef void drain_step(worker_t* w) noexcept nogil:
    if ngy_load_int(&term_asked) and w.channel_fd < 0 and not w.is_draining:
        worker_drain(w, w.snapshot.header.drain_ms if w.snapshot.header != NULL else 0)
    if not w.is_draining:
        return
    ngy_store64(&w.row.worker.state, STATE_DRAINING)
    if w.sessions.n_taken and w.now_ms >= w.drain_until_ms:
        cut_all(w, REASON_DRAIN_DEADLINE)
    if w.sessions.n_taken == 0:
        channel_tell(w, MSG_DRAINED, w.n_cut, 0)
        w.is_over = 1


cdef int wait_ms(worker_t* w) noexcept nogil:
    cdef uint32_t most = TURN_MAX_WAIT_MS
    if w.ready.n or w.sweep_at != NO_INDEX:
        return 0
    if w.is_draining and w.drain_until_ms < w.now_ms + most:
        most = <uint32_t>(w.drain_until_ms - w.now_ms) if w.drain_until_ms > w.now_ms else 0
    return <int>wheel_wait_ms(&w.wheel, w.now_ms, most)


cdef void worker_run(worker_t* w) noexcept nogil:
    cdef epoll_event events[EVENTS_PER_TURN]
    cdef int n, i
    while not w.is_over:
        n = poller_wait(w.poller_fd, events, EVENTS_PER_TURN, wait_ms(w))
        w.now_ms = clock_ms()
        for i in range(n):
            take_event(w, &events[i])
        resume_ready(w)
        expire(w)
        sweep_step(w)
        drain_step(w)
        stats_turn(w)
    listeners_drop(w)
    cut_all(w, REASON_STOPPED)
    stats_turn(w)
