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
    REASON_COUNT = 18

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

cdef enum:                      # refusal_t: why a snapshot was not adopted
    REFUSAL_NONE = 0
    REFUSAL_MAP = 1
    REFUSAL_SEAL = 2
    REFUSAL_HEADER = 3
    REFUSAL_CHECKSUM = 4
    REFUSAL_BOUNDS = 5
