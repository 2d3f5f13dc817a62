# What sticky cookies change in heads that go on.
from libc.stdint cimport uint8_t
from nginy._fast.engine.exchanges cimport exchange_t
from nginy._fast.engine.types cimport session_t, worker_t
from nginy._fast.wire.http1 cimport head_t
from nginy._fast.wire.http1write cimport rewrite_t

# Cookies of ours are taken out of a request that goes on.
cdef void cookies_request(worker_t* w, const session_t* s, const uint8_t* p, const head_t* head, rewrite_t* r) noexcept nogil

# A response that goes on: its backend is named, and what it says of its load is heard. Fields may be taken out of the head.
cdef void cookies_response(
    worker_t* w, const session_t* s, const exchange_t* x, const uint8_t* p, head_t* head, rewrite_t* r
) noexcept nogil
