# The times of an exchange: its client's silence, its backend's, and all of it together.
from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.engine.exchanges cimport exchange_t
from nginy._fast.engine.types cimport session_t, worker_t

# When the next of them may be over; past, when one may be by now.
cdef uint64_t times_due(const worker_t* w, const session_t* s, const exchange_t* x) noexcept nogil

# The longest that it may be left alone from now on.
cdef uint64_t times_wait(const worker_t* w, const session_t* s, const exchange_t* x) noexcept nogil

# Which of them is over: 1 + own_t; 0 = none.
cdef uint32_t times_over(const worker_t* w, const session_t* s, const exchange_t* x) noexcept nogil

# Whether all of its time is over.
cdef bint times_late(const worker_t* w, const exchange_t* x) noexcept nogil
