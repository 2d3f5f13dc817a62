"""Chunk: a state, one byte, the next state; data goes in one piece."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memmove, memset, strstr
from nginy._fast.wire.http1 cimport CHUNK_LINE_MOST, HTTP_BAD_CHUNK, HTTP_BAD_TRAILER, HTTP_TOO_LARGE, HTTP_TOO_LONG
from nginy._fast.wire.octet cimport OCTET_NAME, OCTET_VALUE, low1, octet_fill

cdef enum:
    CR = 13
    LF = 10

cdef enum:                      # chunk_state_t: what the next byte belongs to
    CHUNK_SIZE = 0              # its first digit
    CHUNK_DIGITS = 1
    CHUNK_BLANKS = 2            # between a size and the semicolon of an extension
    CHUNK_EXTENSION = 3
    CHUNK_SIZE_LF = 4
    CHUNK_BYTES = 5
    CHUNK_CR = 6                # behind the bytes
    CHUNK_LF = 7
    TRAILER_START = 8           # of a trailer, or of the empty line
    TRAILER_NAME = 9
    TRAILER_VALUE = 10
    TRAILER_LF = 11
    TRAILERS_LF = 12            # of the empty line
    CHUNK_REFUSED = 13          # left is why

# Not in a trailer, whether it is spelled with hyphens or underscores.
cdef const char* UNWANTED = (
    b" authorization cache-control connection content-encoding content-length content-range content-type cookie expect"
    b" forwarded host keep-alive location max-forwards proxy-authenticate proxy-authorization proxy-connection range"
    b" set-cookie te traceparent trailer transfer-encoding upgrade via www-authenticate x-forwarded-for x-forwarded-host"
    b" x-forwarded-proto x-request-id "
)

cdef uint8_t octets[256]
octet_fill(octets)


cdef void chunk_open(chunk_t* c) noexcept nogil:
    memset(c, 0, sizeof(chunk_t))
    c.room = <uint64_t>-1
    c.name[0] = c' '


# The value of a hexadecimal digit; 16 = it is none.
cdef inline uint32_t digit_of(uint8_t byte) noexcept nogil:
    if c'0' <= byte <= c'9':
        return byte - c'0'
    byte |= 0x20
    return <uint32_t>byte - c'a' + 10 if c'a' <= byte <= c'f' else 16


# 1: the byte goes on; 0: it is left out; < 0: it is refused.
cdef int size_step(chunk_t* c, uint8_t* byte) noexcept nogil:
    cdef uint32_t digit = digit_of(byte[0])
    cdef bint is_first = c.state == CHUNK_SIZE
    if digit > 15:
        return -HTTP_BAD_CHUNK if is_first else size_end(c, byte[0])
    if c.left >> (CHUNK_SIZE_BITS - 4):
        return -HTTP_BAD_CHUNK
    c.state = CHUNK_DIGITS
    c.left = c.left << 4 | digit
    byte[0] = low1(byte[0])
    return is_first or c.left != 0


cdef int size_end(chunk_t* c, uint8_t byte) noexcept nogil:
    if byte == CR:
        c.state = CHUNK_SIZE_LF
        return 1
    if byte == c';':
        c.state = CHUNK_EXTENSION
        return 0
    if byte == c' ' or byte == c'\t':
        c.state = CHUNK_BLANKS
        return 0
    return -HTTP_BAD_CHUNK


cdef int extension_step(chunk_t* c, uint8_t byte) noexcept nogil:
    if c.state == CHUNK_BLANKS:
        return size_end(c, byte) if byte != CR else -HTTP_BAD_CHUNK
    if byte == CR:
        c.state = CHUNK_SIZE_LF
        return 1
    return 0 if octets[byte] & OCTET_VALUE else -HTTP_BAD_CHUNK


cdef int line_step(chunk_t* c, uint8_t* byte) noexcept nogil:
    c.n_line += 1
    if c.n_line > CHUNK_LINE_MOST:
        return -HTTP_BAD_CHUNK
    if c.state <= CHUNK_DIGITS:
        return size_step(c, byte)
    if c.state <= CHUNK_EXTENSION:
        return extension_step(c, byte[0])
    if byte[0] != LF:
        return -HTTP_BAD_CHUNK
    if c.left > c.room:
        return -HTTP_TOO_LARGE
    c.room -= c.left
    c.state = CHUNK_BYTES if c.left else TRAILER_START
    return 1


cdef int chunk_end_step(chunk_t* c, uint8_t byte) noexcept nogil:
    if byte != (CR if c.state == CHUNK_CR else LF):
        return -HTTP_BAD_CHUNK
    c.n_line = 0
    c.state = CHUNK_LF if c.state == CHUNK_CR else CHUNK_SIZE
    return 1


cdef int name_step(chunk_t* c, uint8_t byte) noexcept nogil:
    if octets[byte] & OCTET_NAME:
        c.state = TRAILER_NAME
        if c.n_name < CHUNK_NAME_HELD:
            c.n_name += 1
            c.name[c.n_name] = c'-' if byte == c'_' else <char>low1(byte)
        return 1
    if byte != c':' or c.n_name == 0:
        return -HTTP_BAD_TRAILER
    c.name[c.n_name + 1] = c' '
    c.name[c.n_name + 2] = 0
    c.n_name = 0
    c.state = TRAILER_VALUE
    return 1 if strstr(UNWANTED, c.name) == NULL else -HTTP_BAD_TRAILER


cdef int value_step(chunk_t* c, uint8_t byte) noexcept nogil:
    if c.state == TRAILER_LF:
        c.state = TRAILER_START
        return 1 if byte == LF else -HTTP_BAD_TRAILER
    if byte == CR:
        c.state = TRAILER_LF
        return 1
    return 1 if octets[byte] & OCTET_VALUE else -HTTP_BAD_TRAILER


cdef int trailer_step(chunk_t* c, uint8_t byte) noexcept nogil:
    cdef int step
    if c.state == TRAILERS_LF:
        c.is_done = byte == LF
        return 1 if byte == LF else -HTTP_BAD_TRAILER
    if c.state == TRAILER_START and byte == CR:
        c.state = TRAILERS_LF
        return 1
    c.n_trailers += 1
    if c.n_trailers > CHUNK_TRAILERS_MOST:
        return -HTTP_TOO_LONG
    step = name_step(c, byte) if c.state <= TRAILER_NAME else value_step(c, byte)
    return 0 if step == 1 and c.drops_trailers else step


cdef int byte_step(chunk_t* c, uint8_t* byte) noexcept nogil:
    if c.state <= CHUNK_SIZE_LF:
        return line_step(c, byte)
    if c.state <= CHUNK_LF:
        return chunk_end_step(c, byte[0])
    return trailer_step(c, byte[0]) if c.state < CHUNK_REFUSED else -<int>c.left


cdef uint32_t bytes_pass(chunk_t* c, uint8_t* to, const uint8_t* p, uint32_t n) noexcept nogil:
    if c.left < n:
        n = <uint32_t>c.left
    if to != p:
        memmove(to, p, n)
    c.left -= n
    if c.left == 0:
        c.state = CHUNK_CR
    return n


cdef int chunk_pass(chunk_t* c, uint8_t* p, uint32_t n, bint is_bare, uint32_t* n_out) noexcept nogil:
    cdef uint32_t at = 0
    cdef uint32_t out = 0
    cdef uint32_t n_bytes
    cdef int step = 1
    while at < n and not c.is_done:
        if c.state == CHUNK_BYTES:
            n_bytes = bytes_pass(c, p + out, p + at, n - at)
            at += n_bytes
            out += n_bytes
            continue
        step = byte_step(c, p + at)
        if step < 0:
            c.state = CHUNK_REFUSED
            c.left = <uint64_t>-step
            break
        if step and not is_bare:
            p[out] = p[at]
            out += 1
        at += 1
    n_out[0] = out
    return step if step < 0 else <int>at


cdef uint32_t chunk_refusal(const chunk_t* c) noexcept nogil:
    return <uint32_t>c.left if c.state == CHUNK_REFUSED else 0
