# MD5 (RFC 1321). For ketama rings only: libketama places its points with it. Not for secrets.
from libc.stdint cimport uint8_t, uint32_t

# The digest of n_bytes at p, as four words, the lowest byte of each first.
cdef void md5_digest(const uint8_t* p, uint32_t n_bytes, uint32_t* words) noexcept nogil
