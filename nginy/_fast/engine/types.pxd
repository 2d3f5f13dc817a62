# The engine's structs. A worker is one thread that owns everything reachable from worker_t; nothing here is shared but
# the board, where each row has one writer.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from nginy._fast.base.layout cimport (
    access_ring_t, backend_row_t, board_region_t, board_shared_t, listener_row_t, worker_row_t,
)
from nginy._fast.base.limits cimport MAX_TRIED
from nginy._fast.mem.buffers cimport buffers_t
from nginy._fast.mem.slab cimport slab_t
from nginy._fast.mem.wheel cimport wheel_node_t, wheel_t
from nginy._fast.policy.choose cimport chooser_t
from nginy._fast.policy.snapshot cimport snapshot_t

cdef enum:                      # session_state_t
    SESS_FREE = 0
    SESS_CONNECT = 1            # waiting for a backend; bytes looked at before the choice wait in the front leg's buffer
    SESS_RELAY = 2

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

cdef enum:                      # queue_mark_t
    QUEUE_NONE = 0
    QUEUE_READY = 1             # has work, its budget was used up

cdef enum:                      # timer_kind_t
    TIMER_SESSION = 1
    TIMER_LISTENER = 2

cdef struct leg_t:
    int fd                      # owned; -1 = none
    uint32_t flags              # leg_flag_t
    uint32_t buffer             # borrowed from the worker; bytes received here, not yet sent to the other leg; NO_BUFFER
    uint32_t head               # first byte not yet sent
    uint32_t tail               # end of the bytes; head < tail while a buffer is held

cdef struct timer_t:            # first in its owner, so that a node leads back to it
    wheel_node_t node
    uint32_t kind               # timer_kind_t
    uint32_t idx                # slab index, or socket id

cdef struct session_t:
    timer_t timer
    session_t* queue_next       # ready queue
    session_t* queue_prev
    leg_t legs[2]
    uint64_t bytes[2]           # delivered: [FRONT] from the client, [BACK] from the backend
    uint64_t active_ms          # last byte moved
    uint64_t start_ms
    uint64_t attempt_us         # start of the running attempt
    uint64_t queue_until_ms     # the backend's listen queue is full (unix): tried again until then; 0 = not waiting
    uint64_t cut_ms             # deadline of its listener's drain; 0 = none
    uint32_t gen                # of the slot; an event with another one is stale
    uint32_t idle_ms
    uint32_t half_close_ms
    uint32_t connect_ms
    uint32_t drain_ms           # 0 = its listener sets no deadline
    uint32_t keepalive_s        # 0 = off, or already set
    uint32_t connect_us
    uint32_t listener           # id
    uint32_t pool               # id
    uint32_t backend            # id, NO_INDEX before the first choice
    uint16_t tried[MAX_TRIED]
    uint8_t n_tried
    uint8_t retries
    uint8_t state               # session_state_t
    uint8_t queue               # queue_mark_t
    uint8_t is_half_close
    uint8_t has_lease
    uint8_t client_family       # 4, 6, 0 = unix
    uint8_t reserved
    uint16_t client_port
    uint8_t client_ip[16]

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
    uint8_t reserved

cdef struct worker_t:
    int poller_fd
    int channel_fd              # -1 = control is lost
    int rejoin_fd               # -1 = none
    int board_fd
    int snapshot_fd             # of the adopted generation, handed to a control that rejoins
    uint32_t slot
    uint64_t serve_mask         # further slots this one stands in for
    uint64_t now_ms             # read once per turn
    snapshot_t snapshot
    slab_t sessions             # session_t
    buffers_t buffers
    uint8_t* scratch            # owned; BUFFER_BYTES, never holds anything between two steps
    wheel_t wheel
    chooser_t chooser
    queue_t ready
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
    uint8_t reserved
    uint16_t port_min           # source ports the kernel picks: only there a socket can meet itself
    uint16_t port_max
    uint64_t drain_until_ms
    uint64_t n_cut
