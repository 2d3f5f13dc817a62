# The engine's structs. A worker is one thread that owns everything reachable from worker_t; nothing here is shared but
# the board, where each row has one writer.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from nginy._fast.base.board cimport (
    access_ring_t, backend_row_t, board_region_t, board_shared_t, listener_row_t, worker_row_t,
)
from nginy._fast.base.limits cimport FLOW_TICK_SHIFT, MAX_TRIED
from nginy._fast.engine.exchanges cimport http_t
from nginy._fast.engine.flows cimport udp_t, udp_work_t
from nginy._fast.engine.mail cimport mail_t
from nginy._fast.engine.secrets cimport tls_t
from nginy._fast.mem.buffers cimport NO_BUFFER, buffers_t
from nginy._fast.mem.slab cimport slab_side, slab_t
from nginy._fast.mem.wheel cimport wheel_node_t, wheel_t
from nginy._fast.policy.choose cimport chooser_t
from nginy._fast.policy.snapshot cimport snapshot_t
from nginy._fast.wire.tlshello cimport tlshello_t

cdef enum:                      # session_state_t
    SESS_FREE = 0
    SESS_CONNECT = 1            # waiting for a backend
    SESS_RELAY = 2
    SESS_PREREAD = 3            # waiting for the first bytes, which stay in the kernel
    SESS_ASK = 4                # a class in Python is asked for a backend, or for a key
    SESS_HEAD = 5               # HTTP: between exchanges
    SESS_EXCHANGE = 6           # HTTP: a request and its response pass
    SESS_HANDSHAKE = 7          # TLS, before all others

cdef enum:
    NO_POOL = 0xffff            # not known yet

cdef enum:                      # side_t
    FRONT = 0
    BACK = 1

cdef enum:                      # leg_flag_t
    LEG_READABLE = 1            # a receive may find bytes
    LEG_WRITABLE = 2            # a send may take bytes
    LEG_EAGER = 4               # the peer finished or urgent data came: only EAGAIN or 0 ends reading
    LEG_EOF = 8                 # received the end
    LEG_FINISHED = 16           # sent the end
    LEG_BROKEN = 32             # reset or vanished; what it had sent is still passed on
    LEG_LAST = 64               # the peer's FIN is here (TCP): a short receive is the last one
    LEG_COPY = 128              # never spliced: a unix socket, or urgent data was seen
    LEG_PIPE = 256              # its bytes wait in a pipe
    LEG_LARGE = 512             # its bytes wait in a large buffer
    LEG_FRESH = 1024            # nothing sent yet (back leg), Nagle's algorithm is on: a first small send never waits
    LEG_NAGLE = 2048            # one send went out with it on; the next one turns it off
    LEG_QUIET = 4096            # the handshake's acknowledgement waits for the first bytes
    LEG_ASKED = 8192            # front leg: a policy in Python was asked for a backend, and is told how it ended
    LEG_OWN = 16384             # front leg: that policy named the backend, not its fallback
    LEG_KEYED = 32768           # front leg: in place of the ticket lies the hash of the key that the pool asked has for it
    LEG_HTTP = 65536            # front leg: an exchange_t belongs to the session
    LEG_BULK = 131072           # back leg: its last response was bulk, so that of the next one little is copied with the head
    LEG_TLS = 262144            # a secure_t belongs to the leg; with LEG_COPY, as nothing can be spliced
    LEG_CROSSED = 524288        # TLS: a receive waits for room to send

cdef enum:                      # queue_mark_t
    QUEUE_NONE = 0
    QUEUE_READY = 1             # has work, its budget was used up

cdef enum:                      # timer_kind_t
    TIMER_SESSION = 1
    TIMER_LISTENER = 2
    TIMER_FLOWS = 3             # of a UDP listener: its node is the udp_t's first field
    TIMER_LINK = 4              # its node is the link_t's first field

cdef struct leg_t:
    int fd                      # owned; -1 = none
    uint32_t flags              # leg_flag_t
    uint32_t buffer             # borrowed: a buffer or a pipe with bytes received here that the other leg did not take
    uint32_t head               # first byte not yet sent
    uint32_t tail               # end of the bytes; head < tail while something is held

