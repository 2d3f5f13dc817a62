# What is left of a small message of our own that a client has not taken yet.
from libc.stdint cimport uint32_t
from nginy._fast.engine.exchanges cimport exchange_t
from nginy._fast.engine.types cimport session_t, worker_t

# Keep bytes n_sent to n of the carrier's scratch: they go out as the client takes them (PHASE_OWN), within
# timeouts.response without progress. Where no head buffer is left for them the connection is reset.
cdef void remainder_keep(worker_t* w, session_t* s, exchange_t* x, uint32_t n_sent, uint32_t n) noexcept nogil

# Go on.
cdef void remainder_run(worker_t* w, session_t* s, exchange_t* x) noexcept nogil
