# Responses of backends: their head read, held against the request, and written as we understood it.
from nginy._fast.engine.exchanges cimport exchange_t
from nginy._fast.engine.types cimport session_t, worker_t

# Something can be read from the backend, and the client takes bytes: one receive. False: the session is no longer in this
# exchange.
cdef bint response_read(worker_t* w, session_t* s, exchange_t* x) noexcept nogil