cdef struct timer_t:
    wheel_node_t node           # first, so that a node leads back to it
    uint32_t kind               # timer_kind_t
    uint32_t idx                # slab index, or socket id

# Three cache lines: what an event needs, what moved bytes need, what begins and ends a session.
cdef struct session_t:
    uint32_t gen                # of the slot; an event with another one is stale
    uint8_t state               # session_state_t
    uint8_t queue               # queue_mark_t
    uint8_t is_half_close
    uint8_t is_splice
    leg_t legs[2]
    uint8_t n_full[2]           # full receives in a row, at most FULL_READS
    uint8_t has_lease
    uint8_t n_tried
    uint32_t listener           # id
    uint32_t backend            # id, NO_INDEX before the first choice
    uint32_t idle_ms
    uint64_t bytes[2]           # delivered: [FRONT] from the client, [BACK] from the backend
    uint64_t active_ms          # last byte moved
    session_t* queue_next       # ready queue
    session_t* queue_prev
    uint64_t cut_ms             # deadline of its listener's drain; 0 = none
    uint32_t half_close_ms
    uint32_t keepalive_s        # 0 = off, or already set
    uint32_t drain_ms           # 0 = its listener sets no deadline
    uint16_t pool               # id, NO_POOL
    uint16_t asked              # id of the one asked last, this or a member: with SESS_ASK, LEG_ASKED, LEG_KEYED
    timer_t timer
    uint64_t start_ms
    uint64_t attempt_us         # start of the running attempt; then, for least_time, of the wait for the first answer
    uint64_t queue_until_ms     # the backend's listen queue is full (unix): tried again until then; 0 = not waiting
    uint32_t connect_ms
    uint32_t connect_us

cdef struct session_side_t:     # the cold part, beside the slab: choosing and the access record
    uint16_t tried[MAX_TRIED]
    uint8_t client_ip[16]
    uint16_t client_port
    uint8_t client_family       # 4, 6, 0 = unix
    uint8_t retries
    uint8_t is_deferred
    uint8_t preread             # preread_kind_t
    uint16_t preread_bytes
    uint64_t ticket             # SESS_ASK: of the question that waits; LEG_KEYED: the key's hash
    uint64_t visit              # ticket of the first question; 0 = no policy in Python was asked

# What carries bytes from leg to leg. A spare is always at hand, so that bytes which go straight on borrow nothing.
cdef struct carrier_t:
    buffers_t buffers           # of BUFFER_BYTES
    buffers_t large             # of LARGE_BYTES, for bulk that cannot be spliced
    slab_t pipes                # pipe_t, opened when first needed
    uint32_t spare              # taken from buffers, large, pipes; NO_BUFFER = none at hand
    uint32_t spare_large
    uint32_t spare_pipe
    uint32_t pipes_open
    uint32_t pipes_peak         # most lent since the last upkeep
    uint32_t reserved
    uint64_t pipes_retry_ms     # the kernel refused one: no further try before
    uint8_t* scratch            # owned; BUFFER_BYTES, never holds anything between two steps

cdef struct seen_t:             # of the session that was looked at last
    session_t* whose            # still right for it; NULL = nobody's
    uint32_t n_bytes            # in the carrier's scratch
    bint is_enough              # nothing more is waited for
    tlshello_t hello

cdef struct spin_t:             # polling again before waiting
    uint32_t n_skip             # waits to go before it is tried again
    uint32_t penalty            # waits to skip after the next failure; doubles with each

cdef struct upkeep_t:           # one step per turn, a new round each second
    uint64_t due_ms
    uint32_t n_sessions         # chunks to give back in this round
    uint32_t n_buffers
    uint32_t n_large
    uint32_t n_heads
    uint32_t n_links
    uint32_t n_drafts

cdef struct turn_t:             # where a turn's time goes
    uint64_t begin_us
    uint64_t mark_us
    uint64_t worst_us
    uint32_t worst_stage        # turn_stage_t
    uint32_t reserved

cdef struct queue_t:
    session_t* head
    session_t* tail
    uint32_t n

