# What a worker keeps for UDP. One udp_t per UDP listener; flow_t lies beside the flow's entry in the table, same index.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from nginy._fast.base.layout cimport snap_listener_t
from nginy._fast.base.limits cimport DATAGRAM_BATCH, EVENTS_PER_TURN, MAX_TRIED
from nginy._fast.mem.flowtable cimport flow_key_t, flowtable_t
from nginy._fast.mem.slab cimport slab_t
from nginy._fast.mem.wheel cimport wheel_node_t
from nginy._fast.net.dgram cimport arrival_t, batch_t
from nginy._fast.policy.key cimport key_t, visit_t
from nginy._fast.wire.proxy2 cimport proxied_t

cdef enum:                      # flow_flag_t
    FLOW_LIVE = 1               # counted as a session
    FLOW_LEASED = 2
    FLOW_ANSWERED = 4
    FLOW_PLAIN = 8              # the way to its backend takes no runs (UDP_SEGMENT)
    FLOW_PLAIN_BACK = 16        # nor does the way to its client
    FLOW_HEADED = 32            # the PROXY header of its first datagram is sent
    FLOW_UNCHECKED = 64         # its request could not be read: any answer may be one, its socket serves nobody else
    FLOW_ASKING = 256           # a policy in Python is asked for its backend; its datagrams are held
    FLOW_OWN = 512              # that policy named its backend, not its fallback
    FLOW_KEYED = 1024           # the pool asked has said what its key is, or has missed to
    FLOW_BULK = 128             # many answers at once: its socket has a larger queue, and what that dropped is counted

cdef struct flow_t:
    int fd                      # owned; connected to the backend; -1 = none
    uint32_t fd_gen             # of the socket; an event with another one is stale
    uint32_t sock               # socket id that answers leave by
    uint32_t backend            # id
    uint32_t flags              # flow_flag_t
    uint32_t batch              # the batch that chains its datagrams now
    uint16_t first              # of them
    uint16_t last
    uint32_t n_requests         # datagrams from the client
    uint32_t n_responses
    uint32_t source             # entry of its client among the sources, FLOW_NONE = not counted
    uint32_t binding            # entry of its key among the bindings, FLOW_NONE = none
    uint32_t binding_hash
    uint32_t scope              # of a link-local client address (IPv6)
    uint16_t asked              # id of the pool that was asked last; says nothing before FLOW_ASKING, FLOW_KEYED or a visit
    uint16_t reserved_too
    uint64_t bytes[2]           # delivered: [FRONT] from the client, [BACK] from the backend
    uint64_t start_ms
    uint64_t attempt_us
    uint64_t key_hash           # of what the choice went by; 0 = it went by none yet
    uint64_t question           # DNS: hash of the question that waits for an answer
    uint16_t dns_id
    uint16_t back_port          # source port towards the backend, host order
    uint16_t client_port        # host order
    uint8_t client_family       # 4 or 6
    uint8_t n_tried
    uint8_t client_ip[16]       # whom it is for: of the PROXY header, if one came
    uint8_t back_ip[16]         # source address towards the backend, IPv4 mapped
    uint16_t tried[MAX_TRIED]
    uint32_t answer_us          # to the first answer
    uint32_t last_turn          # of the last answer
    uint8_t quota               # answers taken at the last event
    uint8_t n_learned           # keys bound since it was opened
    uint8_t n_held              # datagrams in its buffer
    uint8_t reserved
    uint32_t held               # buffer of what waits while it asks, NO_BUFFER = none
    uint32_t held_bytes
    uint64_t ticket             # of the question that waits
    uint64_t visit              # ticket of the first question; 0 = no policy in Python was asked

cdef struct meter_t:            # a token bucket (RFC 2697, one rate): a thousandth of a unit each
    uint64_t level
    uint64_t at_ms

cdef struct source_t:           # beside a client address's entry
    uint32_t n_flows
    uint32_t reserved
    meter_t meter

cdef struct binding_t:          # beside a key's entry
    uint32_t backend            # id
    uint32_t reserved

cdef struct resting_t:          # an upstream socket between two flows
    int fd                      # owned
    uint32_t gen
    uint32_t backend            # id
    uint32_t next               # of the same backend, plus 1; 0 = last
    uint64_t since_ms
    uint8_t back_ip[16]
    uint16_t back_port
    uint8_t reserved[6]

cdef struct rest_t:             # the resting sockets of one backend
    uint32_t first              # plus 1; 0 = none
    uint32_t n

cdef struct newcomer_t:         # whom a flow is opened for
    const flow_key_t* key
    uint64_t hash
    key_t what                  # the session's key; its address stands in when it is empty
    visit_t visit               # who sends it
    uint16_t dns_id
    uint16_t reserved
    uint64_t question           # DNS: 0 = not one that an answer could be held against
    uint32_t scope
    uint32_t sock               # socket id

cdef struct datagram_t:         # one of a batch
    uint8_t* at
    uint32_t n_bytes
    uint32_t segment            # of a run, else 0
    uint16_t n                  # datagrams in it
    uint16_t next               # of the same flow; DATAGRAM_BATCH = last
    uint32_t scope              # of a link-local sender (IPv6)

cdef struct udp_t:
    wheel_node_t timer          # first; in timer_t's place
    uint32_t timer_kind
    uint32_t id                 # listener id
    uint8_t is_open
    uint8_t is_leaving          # its listener is gone or drains: no new flows
    uint8_t has_bindings
    uint8_t has_sources
    uint8_t is_keyed            # bindings are asked: its key is not the client's address and port
    uint8_t is_transparent
    uint8_t is_behind           # silent flows wait to be ended
    uint8_t is_headed           # backends get PROXY headers
    uint32_t n_live             # flows that count as sessions
    uint64_t cut_ms             # deadline when leaving; 0 = none
    snap_listener_t conf        # a copy: flows may outlive the generation that named it
    flowtable_t flows
    flowtable_t bindings
    flowtable_t sources
    slab_t resting              # resting_t; cap 0 = sockets are not used again
    rest_t* rests               # owned; by backend id; NULL = sockets are not used again
    uint32_t sweep_at           # next flow of a running sweep; NO_INDEX = none
    meter_t flow_meter
    meter_t datagram_meter
    meter_t byte_meter

cdef struct udp_work_t:         # of the batch under way; one per worker
    batch_t inward              # from clients
    batch_t outward             # answers, before they leave
    int out_fd                  # the listener's socket that outward is for; -1 = none
    uint32_t out_udp            # listener id
    uint32_t out_flows[DATAGRAM_BATCH]  # flow of each message in outward
    uint8_t out_runs[DATAGRAM_BATCH]    # whether it is a run
    uint32_t number             # of the batch
    uint32_t is_changed         # flows have come, gone or lost their key since the batch was looked up
    uint32_t n_touched
    uint32_t touched[DATAGRAM_BATCH]    # flows with datagrams in this batch, in order
    datagram_t datagrams[DATAGRAM_BATCH]
    arrival_t arrivals[DATAGRAM_BATCH]
    proxied_t proxied[DATAGRAM_BATCH]
    flow_key_t keys[DATAGRAM_BATCH]
    uint64_t hashes[DATAGRAM_BATCH]
    uint32_t found[DATAGRAM_BATCH]
    uint32_t n_pending          # sockets with datagrams, served after everything else
    uint32_t pending[EVENTS_PER_TURN]
