# What is changed in heads that pass.
from libc.stdint cimport uint32_t, uint8_t
from nginy._fast.engine.exchanges cimport exchange_t
from nginy._fast.engine.types cimport session_t, worker_t
from nginy._fast.policy.text cimport TEXT_BYTES
from nginy._fast.wire.http1 cimport head_t
from nginy._fast.wire.http1write cimport rewrite_t

cdef enum:
    REQUEST_ID_BYTES = 32       # as digits
    BACKEND_BYTES = 112         # of an address as text: that of a unix socket is longest

cdef struct rewriting_t:        # and the texts that it needs
    rewrite_t how
    uint8_t client[TEXT_BYTES]
    uint8_t request_id[REQUEST_ID_BYTES]
    uint8_t backend[BACKEND_BYTES]

# Name a request, once: 128 random bits. And its name in hexadecimal digits; returns REQUEST_ID_BYTES.
cdef void request_id_make(worker_t* w, exchange_t* x) noexcept nogil
cdef uint32_t request_id_write(const exchange_t* x, uint8_t* to) noexcept nogil

# p: where the head was read.
cdef void rewrite_request(
    worker_t* w, const session_t* s, const uint8_t* p, const head_t* head, rewriting_t* r
) noexcept nogil
cdef void rewrite_response(
    worker_t* w, const session_t* s, const exchange_t* x, const head_t* head, rewriting_t* r
) noexcept nogil
