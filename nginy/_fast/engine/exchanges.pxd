# What a worker keeps for HTTP. An exchange is one request and its response; an exchange_t lies beside each session, same
# index, and begins anew with every request. A link is a connection to a backend; it outlives exchanges and sessions.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from nginy._fast.base.limits cimport COOKIES_BYTES
from nginy._fast.mem.buffers cimport buffers_t
from nginy._fast.mem.pace cimport pace_t
from nginy._fast.mem.slab cimport slab_t
from nginy._fast.mem.wheel cimport wheel_node_t
from nginy._fast.wire.chunk cimport chunk_t
from nginy._fast.wire.http1 cimport head_t

cdef enum:                      # exchange_phase_t
    PHASE_HEAD = 0              # waiting for a request, or for the rest of its head
    PHASE_BACKEND = 1           # a backend is chosen and connected
    PHASE_SENT = 2              # the request goes out, nothing has come back
    PHASE_RESPONSE = 3          # the response's head is passed on
    PHASE_OWN = 5               # a response of our own goes out of the snapshot, as the client takes it
    PHASE_LINGER = 4            # all is said; what the client still sends is thrown away, so that no reset eats the response

cdef enum:                      # exchange_flag_t
    EXCHANGE_KEPT = 1           # the client's connection serves on
    EXCHANGE_LINK_KEPT = 2      # the backend's connection serves on
    EXCHANGE_REPEATABLE = 4     # idempotent, and all of it is still in the head buffer
    EXCHANGE_REUSED = 8         # on a link that had served before
    EXCHANGE_AGAIN = 16         # that link failed: a fresh one is to be taken
    EXCHANGE_OLD = 32           # the client speaks HTTP/1.0: no chunks
    EXCHANGE_UPGRADE = 64       # the client asks for another protocol
    EXCHANGE_LAST = 128         # the client said that it sends no other request
    EXCHANGE_MADE = 256         # its route makes another path of the request's
    EXCHANGE_COUNTED = 512      # its pool counts it
    EXCHANGE_EXPECTS = 1024     # the client waits for leave to send its body (Expect: 100-continue)
    EXCHANGE_HEED = 2048        # its pool has sticky cookies, or hears of load in responses

cdef struct body_t:             # of a message, as far as it is not yet received
    uint64_t left               # BODY_LENGTH
    chunk_t chunk               # BODY_CHUNKED
    uint8_t kind                # http_body_t
    uint8_t is_done

cdef struct exchange_t:
    uint32_t head               # borrowed head buffer: what the client sent; NO_BUFFER = nothing
    uint16_t head_at            # the request begins here
    uint16_t head_end
    uint16_t n_head             # of the request's head; 0 = not known yet
    uint16_t body_at            # first byte in the head buffer that was not passed on
    uint16_t n_seen             # of an incomplete head
    uint16_t flags              # exchange_flag_t
    uint32_t part               # borrowed head buffer: the beginning of a response's head; NO_BUFFER = nothing
    uint16_t n_part
    uint8_t phase               # exchange_phase_t
    uint8_t method              # http_method_t
    uint32_t link               # NO_INDEX = none
    uint32_t n_requests         # on this connection
    uint64_t begin_us           # of the request: its head is complete
    uint64_t deadline_ms        # of the head; then of all of it, 0 = none
    uint64_t site_sum           # checksum of the block of routes that `route` is of; 0 = the listener has a pool alone
    uint32_t route              # index
    uint32_t n_matched          # bytes of the path that the route's own path stands for
    uint32_t n_own              # PHASE_OWN: bytes of the message that were sent
    uint32_t rules              # id of what its route changes in heads (policy/site); 0 = nothing
    body_t body[2]              # [FRONT] of the request, [BACK] of the response
    uint16_t status             # of the response that leaves; 0 = none yet
    uint16_t reserved_too
    uint32_t named              # EXCHANGE_HEED: the backend that a sticky cookie names, plus one; 0 = none
    uint32_t record             # borrowed draft of what the access log says of it, its index + 1; 0 = none
    uint64_t request_id[2]      # 128 bits, the first digits first

cdef struct link_t:
    wheel_node_t node           # first; the fields that every timer has follow
    uint32_t timer_kind         # timer_kind_t
    uint32_t idx
    int fd                      # owned while at rest, else the session's back leg's
    uint32_t gen                # an event with another one is stale
    uint32_t session            # index; NO_INDEX = at rest
    uint32_t backend
    uint32_t next               # at rest: of the same backend, the one before it
    uint32_t prev
    uint32_t flags              # leg_flag_t that outlive an exchange
    uint32_t idle_ms            # how long it may rest
    uint64_t since_ms           # at rest since
    uint64_t born_ms

cdef struct rests_t:            # of one backend; the last one put to rest comes first
    uint32_t first              # index + 1; 0 = none
    uint32_t n

cdef struct http_t:
    exchange_t* exchanges       # owned; one per session
    uint64_t n_bytes            # of them
    rests_t* rests              # owned; by backend
    slab_t links                # link_t
    buffers_t heads             # of HEAD_BYTES
    slab_t drafts               # request_record_t and texts, of exchanges under way
    uint32_t n_resting
    uint32_t whose              # session whose request's head is in `request`; NO_INDEX = nobody's
    head_t request
    head_t response
    pace_t pace                 # of clients whose listener has a rate
    uint64_t secret[2]          # of their hashes
    uint32_t is_crowded         # not all news of this turn may be known yet: links are looked at before they are taken
    uint32_t wait_s             # of the request refused last: when it may come again
    uint8_t cookies[COOKIES_BYTES]      # of the head that is written just now
