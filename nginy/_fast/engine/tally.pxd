# What requests come to, pool by pool: how they were answered, and how long it took.
from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.engine.exchanges cimport exchange_t
from nginy._fast.engine.types cimport session_t, worker_t

# Upper bound of a bucket of times, in microseconds; at < SPAN_BUCKETS.
cdef uint64_t span_bound_us(uint32_t at) noexcept nogil

# The request goes to the session's pool, which counts it from now on.
cdef void tally_begin(worker_t* w, const session_t* s, exchange_t* x) noexcept nogil

# The head of its response is about to leave; of a final one, or of one that changes the protocol. is_own: it is our own.
cdef void tally_answer(worker_t* w, const session_t* s, exchange_t* x, uint32_t status, bint is_own) noexcept nogil

# It is over, once: the next call finds nothing. is_whole: its response was passed on in full.
cdef void tally_end(worker_t* w, const session_t* s, exchange_t* x, bint is_whole) noexcept nogil
