"""Worker: wait, take events, resume, expire, tell. Nothing in a turn is unbounded."""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset
from nginy._fast.base.cdefs cimport (
    EINVAL, ENOMEM, SIGHUP, SIGINT, SIGPIPE, SIGTERM, SIG_BLOCK, SIG_IGN, SIG_SETMASK, c_getpid, c_pthread_sigmask,
    c_sigaction, c_sigaddset, c_sigemptyset, epoll_event, ngy_store64, sigaction_t, sigset_t,
)
from nginy._fast.base.board cimport (
    BOARD_MAGIC, STAGE_CONTROL, STAGE_EVENTS, STAGE_READY, STAGE_TIMERS, STAGE_UPKEEP, board_header_t,
)
from nginy._fast.base.layout cimport LAYOUT_VERSION, NO_INDEX
from nginy._fast.base.limits cimport (
    EVENTS_PER_TURN, MAX_SOCKETS, QUEUE_PER_TURN, SPIN_PENALTY_MAX, SPIN_US, TURN_MAX_WAIT_MS,
)
from nginy._fast.base.status cimport REASON_STOPPED
from nginy._fast.engine.answers cimport mail_change, mail_close, mail_expire, mail_is_due, mail_take
from nginy._fast.engine.ask cimport ask_ring
from nginy._fast.engine.carrier cimport carrier_close, carrier_open
from nginy._fast.engine.certs cimport tls_shut
from nginy._fast.engine.channel cimport channel_event, rejoin_event
from nginy._fast.engine.connect cimport connect_event, connect_timer
from nginy._fast.engine.exchange cimport exchange_event, exchange_run, exchange_timer
from nginy._fast.engine.exchanges cimport link_t
from nginy._fast.engine.handshake cimport handshake_event, handshake_timer
from nginy._fast.engine.link cimport http_close, http_open, link_event, link_timer, links_first
from nginy._fast.engine.listener cimport listener_event, listener_timer, listeners_drop
from nginy._fast.engine.preread cimport preread_event, preread_timer
from nginy._fast.engine.relay cimport leg_note, relay_run, relay_timer
from nginy._fast.engine.request cimport request_event, request_run, request_timer
from nginy._fast.engine.session cimport (
    TAG_CHANNEL, TAG_FLOW, TAG_LINK, TAG_LISTENER, TAG_MAILBOX, TAG_REJOIN, TAG_RESTING, TAG_SESSION, session_of_tag,
    session_unqueue, tag_make,
)
from nginy._fast.engine.stats cimport board_bytes, board_region, board_shared, count, stats_turn, turn_begin, turn_mark
from nginy._fast.engine.types cimport (
    BACK, FRONT, SESS_EXCHANGE, SESS_HANDSHAKE, SESS_HEAD, SESS_PREREAD, SESS_RELAY, TIMER_FLOWS, TIMER_LINK,
    TIMER_LISTENER, listener_t,
    session_of_timer, session_side_t, session_t, timer_t, worker_t,
)
from nginy._fast.engine.datagram cimport datagrams_serve
from nginy._fast.engine.flows cimport udp_t
from nginy._fast.engine.udp cimport udp_catch_up, udp_close, udp_event, udp_timer
from nginy._fast.engine.upkeep cimport cut_all, upkeep_is_due, upkeep_is_pending, upkeep_step, worker_on_term
from nginy._fast.mem.clock cimport clock_us
from nginy._fast.mem.region cimport region_close, region_map, region_open
from nginy._fast.mem.slab cimport slab_close, slab_open
from nginy._fast.mem.wheel cimport wheel_advance, wheel_is_due, wheel_node_t, wheel_open, wheel_take_due, wheel_wait_ms
from nginy._fast.net.poller cimport poller_add_source, poller_bits, poller_open, poller_wait
from nginy._fast.net.sock cimport sock_close
from nginy._fast.policy.choose cimport chooser_close, chooser_open
from nginy._fast.policy.snapshot cimport snapshot_close

cdef enum:
    STATE_RUNNING = 1
    SESSIONS_SHIFT = 9          # chunks of 512: whole pages of both parts

