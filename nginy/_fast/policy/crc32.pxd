# CRC-32 (IEEE 802.3, as in zip and nginx): begin with CRC32_BEGIN, add bytes, flip all bits at the end.
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    CRC32_BEGIN = 0xffffffff

# The state after n_bytes more.
cdef uint32_t crc32_add(uint32_t state, const uint8_t* p, uint64_t n_bytes) noexcept nogil

# The state after the four bytes of a word, lowest first.
cdef uint32_t crc32_add_word(uint32_t state, uint32_t word) noexcept nogil

# Of n_bytes at p, from begin to end.
cdef uint32_t crc32_of(const uint8_t* p, uint64_t n_bytes) noexcept nogil
