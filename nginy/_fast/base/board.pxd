# What workers tell control by shared memory: the board, and the atomics that all share. LAYOUT_VERSION changes with any field.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from nginy._fast.base.letter cimport pool_row_t
from nginy._fast.base.limits cimport ACCESS_RECORDS, MAX_BACKENDS, MAX_LISTENERS, MAX_POOLS, REQUEST_RING_BYTES
from nginy._fast.base.tls cimport tls_row_t
from nginy._fast.base.status cimport DROP_COUNT, OUTCOME_COUNT, OWN_COUNT, REASON_COUNT

cdef enum:
    BOARD_MAGIC = 0x4e475942
    CONNECT_BUCKETS = 14        # upper bounds in policy order, then one for the rest
    TURN_BUCKETS = 14           # 8 us, doubling to 65.536 ms, then one for the rest
    SPAN_BUCKETS = 16           # of requests: 0.5 ms to 60 s, then one for the rest

cdef enum:                      # turn_stage_t: what a loop turn is made of
    STAGE_EVENTS = 0            # accept, connect, relay
    STAGE_CONTROL = 1           # a message: a new generation, sockets, drain
    STAGE_READY = 2             # sessions whose budget had ended
    STAGE_TIMERS = 3
    STAGE_UPKEEP = 4            # sweep, drain, giving memory back
    STAGE_COUNT = 5

# ---- a header, shared atomics, then one region per slot, the departed one and control's baseline ----

cdef struct board_header_t:
    uint32_t magic
    uint32_t version
    uint32_t slots
    uint32_t reserved

cdef struct worker_row_t:       # one writer: the worker (control zeroes it after its death)
    uint64_t seq                # odd while being written
    uint64_t pid
    uint64_t state
    uint64_t adopted_gen
    uint64_t turns
    uint64_t turn_ms            # monotonic ms of the last turn
    uint64_t accepted
    uint64_t ended
    uint64_t live               # the slab's own count
    uint64_t leases
    uint64_t stale_events
    uint64_t accept_paused
    uint64_t access_dropped
    uint64_t buffers_used
    uint64_t buffers_max
    uint64_t timers_live
    uint64_t sessions_max
    uint64_t rejected           # snapshots
    uint64_t unbuffered         # moves made without a buffer, because all were lent
    uint64_t n_backend_rows     # ids below it may have been counted; the rest of the region is untouched memory
    uint64_t pipes_lent
    uint64_t pipes_open
    uint64_t pipes_max
    uint64_t pipes_refused      # times the kernel gave no pipe of full size
    uint64_t spliced_bytes      # delivered without being copied
    uint64_t spins              # polls that did not wait because work was expected
    uint64_t turn_us_sum        # time from the end of a wait to the end of its turn
    uint64_t turn_hist[TURN_BUCKETS + 1]
    uint64_t slow_turns[STAGE_COUNT]    # turns over 10 ms, by the stage that took longest
    uint64_t n_http_pools       # pool ids below it may have requests counted; the other rows are untouched memory

cdef struct listener_row_t:     # 256 bytes
    uint64_t seq
    uint64_t accepted
    uint64_t live
    uint64_t bytes_in
    uint64_t bytes_out
    uint64_t reasons[REASON_COUNT]
    uint64_t reserved[27 - REASON_COUNT]

cdef struct backend_row_t:      # 256 bytes
    uint64_t seq
    uint64_t sessions
    uint64_t live               # leases held
    uint64_t bytes_in
    uint64_t bytes_out
    uint64_t connect_us_sum
    uint64_t outcomes[OUTCOME_COUNT]
    uint64_t connect_hist[CONNECT_BUCKETS + 1]
    uint64_t reserved[26 - OUTCOME_COUNT - CONNECT_BUCKETS - 1]

cdef struct udp_row_t:          # 256 bytes; one per listener, zero for TCP
    uint64_t seq
    uint64_t from_clients       # datagrams received
    uint64_t to_backends
    uint64_t from_backends
    uint64_t to_clients
    uint64_t receives           # system calls, so that the size of batches shows
    uint64_t sends
    uint64_t assured            # flows that a backend has answered, now
    uint64_t kernel_drops       # datagrams that found a receive queue full: SO_RXQ_OVFL; upstream, of flows with much to say
    uint64_t drops[DROP_COUNT]
    uint64_t reserved[23 - DROP_COUNT]

cdef struct http_row_t:         # 512 bytes; one per listener, zero for others
    uint64_t seq
    uint64_t requests           # whole heads that were understood
    uint64_t responses[5]       # of backends, by the first digit of their status
    uint64_t own[OWN_COUNT]     # responses of our own, by reason
    uint64_t retried            # requests sent once more
    uint64_t reused             # requests on a connection that had served before
    uint64_t rates_forgotten    # clients whose rate was forgotten to make room for another one's
    uint64_t reserved[54 - OWN_COUNT]

