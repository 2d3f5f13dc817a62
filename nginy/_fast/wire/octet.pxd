# What a byte may be in a message (RFC 9110, sections 5.5 and 5.6.2; RFC 9112, section 3), and words of bytes without case.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

cdef extern from "scan.h" nogil:
    # The next byte from p[at] on that may end a name, a value, a path; looks at nothing from p[n] on.
    uint32_t skip_name "ngy_skip_name"(const uint8_t* p, uint32_t at, uint32_t n)
    uint32_t skip_value "ngy_skip_value"(const uint8_t* p, uint32_t at, uint32_t n)
    uint32_t skip_target "ngy_skip_target"(const uint8_t* p, uint32_t at, uint32_t n)

cdef enum:                      # octet_t, bits
    OCTET_NAME = 1              # tchar
    OCTET_VALUE = 2             # HTAB, SP, VCHAR, obs-text
    OCTET_TARGET = 4            # VCHAR without '#' and '?'
    OCTET_HOST = 8              # of a name or an IPv4 address; RFC 3986 allows more, which nobody's host has

cdef inline bint octet_is_letter_or_digit(uint32_t c) noexcept nogil:
    return b'a' <= (c | 0x20) <= b'z' or b'0' <= c <= b'9'


cdef inline bint octet_is_tchar_mark(uint32_t c) noexcept nogil:
    return (
        c == b'-' or c == b'_' or c == b'.' or c == b'!' or c == b'#' or c == b'$' or c == b'%' or c == b'&' or c == b"'"
        or c == b'*' or c == b'+' or c == b'^' or c == b'`' or c == b'|' or c == b'~'
    )


cdef inline uint8_t octet_of(uint32_t c) noexcept nogil:
    cdef uint8_t bits = 0
    if octet_is_letter_or_digit(c):
        bits |= OCTET_NAME | OCTET_HOST
    if octet_is_tchar_mark(c):
        bits |= OCTET_NAME
    if c == b'-' or c == b'.' or c == b'_':
        bits |= OCTET_HOST
    if c == b'\t' or c >= 0x20 and c != 0x7f:
        bits |= OCTET_VALUE
    if 0x21 <= c <= 0x7e and c != b'#' and c != b'?':
        bits |= OCTET_TARGET
    return bits


# Fill a module's own table, once, when it is loaded.
cdef inline void octet_fill(uint8_t* table) noexcept nogil:
    cdef uint32_t c
    for c in range(256):
        table[c] = octet_of(c)


# Four and eight bytes as one word, and without case: equal words are equal letters, digits and hyphens where no control
# character can be.
cdef inline uint32_t low4(const uint8_t* p) noexcept nogil:
    cdef uint32_t word
    memcpy(&word, p, 4)
    return word | 0x20202020


cdef inline uint64_t word8(const uint8_t* p) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, p, 8)
    return word


cdef inline uint64_t low8(const uint8_t* p) noexcept nogil:
    return word8(p) | <uint64_t>0x2020202020202020


# The same of a literal.
cdef inline uint32_t text4(const char* text) noexcept nogil:
    return low4(<const uint8_t*>text)


cdef inline uint64_t text8(const char* text) noexcept nogil:
    return low8(<const uint8_t*>text)


cdef inline uint8_t low1(uint8_t c) noexcept nogil:
    return c | 0x20 if b'A' <= c <= b'Z' else c


cdef inline bint is_same(const uint8_t* a, const uint8_t* b, uint32_t n) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        if low1(a[i]) != low1(b[i]):
            return False
    return True


# Whether n bytes are this literal, without case, or with it.
cdef inline bint is_text(const uint8_t* p, const char* text, uint32_t n) noexcept nogil:
    return is_same(p, <const uint8_t*>text, n)


cdef inline bint is_exactly(const uint8_t* p, const char* text, uint32_t n) noexcept nogil:
    return memcmp(p, text, n) == 0


# The next element of a comma-separated list (RFC 9110, section 5.6.1), without the white space around it; empty ones are
# passed over. *at: where to go on, 0 at first.
cdef inline bint list_next(const uint8_t* p, uint32_t n, uint32_t* at, uint32_t* start, uint32_t* end) noexcept nogil:
    cdef uint32_t i = at[0]
    while i < n and (p[i] == b',' or p[i] == b' ' or p[i] == b'\t'):
        i += 1
    if i == n:
        return False
    start[0] = i
    while i < n and p[i] != b',':
        i += 1
    at[0] = i
    while p[i - 1] == b' ' or p[i - 1] == b'\t':
        i -= 1
    end[0] = i
    return True
