# What is changed in heads that pass.
from libc.stdint cimport uint8_t
from nginy._fast.engine.exchanges cimport exchange_t
from nginy._fast.engine.types cimport session_t, worker_t
from nginy._fast.policy.text cimport TEXT_BYTES
from nginy._fast.wire.http1 cimport head_t
from nginy._fast.wire.http1write cimport rewrite_t

cdef enum:
    REQUEST_ID_BYTES = 32

cdef struct rewriting_t:        # and the texts that it needs
    rewrite_t how
    uint8_t client[TEXT_BYTES]
    uint8_t request_id[REQUEST_ID_BYTES]

# p: where the head was read.
cdef void rewrite_request(
    worker_t* w, const session_t* s, const uint8_t* p, const head_t* head, rewriting_t* r
) noexcept nogil
cdef void rewrite_response(const worker_t* w, const exchange_t* x, const head_t* head, rewriting_t* r) noexcept nogil
