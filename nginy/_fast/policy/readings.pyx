"""Readings: a path byte by byte into a caller's room; what cannot be two things is left where it is."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    SLASH = 0x2f
    DOT = 0x2e
    ESCAPE = 0x25
    PARAMETER = 0x3b
    BACKSLASH = 0x5c


# 0x80 in each byte of a word that is c.
cdef inline uint64_t bytes_like(uint64_t word, uint64_t c) noexcept nogil:
    cdef uint64_t x = word ^ (c * <uint64_t>0x0101010101010101)
    cdef uint64_t low = <uint64_t>0x7f7f7f7f7f7f7f7f
    return ~(((x & low) + low) | x | low)


cdef inline bint word_is_open(uint64_t word) noexcept nogil:
    cdef uint64_t slashes = bytes_like(word, SLASH)
    cdef uint64_t doubled = slashes & ((slashes | bytes_like(word, DOT)) >> 8)  # the first byte is the lowest
    return (doubled | bytes_like(word, ESCAPE) | bytes_like(word, PARAMETER) | bytes_like(word, BACKSLASH)) != 0


cdef bint reading_is_open(const uint8_t* p, uint32_t n) noexcept nogil:
    cdef uint64_t word
    cdef uint32_t i = 0
    while i + 8 <= n:           # words share a byte, so that a pair across two of them is seen
        memcpy(&word, p + i, 8)
        if word_is_open(word):
            return True
        i += 7
    word = 0
    memcpy(&word, p + i, n - i)
    return word_is_open(word)


cdef inline int digit_of(uint8_t c) noexcept nogil:
    if 0x30 <= c <= 0x39:
        return c - 0x30
    c |= 0x20
    return c - 0x61 + 10 if 0x61 <= c <= 0x66 else -1


# The byte that an escape at p stands for; -1 for a broken one and for NUL.
cdef inline int escaped(const uint8_t* p, uint32_t n) noexcept nogil:
    cdef int high, low
    if n < 3:
        return -1
    high = digit_of(p[1])
    low = digit_of(p[2])
    if high < 0 or low < 0 or high + low == 0:
        return -1
    return high * 16 + low


cdef int reading_strict(const uint8_t* p, uint32_t n, uint8_t* to) noexcept nogil:
    cdef uint32_t i = 0
    cdef uint32_t k = 0
    cdef int c
    if n > READING_MOST:
        return -1
    while i < n:
        if p[i] != ESCAPE:
            to[k] = p[i]
            i += 1
            k += 1
            continue
        c = escaped(p + i, n - i)
        if c < 0:
            return -1
        if c == SLASH:          # in upper case, as equal escapes are
            to[k], to[k + 1], to[k + 2] = ESCAPE, 0x32, 0x46
            k += 3
        else:
            to[k] = <uint8_t>c
            k += 1
        i += 3
    return <int>k


# Whether the last segment, which ends before k, is one of dots.
cdef inline bint ends_in_dots(const uint8_t* to, uint32_t k) noexcept nogil:
    if k >= 2 and to[k - 1] == DOT and to[k - 2] == SLASH:
        return True
    return k >= 3 and to[k - 1] == DOT and to[k - 2] == DOT and to[k - 3] == SLASH


cdef int reading_lenient(const uint8_t* p, uint32_t n, uint8_t* to) noexcept nogil:
    cdef uint32_t i = 0
    cdef uint32_t k = 0
    cdef bint is_cut = False    # inside parameters
    cdef int c
    if n > READING_MOST:
        return -1
    while i < n:
        c = p[i]
        if c == ESCAPE:
            c = escaped(p + i, n - i)
            if c < 0:
                return -1
            i += 2
        i += 1
        if c == SLASH or c == BACKSLASH:
            if ends_in_dots(to, k):
                return -1
            is_cut = False
            if k == 0 or to[k - 1] != SLASH:
                to[k] = SLASH
                k += 1
        elif c == PARAMETER:
            is_cut = True
        elif not is_cut:
            to[k] = <uint8_t>c
            k += 1
    return -1 if ends_in_dots(to, k) else <int>k


cdef uint32_t reading_bytes(const uint8_t* p, uint32_t n, uint32_t n_read) noexcept nogil:
    cdef uint32_t i = 0
    cdef uint32_t k = 0
    while i < n and k < n_read:
        if p[i] != ESCAPE:
            k += 1
            i += 1
            continue
        k += 3 if escaped(p + i, n - i) == SLASH else 1
        i += 3
    return i