cdef struct http_pool_row_t:    # 512 bytes; one per pool, zero for one that no request was sent to
    uint64_t seq
    uint64_t responses[5]       # that began towards clients, by the first digit of their status; our own ones among them
    uint64_t own                # our own ones
    uint64_t unanswered         # requests that ended before a response began: the client left, or we stopped
    uint64_t cut                # responses that ended before all of them was passed on
    uint64_t retried            # attempts after the first one
    uint64_t reused             # responses on a connection that had served before
    uint64_t bytes_in           # of exchanges that have ended, heads included
    uint64_t bytes_out
    uint64_t first_us_sum       # from a request's whole head to the beginning of its response
    uint64_t total_us_sum       # to the end of it
    uint64_t first_hist[SPAN_BUCKETS + 1]
    uint64_t total_hist[SPAN_BUCKETS + 1]
    uint64_t sticky_kept        # responses by the backend that the client's cookie names
    uint64_t sticky_moved       # responses by another one than it names
    uint64_t sticky_set         # responses with a cookie of ours
    uint64_t sticky_forged      # requests with a cookie that nobody with the secret has made
    uint64_t loads_refused      # responses whose load is no number
    uint64_t reserved[10]

cdef struct access_record_t:    # 80 bytes
    uint64_t end_wall_ms
    uint64_t bytes_in
    uint64_t bytes_out
    uint64_t duration_ms
    uint32_t connect_us
    uint32_t listener
    uint32_t backend            # NO_INDEX when none was reached
    uint8_t client_ip[16]       # IPv4 in the first four bytes
    uint16_t client_port        # host order
    uint8_t client_family       # 4, 6, or 0 for a unix socket
    uint8_t reason
    uint8_t attempts
    uint8_t reserved[7]

cdef enum:                      # request_text_t: what a request's record says in words, one after the other
    TEXT_METHOD = 0
    TEXT_HOST = 1
    TEXT_TARGET = 2             # as it came
    TEXT_AGENT = 3
    TEXT_REFERER = 4
    TEXT_COUNT = 5

cdef enum:                      # bytes of each that are kept; with the record less than DRAFT_BYTES
    METHOD_MOST = 32
    HOST_MOST = 255
    TARGET_MOST = 1024
    AGENT_MOST = 256
    REFERER_MOST = 256

cdef struct request_record_t:   # 128 bytes, its texts behind it
    uint32_t n_bytes            # texts included, a multiple of eight; 0 in the ring: the next one is at its beginning
    uint32_t listener
    uint64_t end_wall_ms
    uint64_t bytes_in           # of the request's body, sent on
    uint64_t bytes_out          # of the response's
    uint64_t duration_us        # from the request's whole head on
    uint64_t first_us           # from there to the beginning of the response; -1 without one
    uint64_t id[2]              # of the request, the first digits first
    uint32_t connect_us         # 0: on a connection that had served before, or on none
    uint32_t backend            # NO_INDEX when none was tried
    uint32_t pool               # NO_INDEX when none was found
    uint32_t route              # as declared; NO_INDEX for none
    uint16_t status             # 0 without a response
    uint16_t client_port        # host order
    uint8_t own                 # own_t + 1; 0 = the backend's response, or none
    uint8_t reason              # reason_t: closed when the response was passed on in full
    uint8_t attempts
    uint8_t client_family       # 4, 6, or 0 for a unix socket
    uint8_t client_ip[16]       # IPv4 in the first four bytes
    uint8_t minor               # of the version
    uint8_t is_reused
    uint8_t cuts                # 1 << request_text_t: of texts that were longer
    uint8_t reserved
    uint16_t n_texts[TEXT_COUNT]
    uint16_t reserved_too[3]

cdef struct request_ring_t:     # single producer (worker), single consumer (control); bytes, free-running
    uint64_t tail
    uint64_t pad_tail[7]
    uint64_t head
    uint64_t pad_head[7]
    uint8_t bytes[REQUEST_RING_BYTES]

cdef struct access_ring_t:      # single producer (worker), single consumer (control)
    uint64_t tail               # records pushed
    uint64_t pad_tail[7]
    uint64_t head               # records read
    uint64_t pad_head[7]
    access_record_t records[ACCESS_RECORDS]

cdef struct board_region_t:
    worker_row_t worker
    uint64_t pad[464]           # the worker row owns its page
    listener_row_t listeners[MAX_LISTENERS]
    backend_row_t backends[MAX_BACKENDS + 1]
    udp_row_t udp[MAX_LISTENERS]
    http_row_t http[MAX_LISTENERS]
    pool_row_t pools[MAX_POOLS]
    tls_row_t tls[MAX_LISTENERS]
    access_ring_t access
    http_pool_row_t http_pools[MAX_POOLS]
    request_ring_t requests

cdef struct board_shared_t:     # process-wide atomics, one per capped object
    uint32_t in_flight[MAX_BACKENDS + 1]
    uint32_t sessions[MAX_LISTENERS]
    uint32_t load_ms[MAX_BACKENDS + 1]      # as reported, averaged; written by control
