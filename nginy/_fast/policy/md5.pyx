"""MD5 of short texts, one block after the other."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef enum:
    BLOCK = 64                  # bytes
    LENGTH_AT = 56              # of the message, in bits, at the end of the last block

cdef uint32_t[64] sines         # floor(2**32 * abs(sin(i + 1))): RFC 1321, section 3.4

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


cdef inline uint32_t rotated(uint32_t x, uint32_t n) noexcept nogil:
    return x << n | x >> (32 - n)


# The four rounds' ways to mix three words: RFC 1321, section 3.4, F to I; F and G with one operation less.
cdef inline uint32_t choice(uint32_t x, uint32_t y, uint32_t z) noexcept nogil:
    return z ^ (x & (y ^ z))


cdef inline uint32_t parity(uint32_t x, uint32_t y, uint32_t z) noexcept nogil:
    return x ^ y ^ z


cdef inline uint32_t odd_one(uint32_t x, uint32_t y, uint32_t z) noexcept nogil:
    return y ^ (x | ~z)


cdef inline void add_block(uint32_t* words, const uint8_t* block) noexcept nogil:
    cdef uint32_t part[16]
    cdef uint32_t i
    cdef uint32_t a = words[0]
    cdef uint32_t b = words[1]
    cdef uint32_t c = words[2]
    cdef uint32_t d = words[3]
    memcpy(part, block, BLOCK)
    for i in range(0, 16, 4):   # four steps at a time, as the words are then back in their places
        a = b + rotated(a + choice(b, c, d) + part[i] + sines[i], 7)
        d = a + rotated(d + choice(a, b, c) + part[i + 1] + sines[i + 1], 12)
        c = d + rotated(c + choice(d, a, b) + part[i + 2] + sines[i + 2], 17)
        b = c + rotated(b + choice(c, d, a) + part[i + 3] + sines[i + 3], 22)
    for i in range(16, 32, 4):
        a = b + rotated(a + choice(d, b, c) + part[(5 * i + 1) & 15] + sines[i], 5)
        d = a + rotated(d + choice(c, a, b) + part[(5 * i + 6) & 15] + sines[i + 1], 9)
        c = d + rotated(c + choice(b, d, a) + part[(5 * i + 11) & 15] + sines[i + 2], 14)
        b = c + rotated(b + choice(a, c, d) + part[5 * i & 15] + sines[i + 3], 20)
    for i in range(32, 48, 4):
        a = b + rotated(a + parity(b, c, d) + part[(3 * i + 5) & 15] + sines[i], 4)
        d = a + rotated(d + parity(a, b, c) + part[(3 * i + 8) & 15] + sines[i + 1], 11)
        c = d + rotated(c + parity(d, a, b) + part[(3 * i + 11) & 15] + sines[i + 2], 16)
        b = c + rotated(b + parity(c, d, a) + part[(3 * i + 14) & 15] + sines[i + 3], 23)
    for i in range(48, 64, 4):
        a = b + rotated(a + odd_one(b, c, d) + part[7 * i & 15] + sines[i], 6)
        d = a + rotated(d + odd_one(a, b, c) + part[(7 * i + 7) & 15] + sines[i + 1], 10)
        c = d + rotated(c + odd_one(d, a, b) + part[(7 * i + 14) & 15] + sines[i + 2], 15)
        b = c + rotated(b + odd_one(c, d, a) + part[(7 * i + 5) & 15] + sines[i + 3], 21)
    words[0] += a
    words[1] += b
    words[2] += c
    words[3] += d


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
