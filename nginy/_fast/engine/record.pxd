# Access records of HTTP: one for each request, with its texts. It is begun when the head is there, in a block that is lent
# for as long as the exchange lasts, and goes into the ring when that is over. Only where the access log is on.
from libc.stdint cimport uint32_t, uint8_t
from nginy._fast.base.board cimport board_region_t
from nginy._fast.engine.exchanges cimport exchange_t
from nginy._fast.engine.types cimport session_t, worker_t
from nginy._fast.wire.http1 cimport head_t

cdef inline bint is_logged(const worker_t* w) noexcept nogil:
    return w.snapshot.header != NULL and w.snapshot.header.is_access_log != 0

# A request whose head was read at p. head: NULL for one that could not be understood.
cdef void record_begin(worker_t* w, const session_t* s, exchange_t* x, const uint8_t* p, const head_t* head) noexcept nogil

# The route that it takes, as declared.
cdef void record_route(worker_t* w, const exchange_t* x, uint32_t number) noexcept nogil

# A head of n_head bytes is about to be sent on, for the first time or once more: what follows on that side is body.
cdef void record_request(worker_t* w, const session_t* s, const exchange_t* x, uint32_t n_head) noexcept nogil
cdef void record_response(worker_t* w, const session_t* s, const exchange_t* x, uint32_t n_head) noexcept nogil

# The response is our own (own_t): the message of n bytes at p.
cdef void record_own(worker_t* w, const session_t* s, exchange_t* x, uint32_t why, const uint8_t* p, uint32_t n) noexcept nogil

# It is over (reason_t), CLOSED when the response was passed on in full. The block is given back.
cdef void record_end(worker_t* w, const session_t* s, exchange_t* x, uint32_t reason) noexcept nogil