cdef struct listener_t:         # a listening socket that this worker holds; index = socket id
    timer_t timer
    int fd                      # owned; 0 = none held (0 is never a socket here)
    uint32_t id                 # listener id
    uint32_t slot
    uint8_t is_served           # registered with the poller
    uint8_t is_paused
    uint8_t is_listed           # in the generation being adopted
    uint8_t quota               # clients expected at the next event
    uint64_t last_turn          # of the last event
    uint8_t is_udp
    uint8_t is_wildcard         # UDP: bound to all addresses
    uint8_t is_pending          # UDP: has datagrams, served at the end of the turn
    uint8_t reserved
    uint16_t family
    uint16_t port               # UDP: host order
    uint8_t ip[16]              # UDP: bound address, IPv4 in the first four bytes
    uint32_t overflow           # UDP: datagrams the kernel has dropped, as last told

cdef struct worker_t:
    int poller_fd
    int channel_fd              # -1 = control is lost
    int rejoin_fd               # -1 = none
    int board_fd
    int snapshot_fd             # of the adopted generation, handed to a control that rejoins
    int kept_fd                 # owned; never looked at, handed over with it; -1 = none
    uint32_t slot
    uint64_t serve_mask         # further slots this one stands in for
    uint64_t now_ms             # read once per turn
    uint64_t now_us             # the same instant
    spin_t spin
    turn_t turn
    upkeep_t upkeep
    snapshot_t snapshot
    slab_t sessions             # session_t, session_side_t beside it
    carrier_t carrier
    seen_t seen
    wheel_t wheel
    chooser_t chooser
    mail_t mail
    http_t http
    tls_t tls
    queue_t ready
    udp_t* udps                 # owned; MAX_LISTENERS, by listener id; NULL until a UDP listener comes
    udp_work_t* udp_work        # owned; NULL until then
    uint64_t* port_flow         # owned; by source port of ours: listener id and flow of the socket that has it, plus 1
    uint32_t n_udps             # highest UDP listener id + 1
    uint32_t n_flows            # live, of all UDP listeners
    uint32_t flows_max          # that descriptors and source ports allow
    uint8_t udp_is_sweeping     # a sweep through flows is under way
    uint8_t udp_is_behind       # silent flows wait to be ended
    uint8_t udp_is_leaving      # a UDP listener is gone or drains
    listener_t* sockets         # owned; MAX_SOCKETS
    uint32_t n_sockets          # highest id held + 1
    board_region_t* row         # mapped
    board_shared_t* shared      # mapped
    void* board_base
    uint64_t board_bytes
    uint64_t n_leases
    uint32_t sweep_at           # next slab slot of a running sweep; NO_INDEX = none
    uint8_t is_draining
    uint8_t is_over             # leave the loop
    uint8_t is_ready_told
    uint8_t is_spin
    uint8_t is_process          # of its own
    uint16_t port_min           # source ports the kernel picks: only there a socket can meet itself
    uint16_t port_max
    uint64_t drain_until_ms
    uint64_t n_cut

cdef inline session_side_t* session_side(const worker_t* w, const session_t* s) noexcept nogil:
    return <session_side_t*>slab_side(&w.sessions, s.timer.idx)

cdef inline session_t* session_of_timer(timer_t* timer) noexcept nogil:
    return <session_t*>(<uint8_t*>timer - <size_t>&(<session_t*>NULL).timer)

# The clock of flow tables.
cdef inline uint32_t now_tick(const worker_t* w) noexcept nogil:
    return <uint32_t>(w.now_ms >> FLOW_TICK_SHIFT)

# Buffers that legs hold, and pipes.
cdef inline uint64_t carrier_lent(const carrier_t* c) noexcept nogil:
    return (
        <uint64_t>c.buffers.blocks.n_taken + c.large.blocks.n_taken - (c.spare != NO_BUFFER) - (c.spare_large != NO_BUFFER)
    )

cdef inline uint64_t carrier_pipes_lent(const carrier_t* c) noexcept nogil:
    return <uint64_t>c.pipes.n_taken - (c.spare_pipe != NO_BUFFER)
