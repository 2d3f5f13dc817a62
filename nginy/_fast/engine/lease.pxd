# The right to count as in flight on a backend. The shared atomic is process-wide truth; the row is this worker's share.
from libc.stdint cimport uint32_t
from nginy._fast.engine.types cimport session_t, worker_t
from nginy._fast.policy.choose cimport attempt_t

# One on this backend. False when it is at max_conns (another worker was faster). The holder remembers that it has one.
cdef bint lease_begin(worker_t* w, uint32_t backend, uint32_t max_conns) noexcept nogil
cdef void lease_end(worker_t* w, uint32_t backend) noexcept nogil

# The next candidate, one lease on it taken. Position in the snapshot, or -reason.
cdef int lease_choose(worker_t* w, uint32_t pool, attempt_t* attempt) noexcept nogil

# Give back the one that a session has, if it has one.
cdef void lease_drop(worker_t* w, session_t* s) noexcept nogil
