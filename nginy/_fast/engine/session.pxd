# A session's life: one way in, one way out. Everything it holds is released in session_close and nowhere else.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from nginy._fast.base.cdefs cimport sockaddr_storage
from nginy._fast.base.layout cimport snap_listener_t
from nginy._fast.engine.types cimport BACK, queue_t, session_side_t, session_t, worker_t

cdef enum:                      # tag_kind_t
    TAG_SESSION = 0
    TAG_LISTENER = 1
    TAG_CHANNEL = 2
    TAG_REJOIN = 3
    TAG_FLOW = 4                # index: listener id in the upper 10 bits, entry of its table below
    TAG_MAILBOX = 6
    TAG_RESTING = 5             # an upstream socket that serves no flow now; index the same
    TAG_LINK = 7                # HTTP: a connection to a backend, whoever uses it

# Poller tag: kind in the top byte, side below, 24 bits of generation, 32 of index.
cdef inline uint64_t tag_make(uint32_t kind, uint32_t side, uint32_t gen, uint32_t idx) noexcept nogil:
    return <uint64_t>kind << 57 | <uint64_t>side << 56 | <uint64_t>(gen & 0xffffff) << 32 | idx

# A leg's generation: the session's, and the attempt it belongs to, so that a late event of an earlier attempt is stale.
cdef inline uint32_t tag_gen(const session_t* s, int side) noexcept nogil:
    return (s.gen & 0xfffff) | (<uint32_t>(s.n_tried if side == BACK else 0) << 20)

# Take over an accepted descriptor. NULL: the slab is full, the descriptor is still the caller's.
cdef session_t* session_open(worker_t* w, const snap_listener_t* listener, int fd, const sockaddr_storage* addr) noexcept nogil

# The session a tag means, or NULL when that one has ended.
cdef session_t* session_of_tag(worker_t* w, uint64_t tag) noexcept nogil

# The only end. Only REASON_CLOSED ends with FIN; any other shows both peers a reset. Idempotent.
cdef void session_close(worker_t* w, session_t* s, uint32_t reason) noexcept nogil

# Tell a policy in Python what became of the backend that the session has a lease on (release_kind_t, outcome_t or
# reason_t). Nothing where none was asked.
cdef void session_release(worker_t* w, const session_t* s, uint32_t kind, uint32_t code, bint is_last) noexcept nogil

# A fresh cold part with the address and port of a client as numbers; family 4, 6 or 0.
cdef void client_of(session_side_t* side, const sockaddr_storage* addr) noexcept nogil

# Close one leg and give back its buffer; the descriptor leaves the poller with it.
cdef void leg_close(worker_t* w, session_t* s, int side, bint is_reset) noexcept nogil

# Queues of sessions; each is in at most one.
cdef void queue_push(queue_t* q, session_t* s, uint8_t mark) noexcept nogil
cdef void session_unqueue(worker_t* w, session_t* s) noexcept nogil
