# A hash with a key: whoever does not know the key can neither foretell nor make a value. Source: Aumasson and Bernstein,
# SipHash: a fast short-input PRF (INDOCRYPT 2012); SipHash-2-4 with 64 bits.
from libc.stdint cimport uint8_t, uint64_t

# key: two words, the first eight bytes of it lowest byte first.
cdef uint64_t siphash(const uint64_t* key, const uint8_t* p, uint64_t n_bytes) noexcept nogil
