# Responses of our own: small, and always the whole of it.
from libc.stdint cimport uint32_t, uint8_t
from nginy._fast.engine.exchanges cimport exchange_t
from nginy._fast.engine.types cimport session_t, worker_t

# Answer the request at hand with the status that belongs to `why` (own_t), which is counted. The session goes on with the next
# request, or lingers; its back leg and its lease are given back.
cdef void own_respond(worker_t* w, session_t* s, uint32_t why) noexcept nogil

# The parts of it: whether the client's connection serves on; text, a number in digits, a status with its phrase, and where
# they end; bytes that the client takes now (< 0: the session has ended); the message of n bytes in the carrier's scratch.
cdef bint own_is_kept(const worker_t* w, exchange_t* x) noexcept nogil
cdef uint8_t* own_put(uint8_t* to, const char* text) noexcept nogil
cdef uint8_t* own_put_number(uint8_t* to, uint32_t number) noexcept nogil
cdef uint8_t* own_put_status(uint8_t* to, uint32_t status) noexcept nogil
cdef ssize_t own_pass(worker_t* w, session_t* s, const uint8_t* from_, uint32_t n) noexcept nogil
cdef void own_send(worker_t* w, session_t* s, uint32_t why, uint32_t n, bint is_kept) noexcept nogil

# own_t for a session's reason_t, and for a parser's http_refusal_t.
cdef uint32_t own_of_reason(uint32_t reason) noexcept nogil
cdef uint32_t own_of_refusal(uint32_t refusal) noexcept nogil

# Give back what neither leg will take any more: the rest of a request, the beginning of a response's head.
cdef void exchange_clear(worker_t* w, session_t* s) noexcept nogil

# The request is answered in full: wait for the next one, or end the connection.
cdef void exchange_next(worker_t* w, session_t* s) noexcept nogil
