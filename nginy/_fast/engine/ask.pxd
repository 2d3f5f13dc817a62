# Asking a policy in Python: the question goes into the mailbox, the worker goes on. Whoever asks names its kind of visit
# (a session, or a flow of a listener) and keeps the ticket; an answer finds it by that ticket and by nothing else.
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from nginy._fast.base.layout cimport snap_pool_t
from nginy._fast.engine.mail cimport asked_t
from nginy._fast.engine.types cimport worker_t
from nginy._fast.policy.key cimport visit_t

cdef struct asking_t:           # who asks, for which attempt
    const snap_pool_t* pool
    const visit_t* visit
    uint32_t idx                # session, or flow
    uint32_t udp                # listener id of the flow, or NO_UDP
    uint32_t attempt            # 0, 1, ...
    uint64_t visit_ticket       # of the visit's first question, 0 = this is the first

# The question's ticket, or 0: nobody can be asked, which is counted, and the pool's fallback chooses.
cdef uint64_t ask_post(worker_t* w, const asking_t* a) noexcept nogil

# The question with this ticket is settled, whatever answer is still to come.
cdef void ask_settle(worker_t* w, asked_t* asked) noexcept nogil
cdef asked_t* asked_of(worker_t* w, uint64_t ticket) noexcept nogil

# Nobody waits for it any longer: the fallback chooses, and why is counted.
cdef void ask_cancel(worker_t* w, uint64_t ticket, uint32_t miss) noexcept nogil

# Its visit is over: nobody chooses any more, and that is counted.
cdef void ask_abandon(worker_t* w, uint64_t ticket) noexcept nogil

# A question that is not even posted: there is no room for what would have to wait.
cdef void ask_refused(worker_t* w, uint32_t pool) noexcept nogil

# Why the fallback chooses (miss_t).
cdef void ask_missed(worker_t* w, uint32_t pool, uint32_t miss) noexcept nogil

# A backend of this pool that the policy named, its lease taken: its position in the snapshot, or -1 - miss_t.
cdef int answer_lease(worker_t* w, uint32_t pool, uint32_t backend, const uint16_t* tried, uint32_t n_tried) noexcept nogil

# Wake the policy process, if it sleeps, for all that was posted in this turn.
cdef void ask_ring(worker_t* w) noexcept nogil

# What became of a backend: kind is release_kind_t, code an outcome_t or reason_t. Dropped and counted without room.
cdef struct ended_t:
    uint64_t visit
    uint64_t bytes_in
    uint64_t bytes_out
    uint64_t session_ms
    uint32_t connect_us
    uint32_t pool
    uint32_t backend
    uint32_t kind
    uint32_t code
    bint is_own
    bint is_last

# A visit that another pool goes on with: nothing to say but that it is over.
cdef void ended_begin(ended_t* e, uint64_t visit, uint32_t pool) noexcept nogil

cdef void ask_release(worker_t* w, const ended_t* e) noexcept nogil
