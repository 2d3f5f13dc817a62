# Rules for heads: what filters of a listener and a route change in requests and responses.
from libc.stdint cimport uint8_t, uint32_t
from nginy._fast.engine.exchanges cimport exchange_t
from nginy._fast.engine.rewriting cimport rewriting_t
from nginy._fast.engine.types cimport session_t, worker_t
from nginy._fast.wire.http1 cimport head_t

# What the rules of an exchange that has some (x.rules) change in a request read at p, or in a response of its backend. Their
# texts stay in the snapshot: written before the next event, or not at all.
cdef void rules_request(
    worker_t* w, const session_t* s, const exchange_t* x, const uint8_t* p, const head_t* head, rewriting_t* r
) noexcept nogil
cdef void rules_response(worker_t* w, const session_t* s, const exchange_t* x, rewriting_t* r) noexcept nogil

# What they add to a response of our own, each line with its CR LF: where it ends, HEAD_GROWTH bytes on at most. is_page: it is
# one of `own`, which has a type and an id of the request already.
cdef uint8_t* rules_put(worker_t* w, const session_t* s, const exchange_t* x, uint8_t* to, bint is_page) noexcept nogil
