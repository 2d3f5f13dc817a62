# The right to count as in flight on a backend. The shared atomic is process-wide truth; the row is this worker's share.
from nginy._fast.engine.types cimport session_t, worker_t

# Take one on s.backend. False when the backend is at max_conns (another worker was faster).
cdef bint lease_take(worker_t* w, session_t* s, unsigned int max_conns) noexcept nogil
cdef void lease_drop(worker_t* w, session_t* s) noexcept nogil
