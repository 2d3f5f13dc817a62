# Hashes and the worker's random numbers. Unkeyed: equal on every worker and machine, not for tables an attacker can fill.
from libc.stdint cimport uint8_t, uint64_t

# Mix 64 bits so that each input bit reaches each output bit. Source: the finaliser of splitmix64 (Steele et al., OOPSLA 2014).
cdef inline uint64_t hash_mix(uint64_t x) noexcept nogil:
    x ^= x >> 30
    x *= <uint64_t>0xbf58476d1ce4e5b9
    x ^= x >> 27
    x *= <uint64_t>0x94d049bb133111eb
    x ^= x >> 31
    return x

# Hash n_bytes from p. Reads exactly n_bytes.
cdef uint64_t hash_bytes(const uint8_t* p, uint64_t n_bytes, uint64_t seed) noexcept nogil

# Next number of a splitmix64 sequence; *state is the caller's own.
cdef inline uint64_t random_next(uint64_t* state) noexcept nogil:
    state[0] += <uint64_t>0x9e3779b97f4a7c15
    return hash_mix(state[0])
