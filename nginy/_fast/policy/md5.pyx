"""MD5 of short texts, one block after the other."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef enum:
    BLOCK = 64                  # bytes
    LENGTH_AT = 56              # of the message, in bits, at the end of the last block

cdef uint32_t[64] sines         # floor(2**32 * abs(sin(i + 1))): RFC 1321, section 3.4
cdef uint8_t[16] turns          # bits to rotate by, four for each round

sines[:] = [
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
]
turns[:] = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21]


cdef inline uint32_t rotated(uint32_t x, uint32_t n) noexcept nogil:
    return x << n | x >> (32 - n)


# One step: the four words move on by one place.
cdef inline void step(uint32_t* w, uint32_t mixed, uint32_t part, uint32_t i) noexcept nogil:
    cdef uint32_t next_b = w[1] + rotated(w[0] + mixed + sines[i] + part, turns[(i >> 4) * 4 + (i & 3)])
    w[0] = w[3]
    w[3] = w[2]
    w[2] = w[1]
    w[1] = next_b


cdef void add_block(uint32_t* words, const uint8_t* block) noexcept nogil:
    cdef uint32_t part[16]
    cdef uint32_t w[4]
    cdef uint32_t i
    memcpy(part, block, BLOCK)
    memcpy(w, words, sizeof(w))
    for i in range(16):
        step(w, (w[1] & w[2]) | (~w[1] & w[3]), part[i], i)
    for i in range(16, 32):
        step(w, (w[3] & w[1]) | (~w[3] & w[2]), part[(5 * i + 1) & 15], i)
    for i in range(32, 48):
        step(w, w[1] ^ w[2] ^ w[3], part[(3 * i + 5) & 15], i)
    for i in range(48, 64):
        step(w, w[2] ^ (w[1] | ~w[3]), part[(7 * i) & 15], i)
    for i in range(4):
        words[i] += w[i]


cdef void md5_digest(const uint8_t* p, uint32_t n_bytes, uint32_t* words) noexcept nogil:
    cdef uint8_t last[2 * BLOCK]
    cdef uint64_t n_bits = <uint64_t>n_bytes * 8
    cdef uint32_t n_last
    words[0] = 0x67452301
    words[1] = 0xefcdab89
    words[2] = 0x98badcfe
    words[3] = 0x10325476
    while n_bytes >= BLOCK:
        add_block(words, p)
        p += BLOCK
        n_bytes -= BLOCK
    n_last = BLOCK if n_bytes < LENGTH_AT else 2 * BLOCK
    memset(last, 0, sizeof(last))
    if n_bytes:                 # memcpy does not take NULL, even for nothing
        memcpy(last, p, n_bytes)
    last[n_bytes] = 0x80
    memcpy(last + n_last - 8, &n_bits, 8)
    add_block(words, last)
    if n_last > BLOCK:
        add_block(words, last + BLOCK)
