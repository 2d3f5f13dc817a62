"""Dns: as much of a message as tells whether an answer belongs to a question."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from nginy._fast.mem.hash cimport hash_bytes

cdef enum:
    HEADER_BYTES = 12
    FIXED_BYTES = 4             # type and class behind the name
    NAME_MOST = 255             # RFC 1035, section 2.3.4
    LABEL_MOST = 63
    RESPONSE = 0x80


cdef bint dns_is_response(const uint8_t* p, uint32_t n_bytes) noexcept nogil:
    return n_bytes >= HEADER_BYTES and p[2] & RESPONSE != 0


cdef uint64_t dns_question(const uint8_t* p, uint32_t n_bytes, uint16_t* id) noexcept nogil:
    cdef uint8_t plain[NAME_MOST + FIXED_BYTES]
    cdef uint32_t at = HEADER_BYTES
    cdef uint32_t n = 0
    cdef uint32_t length, i
    cdef uint64_t h
    if n_bytes < HEADER_BYTES or p[4] != 0 or p[5] != 1:
        return 0
    id[0] = <uint16_t>(p[0] << 8 | p[1])
    while True:
        if at >= n_bytes or p[at] > LABEL_MOST:
            return 0
        length = p[at]
        if at + 1 + length + FIXED_BYTES > n_bytes or n + 1 + length > NAME_MOST:
            return 0
        for i in range(length + 1):
            plain[n + i] = p[at + i]
            if i and 65 <= p[at + i] <= 90:
                plain[n + i] |= 0x20
        n += length + 1
        at += length + 1
        if length == 0:
            break
    for i in range(FIXED_BYTES):
        plain[n + i] = p[at + i]
    h = hash_bytes(plain, n + FIXED_BYTES, 0)
    return h if h else 1
