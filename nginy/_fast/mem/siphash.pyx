"""Siphash: two rounds for each word of eight bytes, four at the end."""

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

cdef struct words_t:
    uint64_t a
    uint64_t b
    uint64_t c
    uint64_t d


cdef inline uint64_t turned(uint64_t x, int n_bits) noexcept nogil:
    return x << n_bits | x >> (64 - n_bits)


cdef inline void rounds(words_t* v, int n) noexcept nogil:
    cdef int _i
    for _i in range(n):
        v.a += v.b
        v.b = turned(v.b, 13) ^ v.a
        v.a = turned(v.a, 32)
        v.c += v.d
        v.d = turned(v.d, 16) ^ v.c
        v.a += v.d
        v.d = turned(v.d, 21) ^ v.a
        v.c += v.b
        v.b = turned(v.b, 17) ^ v.c
        v.c = turned(v.c, 32)


cdef uint64_t siphash(const uint64_t* key, const uint8_t* p, uint64_t n_bytes) noexcept nogil:
    cdef words_t v
    cdef uint64_t word
    cdef uint64_t last = n_bytes << 56
    v.a = key[0] ^ <uint64_t>0x736f6d6570736575
    v.b = key[1] ^ <uint64_t>0x646f72616e646f6d
    v.c = key[0] ^ <uint64_t>0x6c7967656e657261
    v.d = key[1] ^ <uint64_t>0x7465646279746573
    while n_bytes >= 8:
        memcpy(&word, p, 8)
        v.d ^= word
        rounds(&v, 2)
        v.a ^= word
        p += 8
        n_bytes -= 8
    word = 0
    memcpy(&word, p, n_bytes)
    last |= word
    v.d ^= last
    rounds(&v, 2)
    v.a ^= last
    v.c ^= 0xff
    rounds(&v, 4)
    return v.a ^ v.b ^ v.c ^ v.d
