# Bodies: moved as they come, held against the length or the chunks that their head promised.
from libc.stdint cimport uint8_t, uint32_t
from nginy._fast.base.limits cimport BULK_LEAST
from nginy._fast.engine.exchanges cimport body_t, exchange_t
from nginy._fast.engine.types cimport session_t, worker_t
from nginy._fast.wire.http1 cimport BODY_LENGTH, head_t

cdef void body_begin(body_t* b, const head_t* head) noexcept nogil

# Is what is left of it known to be bulk?
cdef inline bint body_is_bulk(const body_t* b) noexcept nogil:
    return b.kind == BODY_LENGTH and b.left >= BULK_LEAST

# n bytes were received. How many of them are the body's, or -http_refusal_t; what goes on is left at p, *n_out bytes.
# Chunks are rewritten where they lie; is_bare: without chunks, for HTTP/1.0.
cdef int body_pass(body_t* b, uint8_t* p, uint32_t n, bint is_bare, uint32_t* n_out) noexcept nogil

cdef enum:
    BODY_WAITS = 1              # no buffer is free: the session's timer looks again, and nothing was received

# Receive from this side and send on, once. 0, BODY_WAITS, or -http_refusal_t. What follows the message stays in the head buffer
# (FRONT), or spoils the link (BACK).
cdef int body_move(worker_t* w, session_t* s, exchange_t* x, int side) noexcept nogil
