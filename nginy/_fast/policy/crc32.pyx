"""CRC-32, four bytes at a time by four tables (slicing by four, Kounavis and Berry, 2005)."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    POLYNOMIAL = 0xedb88320     # bits reversed

cdef uint32_t after[4][256]     # [n][byte]: what a byte makes of the state when n zero bytes follow it


cdef void fill() noexcept nogil:
    cdef uint32_t i, n, state, _bit
    for i in range(256):
        state = i
        for _bit in range(8):
            state = state >> 1 ^ (<uint32_t>POLYNOMIAL if state & 1 else 0)
        after[0][i] = state
    for n in range(1, 4):
        for i in range(256):
            after[n][i] = after[n - 1][i] >> 8 ^ after[0][after[n - 1][i] & 255]


cdef uint32_t crc32_add_word(uint32_t state, uint32_t word) noexcept nogil:
    state ^= word
    return after[3][state & 255] ^ after[2][state >> 8 & 255] ^ after[1][state >> 16 & 255] ^ after[0][state >> 24]


cdef uint32_t crc32_add(uint32_t state, const uint8_t* p, uint64_t n_bytes) noexcept nogil:
    cdef uint32_t word
    while n_bytes >= 4:
        memcpy(&word, p, 4)
        state = crc32_add_word(state, word)
        p += 4
        n_bytes -= 4
    while n_bytes:
        state = state >> 8 ^ after[0][(state ^ p[0]) & 255]
        p += 1
        n_bytes -= 1
    return state


cdef uint32_t crc32_of(const uint8_t* p, uint64_t n_bytes) noexcept nogil:
    return ~crc32_add(<uint32_t>CRC32_BEGIN, p, n_bytes)


fill()
