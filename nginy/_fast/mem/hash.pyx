"""Hash of byte strings, eight bytes at a time."""

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy


cdef uint64_t hash_bytes(const uint8_t* p, uint64_t n_bytes, uint64_t seed) noexcept nogil:
    cdef uint64_t h = hash_mix(seed ^ (n_bytes * <uint64_t>0x9e3779b97f4a7c15))
    cdef uint64_t word
    while n_bytes >= 8:
        memcpy(&word, p, 8)
        h = hash_mix(h ^ word) * <uint64_t>0x9fb21c651e98df25
        p += 8
        n_bytes -= 8
    if n_bytes:
        word = 0
        memcpy(&word, p, n_bytes)
        h = hash_mix(h ^ word) * <uint64_t>0x9fb21c651e98df25
    return hash_mix(h)
