# The two return rules and the only enum of each kind of ending.
#   I/O calls return >= 0, or -errno.   Choosers return >= 0, or -reason_t.

cdef enum:                      # reason_t: how a session ended; exactly one per session
    REASON_CLOSED = 0           # both sides ended cleanly
    REASON_FRONT_RESET = 1      # the client reset or vanished
    REASON_BACK_RESET = 2       # the backend reset or vanished
    REASON_IDLE = 3             # no byte for timeouts.idle
    REASON_HALF_CLOSE_TIMEOUT = 4   # one side had ended; no byte for timeouts.half_close
    REASON_CONNECT_FAILED = 5   # every candidate refused
    REASON_CONNECT_TIMEOUT = 6  # the last candidate did not answer within timeouts.connect
    REASON_NO_BACKEND = 7       # nobody usable in the pool
    REASON_BACKENDS_FULL = 8    # all usable ones at max_conns
    REASON_SESSION_LIMIT = 9    # limits.sessions of the listener
    REASON_SLAB_FULL = 10       # the worker's own bound
    REASON_NO_DESCRIPTOR = 11   # no descriptor or memory for the back leg
    REASON_NO_PORT = 12         # no source port left towards the backend
    REASON_CLIENT_GONE = 13     # the client left before a backend was connected
    REASON_BACKEND_DOWN = 14    # health.on_down: reset
    REASON_DRAIN_DEADLINE = 15  # cut when the drain time was over
    REASON_STOPPED = 16         # cut by an immediate stop
    REASON_WORKER_DIED = 17     # counted by control for a dead worker
    REASON_EVICTED = 18         # UDP: the oldest flow without an answer made room for a new one
    REASON_BACKEND_REMOVED = 19  # UDP: its backend is no longer in the pool
    REASON_PREREAD_TIMEOUT = 20     # the first bytes that were asked for did not come in time
    REASON_NO_ROUTE = 21        # no route for the server name that was asked for
    REASON_BODY_TOO_LARGE = 22  # HTTP: limits.body was exceeded after the response had begun
    REASON_HANDSHAKE_FAILED = 23    # TLS: counted by kind beside it
    REASON_HANDSHAKE_TIMEOUT = 24
    REASON_REQUEST_TIMEOUT = 25     # HTTP: timeouts.request was over after the response had begun
    REASON_COUNT = 26

cdef enum:                      # outcome_t: how one attempt ended
    OUTCOME_CONNECTED = 0
    OUTCOME_REFUSED = 1
    OUTCOME_TIMEOUT = 2
    OUTCOME_UNREACHABLE = 3
    OUTCOME_RESET = 4
    OUTCOME_LOCAL_ERROR = 5     # our own shortage: descriptors, memory, source ports
    OUTCOME_SELF_CONNECT = 6    # the kernel joined the socket to itself
    OUTCOME_ABANDONED = 7       # the client left, or a stop came, before it was known
    OUTCOME_COUNT = 8

cdef enum:                      # own_t: why a response is the proxy's own
    OWN_BAD_REQUEST = 0         # 400: it can be read in two ways, or in none
    OWN_NO_ROUTE = 1            # 404
    OWN_METHOD_REFUSED = 2      # 405: CONNECT
    OWN_HEAD_TIMEOUT = 3        # 408: the head did not come in time
    OWN_HEAD_TOO_LONG = 4       # 431
    OWN_BACK_RESET = 5          # 502: the backend's connection ended before its response began
    OWN_BAD_RESPONSE = 6        # 502: it can be read in two ways, or in none
    OWN_CONNECT_FAILED = 7      # 502
    OWN_NO_BACKEND = 8          # 503: nobody usable in the pool
    OWN_BACKENDS_FULL = 9       # 503: all usable ones at max_conns
    OWN_NO_DESCRIPTOR = 10      # 503
    OWN_NO_PORT = 11            # 503
    OWN_NO_BUFFER = 12          # 503: all buffers are lent
    OWN_CONNECT_TIMEOUT = 13    # 504
    OWN_RESPONSE_TIMEOUT = 14   # 504
    OWN_BAD_VERSION = 15        # 505: neither HTTP/1.0 nor HTTP/1.1
    OWN_UNCLEAR_PATH = 16       # 400: servers read the path differently, and it matters for its route
    OWN_RESPONDED = 17          # a route says so, as the next one
    OWN_REDIRECTED = 18
    OWN_TARGET_TOO_LONG = 19    # 414: limits.target
    OWN_BODY_TOO_LARGE = 20     # 413: limits.body
    OWN_REQUEST_RATE = 21       # 429: limits.request_rate
    OWN_BODY_TIMEOUT = 22       # 408: the client was silent in the middle of a body
    OWN_REQUEST_TIMEOUT = 23    # 504: timeouts.request
    OWN_COUNT = 24

cdef enum:                      # drop_t: why a datagram was not passed on
    DROP_TABLE_FULL = 0         # no room for a flow, and every flow there is has been answered
    DROP_SESSION_LIMIT = 1      # limits.sessions of the listener
    DROP_NO_BACKEND = 2
    DROP_BACKENDS_FULL = 3
    DROP_NO_DESCRIPTOR = 4      # or memory
    DROP_NO_PORT = 5            # no source port left towards the backend
    DROP_REFUSED = 6            # every candidate's port is closed (ICMP)
    DROP_SOURCE_FLOWS = 7       # limits.flows_per_source
    DROP_SOURCE_RATE = 8        # limits.flow_rate_per_source
    DROP_FLOW_RATE = 9          # limits.flow_rate
    DROP_DATAGRAM_RATE = 10     # limits.datagram_rate
    DROP_BANDWIDTH = 11         # limits.bandwidth
    DROP_SEND_FULL = 12         # the socket took nothing, twice (EAGAIN)
    DROP_SEND_NOBUFS = 13       # the kernel had no memory for it (ENOBUFS)
    DROP_SEND_ERROR = 14        # too large for the way, not permitted, no route
    DROP_UNEXPECTED = 15        # an answer that nobody waits for
    DROP_PROXY_HEADER = 16      # a trusted sender's PROXY header that cannot be read
    DROP_LOOP = 17              # it came from one of our own upstream sockets
    DROP_TRUNCATED = 18         # longer than a datagram can be
    DROP_DRAINING = 19          # a new flow on a listener that is being drained
    DROP_COUNT = 20

cdef enum:                      # miss_t: why a policy's fallback chose in its place
    MISS_LATE = 0               # no answer within the deadline
    MISS_RAISED = 1             # it raised
    MISS_NONE = 2               # it offered no backend
    MISS_WRONG = 3              # it named something that is no backend of the pool
    MISS_UNUSABLE = 4           # it named a backend that is down, drained, full, or was tried before
    MISS_DEAD = 5               # no policy process is there
    MISS_NO_ROOM = 6            # too many questions wait already, or there is no room for their datagrams
    MISS_COUNT = 7

cdef enum:                      # refusal_t: why a snapshot was not adopted
    REFUSAL_NONE = 0
    REFUSAL_MAP = 1
    REFUSAL_SEAL = 2
    REFUSAL_HEADER = 3
    REFUSAL_CHECKSUM = 4
    REFUSAL_BOUNDS = 5
    REFUSAL_LIBRARY = 6         # OpenSSL is not there, or does not take it
