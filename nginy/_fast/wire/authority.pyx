"""Authority: targets of requests, and the hosts that they or Host name."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from nginy._fast.wire.http1 cimport (
    HTTP_BAD_TARGET, METHOD_CONNECT, METHOD_OPTIONS, TARGET_ABSOLUTE, TARGET_ASTERISK, TARGET_AUTHORITY, TARGET_ORIGIN,
)
from nginy._fast.wire.octet cimport OCTET_HOST, is_exactly, is_text, octet_fill

cdef enum:
    HOST_MOST = 255             # bytes; RFC 1035, section 2.3.4
    PORT_DIGITS = 5
    PORT_MOST = 65535

cdef uint8_t octets[256]
octet_fill(octets)


cdef bint is_port(const uint8_t* p, uint32_t n) noexcept nogil:
    cdef uint32_t value = 0
    cdef uint32_t i
    if n == 0 or n > PORT_DIGITS:
        return False
    for i in range(n):
        if not b'0' <= p[i] <= b'9':
            return False
        value = value * 10 + p[i] - c'0'
    return 0 < value <= PORT_MOST


# The place behind an address in brackets; 0 = it is none. Which addresses are right is for those who connect to them.
cdef uint32_t literal_end(const uint8_t* p, uint32_t n) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t colons = 0
    for i in range(1, n):
        if p[i] == b']':
            return i + 1 if colons >= 2 else 0
        if p[i] == b':':
            colons += 1
        elif not (b'0' <= p[i] <= b'9' or b'a' <= p[i] | 0x20 <= b'f' or p[i] == b'.'):
            return 0
    return 0


cdef bint authority_is_sound(const uint8_t* p, uint32_t n, bint needs_port) noexcept nogil:
    cdef uint32_t at = 0
    if n and p[0] == b'[':
        at = literal_end(p, n)
    else:
        while at < n and octets[p[at]] & OCTET_HOST:
            at += 1
    if at == 0 or at > HOST_MOST:
        return False
    if at == n:
        return not needs_port
    return p[at] == b':' and is_port(p + at + 1, n - at - 1)


# http:// or https:// before a host; the bytes of it, 0 = another scheme.
cdef uint32_t scheme_bytes(const uint8_t* p, uint32_t n) noexcept nogil:
    if n < 7 or not is_text(p, b"http", 4):
        return 0
    if is_exactly(p + 4, b"://", 3):
        return 7
    return 8 if n >= 8 and p[4] | 0x20 == b's' and is_exactly(p + 5, b"://", 3) else 0


cdef int absolute_settle(const uint8_t* p, uint32_t question, head_t* head) noexcept nogil:
    cdef uint32_t end = head.target.at + head.target.n
    cdef uint32_t at = head.target.at + scheme_bytes(p + head.target.at, question - head.target.at)
    if at == head.target.at:
        return -HTTP_BAD_TARGET
    head.host.at = <uint16_t>at
    while at < question and p[at] != b'/':
        at += 1
    head.host.n = <uint16_t>(at - head.host.at)
    if head.host.n == 0:
        return -HTTP_BAD_TARGET
    head.target_form = TARGET_ABSOLUTE
    head.path.at = <uint16_t>at
    head.path.n = <uint16_t>(question - at)
    if head.path.n == 0 and head.method == METHOD_OPTIONS and question == end:
        head.target_form = TARGET_ASTERISK      # RFC 9112, section 3.2.4
    elif head.path.n == 0:      # the path is '/' (RFC 9110, section 4.2.3): the one before the host stands for it
        head.path.at = head.host.at - 1
        head.path.n = 1
    return 0


cdef int target_settle(const uint8_t* p, uint32_t question, head_t* head) noexcept nogil:
    cdef uint32_t start = head.target.at
    cdef uint32_t end = start + head.target.n
    if question < end:
        head.has_query = True
        head.query.at = <uint16_t>(question + 1)
        head.query.n = <uint16_t>(end - question - 1)
    if head.method == METHOD_CONNECT:
        head.target_form = TARGET_AUTHORITY
        head.host = head.target
    elif p[start] == b'/':
        head.target_form = TARGET_ORIGIN
        head.path.at = <uint16_t>start
        head.path.n = <uint16_t>(question - start)
    elif p[start] == b'*' and head.target.n == 1:
        if head.method != METHOD_OPTIONS:
            return -HTTP_BAD_TARGET
        head.target_form = TARGET_ASTERISK
    else:
        return absolute_settle(p, question, head)
    return 0
