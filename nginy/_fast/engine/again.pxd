# Another attempt at a request: whether it may be made, and how.
from nginy._fast.engine.exchanges cimport exchange_t
from nginy._fast.engine.types cimport session_t, worker_t

# The first send of a request was refused, so nothing of it has left: any method may be sent once more.
cdef void again_unsent(worker_t* w, session_t* s, exchange_t* x) noexcept nogil

# The backend's connection ended before the response did: another attempt, a response of our own, or a cut connection.
cdef void again_lost(worker_t* w, session_t* s, exchange_t* x) noexcept nogil
