"""Text: IPv6 with its longest run of zeros left out, IPv4 in four numbers."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp, memcpy

cdef enum:
    GROUPS = 8                  # of an IPv6 address
    MAPPED_BYTES = 12           # in front of an IPv4 address in an IPv6 one


cdef uint32_t put_number(uint8_t* to, uint32_t value, uint32_t base) noexcept nogil:
    cdef uint32_t n = 1
    cdef uint32_t rest = value
    cdef uint32_t i
    while rest >= base:
        rest //= base
        n += 1
    for i in range(n):
        to[n - 1 - i] = b"0123456789abcdef"[value % base]
        value //= base
    return n


cdef uint32_t put_four(uint8_t* to, const uint8_t* ip) noexcept nogil:
    cdef uint32_t n = 0
    cdef uint32_t i
    for i in range(4):
        if i:
            to[n] = c'.'
            n += 1
        n += put_number(to + n, ip[i], 10)
    return n


# Where the longest run of two or more zero groups begins, the first of equals, and its length; length 0 = there is none.
cdef uint32_t find_zeros(const uint8_t* ip, uint32_t* length) noexcept nogil:
    cdef uint32_t at = 0
    cdef uint32_t run = 0
    cdef uint32_t i
    length[0] = 0
    for i in range(GROUPS):
        run = run + 1 if ip[2 * i] == 0 and ip[2 * i + 1] == 0 else 0
        if run > 1 and run > length[0]:
            length[0] = run
            at = i + 1 - run
    return at


cdef uint32_t put_six(uint8_t* to, const uint8_t* ip) noexcept nogil:
    cdef uint32_t length
    cdef uint32_t zeros = find_zeros(ip, &length)
    cdef uint32_t i = 0
    cdef uint32_t n = 0
    if memcmp(ip, b"\0\0\0\0\0\0\0\0\0\0\xff\xff", MAPPED_BYTES) == 0:
        memcpy(to, b"::ffff:", 7)
        return 7 + put_four(to + 7, ip + MAPPED_BYTES)
    while i < GROUPS:
        if length and i == zeros:
            to[n] = c':'
            n += 1
            if i == 0:
                to[n] = c':'
                n += 1
            i += length
            continue
        n += put_number(to + n, <uint32_t>ip[2 * i] << 8 | ip[2 * i + 1], 16)
        i += 1
        if i < GROUPS:
            to[n] = c':'
            n += 1
    return n


cdef uint32_t text_of_address(uint8_t* to, const uint8_t* ip, uint8_t family, uint16_t port, bint has_port) noexcept nogil:
    cdef uint32_t n
    if family == 0:
        memcpy(to, b"unix:", 5)
        return 5
    n = put_four(to, ip) if family == 4 else put_six(to, ip)
    if has_port:
        to[n] = c':'
        n += 1 + put_number(to + n + 1, port, 10)
    return n
