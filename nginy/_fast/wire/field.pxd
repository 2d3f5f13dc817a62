# Names of fields and methods, told by their length and a few words of bytes. Names are tokens already.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from nginy._fast.wire.http1 cimport (
    FIELD_CONNECTION, FIELD_CONTENT_LENGTH, FIELD_COOKIE, FIELD_EXPECT, FIELD_FORWARDED, FIELD_HOST, FIELD_KEEP_ALIVE,
    FIELD_OTHER, FIELD_PROXY_CONNECTION, FIELD_SET_COOKIE, FIELD_TE, FIELD_TRACEPARENT, FIELD_TRAILER,
    FIELD_TRANSFER_ENCODING, FIELD_UPGRADE, FIELD_VIA, FIELD_X_FORWARDED_FOR, FIELD_X_FORWARDED_HOST,
    FIELD_X_FORWARDED_PROTO, FIELD_X_REQUEST_ID, METHOD_CONNECT, METHOD_DELETE, METHOD_GET, METHOD_HEAD, METHOD_OPTIONS,
    METHOD_OTHER, METHOD_PATCH, METHOD_POST, METHOD_PUT, METHOD_TRACE,
)
from nginy._fast.wire.octet cimport is_exactly, low4, low8, text4, text8

cdef enum:
    FIELD_NAME_MOST = 17        # bytes of a name that means something

# For one connection alone, whether Connection names it or not (RFC 9110, section 7.6.1).
cdef inline bint is_hop_kind(uint8_t kind) noexcept nogil:
    return (
        1 << FIELD_CONNECTION | 1 << FIELD_KEEP_ALIVE | 1 << FIELD_PROXY_CONNECTION | 1 << FIELD_TE
        | 1 << FIELD_TRANSFER_ENCODING | 1 << FIELD_UPGRADE
    ) >> kind & 1


cdef inline uint8_t kind_below_eight(const uint8_t* p, uint32_t n) noexcept nogil:
    if n == 4:
        return FIELD_HOST if low4(p) == text4(b"host") else FIELD_OTHER
    if n == 6:
        if low4(p) == text4(b"cook") and low4(p + 2) == text4(b"okie"):
            return FIELD_COOKIE
        return FIELD_EXPECT if low4(p) == text4(b"expe") and low4(p + 2) == text4(b"pect") else FIELD_OTHER
    if n == 7:
        if low4(p) == text4(b"upgr") and low4(p + 3) == text4(b"rade"):
            return FIELD_UPGRADE
        return FIELD_TRAILER if low4(p) == text4(b"trai") and low4(p + 3) == text4(b"iler") else FIELD_OTHER
    if n == 3:
        return FIELD_VIA if p[0] | 0x20 == b'v' and p[1] | 0x20 == b'i' and p[2] | 0x20 == b'a' else FIELD_OTHER
    if n == 2:
        return FIELD_TE if p[0] | 0x20 == b't' and p[1] | 0x20 == b'e' else FIELD_OTHER
    return FIELD_OTHER


cdef inline uint8_t kind_above_twelve(const uint8_t* p, uint32_t n, uint64_t first, uint64_t last) noexcept nogil:
    if n == 14:
        return FIELD_CONTENT_LENGTH if first == text8(b"content-") and last == text8(b"t-length") else FIELD_OTHER
    if n == 15:
        return FIELD_X_FORWARDED_FOR if first == text8(b"x-forwar") and last == text8(b"rded-for") else FIELD_OTHER
    if n == 16:
        if first == text8(b"x-forwar") and last == text8(b"ded-host"):
            return FIELD_X_FORWARDED_HOST
        return FIELD_PROXY_CONNECTION if first == text8(b"proxy-co") and last == text8(b"nnection") else FIELD_OTHER
    if n == 17:                 # a byte stands between the two words
        if first == text8(b"transfer") and p[8] == b'-' and last == text8(b"encoding"):
            return FIELD_TRANSFER_ENCODING
        if first == text8(b"x-forwar") and p[8] | 0x20 == b'd' and last == text8(b"ed-proto"):
            return FIELD_X_FORWARDED_PROTO
    return FIELD_OTHER


# http_field_t of a name.
cdef inline uint8_t field_kind(const uint8_t* p, uint32_t n) noexcept nogil:
    cdef uint64_t first, last
    if n < 8:
        return kind_below_eight(p, n)
    if n > FIELD_NAME_MOST:
        return FIELD_OTHER
    first = low8(p)
    last = low8(p + n - 8)
    if n > 12:
        return kind_above_twelve(p, n, first, last)
    if n == 10:
        if first == text8(b"connecti") and last == text8(b"nnection"):
            return FIELD_CONNECTION
        if first == text8(b"keep-ali") and last == text8(b"ep-alive"):
            return FIELD_KEEP_ALIVE
        return FIELD_SET_COOKIE if first == text8(b"set-cook") and last == text8(b"t-cookie") else FIELD_OTHER
    if n == 9:
        return FIELD_FORWARDED if first == text8(b"forwarde") and last == text8(b"orwarded") else FIELD_OTHER
    if n == 11:
        return FIELD_TRACEPARENT if first == text8(b"tracepar") and last == text8(b"ceparent") else FIELD_OTHER
    if n == 12:
        return FIELD_X_REQUEST_ID if first == text8(b"x-reques") and last == text8(b"quest-id") else FIELD_OTHER
    return FIELD_OTHER


# http_method_t of a name, whose case matters (RFC 9110, section 9.1).
cdef inline uint8_t method_kind(const uint8_t* p, uint32_t n) noexcept nogil:
    if n == 3:
        if is_exactly(p, b"GET", 3):
            return METHOD_GET
        return METHOD_PUT if is_exactly(p, b"PUT", 3) else METHOD_OTHER
    if n == 4:
        if is_exactly(p, b"POST", 4):
            return METHOD_POST
        return METHOD_HEAD if is_exactly(p, b"HEAD", 4) else METHOD_OTHER
    if n == 5:
        if is_exactly(p, b"PATCH", 5):
            return METHOD_PATCH
        return METHOD_TRACE if is_exactly(p, b"TRACE", 5) else METHOD_OTHER
    if n == 6:
        return METHOD_DELETE if is_exactly(p, b"DELETE", 6) else METHOD_OTHER
    if n == 7:
        if is_exactly(p, b"OPTIONS", 7):
            return METHOD_OPTIONS
        return METHOD_CONNECT if is_exactly(p, b"CONNECT", 7) else METHOD_OTHER
    return METHOD_OTHER
