# What ties a DNS answer to its question (RFC 1035, section 4.1; RFC 5452, section 9.1): the id and the question itself.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

# A hash of the one question of a message, names compared without case; never 0. 0: it has none, or cannot be read.
cdef uint64_t dns_question(const uint8_t* p, uint32_t n_bytes, uint16_t* id) noexcept nogil

# Whether a datagram is a response (the QR bit).
cdef bint dns_is_response(const uint8_t* p, uint32_t n_bytes) noexcept nogil