cdef void worker_take_signals() noexcept nogil:
    cdef sigaction_t act
    memset(&act, 0, sizeof(act))
    act.sa_handler = worker_on_term
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
    if w.sockets == NULL:
        return -ENOMEM
    status = slab_open(&w.sessions, sizeof(session_t), sizeof(session_side_t), o.sessions_max, SESSIONS_SHIFT)
    if status == 0:
        status = carrier_open(&w.carrier, o.buffers_bytes, o.pipes_max)
    if status == 0:
        status = http_open(w, o.sessions_max, o.buffers_bytes // 2)
    if status == 0:
        status = chooser_open(&w.chooser, w.shared.in_flight, w.shared.load_ms, o.seed, o.slot)
    if status == 0:
        status = poller_add_source(w.poller_fd, w.channel_fd, tag_make(TAG_CHANNEL, 0, 0, 0), False)
    return status


cdef int worker_open(worker_t* w, const worker_options_t* options) noexcept nogil:
    cdef int status
    memset(w, 0, sizeof(worker_t))
    w.poller_fd = -1
    w.snapshot_fd = -1
    w.kept_fd = -1
    w.mail.question_bell = w.mail.answer_bell = w.mail.next[0] = -1
    w.channel_fd = options.channel_fd
    w.board_fd = options.board_fd
    w.rejoin_fd = options.rejoin_fd
    w.slot = options.slot
    w.http.secret[0], w.http.secret[1] = options.secret[0], options.secret[1]
    w.port_min = options.port_min
    w.port_max = options.port_max
    w.is_spin = options.is_spin
    w.is_process = options.is_process
    w.flows_max = options.flows_max
    w.sweep_at = NO_INDEX
    turn_begin(w)
    wheel_open(&w.wheel, w.now_ms)
    status = worker_try_open(w, options)
    if status < 0:
        worker_close(w)
        return status
    ngy_store64(&w.row.worker.pid, <uint64_t>c_getpid())
    ngy_store64(&w.row.worker.sessions_max, w.sessions.cap)
    ngy_store64(&w.row.worker.buffers_max, w.carrier.buffers.blocks.cap + w.carrier.large.blocks.cap)
    ngy_store64(&w.row.worker.pipes_max, w.carrier.pipes.cap)
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
    mail_close(w)
    udp_close(w)
    http_close(w)
    tls_shut(w)
    slab_close(&w.sessions)
    carrier_close(&w.carrier)
    chooser_close(&w.chooser)
    region_close(w.sockets, MAX_SOCKETS * sizeof(listener_t))
    region_close(w.board_base, w.board_bytes)
    w.sockets = NULL
    w.board_base = NULL
    w.row = NULL
    fd_close(&w.poller_fd)
    fd_close(&w.snapshot_fd)
    fd_close(&w.kept_fd)
    fd_close(&w.channel_fd)
    fd_close(&w.rejoin_fd)
    fd_close(&w.board_fd)


# ---- one turn ----

# Before bytes are relayed.
cdef void early_event(worker_t* w, session_t* s, int side, uint32_t bits) noexcept nogil:
    if s.state == SESS_HEAD:
        if side == FRONT:
            request_event(w, s, bits)
    elif s.state == SESS_PREREAD:
        preread_event(w, s, bits)
    elif s.state == SESS_HANDSHAKE:
        handshake_event(w, s, bits)
    else:
        connect_event(w, s, side, bits)


cdef inline void leg_event(worker_t* w, session_t* s, int side, uint32_t bits) noexcept nogil:
    if s.state == SESS_RELAY:
        leg_note(s, side, bits)
        relay_run(w, s)
    elif s.state == SESS_EXCHANGE:
        exchange_event(w, s, side, bits)
    else:
        early_event(w, s, side, bits)


cdef void early_timer(worker_t* w, session_t* s) noexcept nogil:
    if s.state == SESS_HEAD:
        request_timer(w, s)
    elif s.state == SESS_EXCHANGE:
        exchange_timer(w, s)
    elif s.state == SESS_PREREAD:
        preread_timer(w, s)
    elif s.state == SESS_HANDSHAKE:
        handshake_timer(w, s)
    else:
        connect_timer(w, s)


cdef void session_event(worker_t* w, const epoll_event* event) noexcept nogil:
    cdef session_t* s = session_of_tag(w, event.data.u64)
    cdef int side = <int>(event.data.u64 >> 56 & 1)
    if s != NULL:
        leg_event(w, s, side, poller_bits(event))


cdef void take_event(worker_t* w, const epoll_event* event) noexcept nogil:
    cdef uint32_t kind = <uint32_t>(event.data.u64 >> 57)
    cdef session_t* link_session
    if kind == TAG_SESSION:
        session_event(w, event)
    elif kind == TAG_LINK:
        link_session = link_event(w, event.data.u64, poller_bits(event))
        if link_session != NULL:
            leg_event(w, link_session, BACK, poller_bits(event))
    elif kind == TAG_LISTENER:
        listener_event(w, <uint32_t>event.data.u64)
    elif kind == TAG_FLOW or kind == TAG_RESTING:
        udp_event(w, event.data.u64, poller_bits(event))
    elif kind == TAG_MAILBOX:
        w.mail.is_behind = w.mail.box != NULL   # taken after the events, once a turn
    else:
        turn_mark(w, STAGE_EVENTS)
        if kind == TAG_CHANNEL:
            channel_event(w)
        elif kind == TAG_REJOIN:
            rejoin_event(w)
        turn_mark(w, STAGE_CONTROL)


cdef void resume_ready(worker_t* w) noexcept nogil:
    cdef uint32_t n = w.ready.n if w.ready.n < QUEUE_PER_TURN else QUEUE_PER_TURN
    cdef uint32_t _turn
    cdef session_t* s
    for _turn in range(n):
        s = w.ready.head
        if s == NULL:
            return
        session_unqueue(w, s)
        if s.state == SESS_RELAY:
            relay_run(w, s)
        elif s.state == SESS_EXCHANGE:
            exchange_run(w, s)
        elif s.state == SESS_HEAD:
            request_run(w, s)


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
        if timer.kind == TIMER_FLOWS:
            udp_timer(w, <udp_t*>timer)
            continue
        if timer.kind == TIMER_LINK:
            link_timer(w, <link_t*>timer)
            continue
        s = session_of_timer(timer)
        if s.state == SESS_RELAY:
            relay_timer(w, s)
        else:
            early_timer(w, s)


cdef int wait_ms(worker_t* w) noexcept nogil:
    cdef uint32_t most = TURN_MAX_WAIT_MS
    if w.ready.n or w.udp_is_behind or w.mail.is_behind or w.sweep_at != NO_INDEX or upkeep_is_pending(w):
        return 0
    if w.is_draining and w.drain_until_ms < w.now_ms + most:
        most = <uint32_t>(w.drain_until_ms - w.now_ms) if w.drain_until_ms > w.now_ms else 0
    if w.mail.n_asked and w.mail.due_ms < w.now_ms + most:
        most = <uint32_t>(w.mail.due_ms - w.now_ms) if w.mail.due_ms > w.now_ms else 0
    return <int>wheel_wait_ms(&w.wheel, w.now_ms, most)


# Poll again for a moment: on a lightly loaded connection the next event is nearer than sleeping and waking up would be.
# In vain, it is left out for one wait, then three, seven, and so on.
cdef int spin(worker_t* w, epoll_event* events) noexcept nogil:
    cdef uint64_t until_us
    cdef int n
    if w.spin.n_skip:
        w.spin.n_skip -= 1
        return 0
    until_us = w.turn.mark_us + SPIN_US
    while True:
        n = poller_wait(w.poller_fd, events, EVENTS_PER_TURN, 0)
        count(&w.row.worker.spins, 1)
        if n != 0:
            w.spin.penalty = 0
            return n
        if clock_us() >= until_us:
            break
    w.spin.penalty = min(w.spin.penalty * 2 + 1, <uint32_t>SPIN_PENALTY_MAX)
    w.spin.n_skip = w.spin.penalty
    return 0


cdef int wait_events(worker_t* w, epoll_event* events) noexcept nogil:
    cdef int timeout_ms = wait_ms(w)
    cdef int n = 0
    if w.is_spin and timeout_ms > 0:
        n = spin(w, events)
    return n if n != 0 else poller_wait(w.poller_fd, events, EVENTS_PER_TURN, timeout_ms)


# What a policy in Python is asked and has not answered yet.
cdef void mail_turn(worker_t* w) noexcept nogil:
    if w.mail.box == NULL:
        mail_change(w)
        turn_mark(w, STAGE_TIMERS)
        return
    if w.mail.is_behind:
        mail_take(w)
        turn_mark(w, STAGE_EVENTS)
    if mail_is_due(w):
        mail_expire(w)
        turn_mark(w, STAGE_TIMERS)


cdef void turn(worker_t* w, epoll_event* events, int n) noexcept nogil:
    cdef int i
    turn_begin(w)
    if w.http.n_resting:
        n = links_first(w, events, n)
    for i in range(n):
        take_event(w, &events[i])
    if w.n_udps:
        datagrams_serve(w)
    turn_mark(w, STAGE_EVENTS)
    if w.ready.n:
        resume_ready(w)
        turn_mark(w, STAGE_READY)
    if wheel_is_due(&w.wheel, w.now_ms):
        expire(w)
        turn_mark(w, STAGE_TIMERS)
    if w.udp_is_behind:
        udp_catch_up(w)
        turn_mark(w, STAGE_TIMERS)
    if w.mail.box != NULL or w.mail.n_asked:
        mail_turn(w)
    if upkeep_is_due(w):
        upkeep_step(w)
        turn_mark(w, STAGE_UPKEEP)
    if w.mail.is_posted:
        ask_ring(w)
    stats_turn(w)


# A host's thread may have SIGPIPE at its default, and splice(2) has no MSG_NOSIGNAL.
cdef void block_sigpipe(sigset_t* before) noexcept nogil:
    cdef sigset_t signals
    c_sigemptyset(&signals)
    c_sigaddset(&signals, SIGPIPE)
    c_pthread_sigmask(SIG_BLOCK, &signals, before)


cdef void worker_run(worker_t* w) noexcept nogil:
    cdef epoll_event events[EVENTS_PER_TURN]
    cdef sigset_t before
    block_sigpipe(&before)
    while not w.is_over:
        turn(w, events, wait_events(w, events))
    listeners_drop(w)
    cut_all(w, REASON_STOPPED)
    if w.mail.is_posted:
        ask_ring(w)
    stats_turn(w)
    c_pthread_sigmask(SIG_SETMASK, &before, NULL)
