"""Http1: one reading of a head, or none. Bytes are looked at once, in order; what needs several fields is settled last."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memchr, memset
from nginy._fast.base.cdefs cimport unlikely
from nginy._fast.wire.authority cimport target_settle
from nginy._fast.wire.facts cimport facts_t, field_note, request_settle, response_settle
from nginy._fast.wire.field cimport FIELD_NAME_MOST, field_kind, is_hop_kind, method_kind
from nginy._fast.wire.octet cimport (
    OCTET_NAME, OCTET_TARGET, OCTET_VALUE, is_exactly, octet_fill, skip_name, skip_target, skip_value, word8,
)

cdef enum:
    CR = 13
    LF = 10
    VERSION_BYTES = 8           # HTTP/1.1

cdef uint8_t octets[256]
octet_fill(octets)


# Whether a head that was not whole at n_seen bytes may be whole now: an empty line, bare LF included.
cdef bint is_ended(const uint8_t* p, uint32_t n, uint32_t n_seen) noexcept nogil:
    cdef uint32_t at = n_seen - 3 if n_seen > 3 else 0
    cdef const uint8_t* found
    while at < n:
        found = <const uint8_t*>memchr(p + at, LF, n - at)
        if found == NULL:
            return False
        at = <uint32_t>(found - p) + 1
        if at < n and (p[at] == LF or p[at] == CR and at + 1 < n and p[at + 1] == LF):
            return True
    return False


cdef inline bint is_blank(uint8_t c) noexcept nogil:
    return c == b' ' or c == b'\t'


# The place behind CR LF at p[at]; 0 = more is needed; < 0 = refused.
cdef inline int line_end(const uint8_t* p, uint32_t at, uint32_t n) noexcept nogil:
    if at < n and p[at] != CR or at + 1 < n and p[at + 1] != LF:
        return -HTTP_BAD_LINE
    return <int>at + 2 if at + 1 < n else 0


# A version that is not the whole of HTTP/1.0 or HTTP/1.1: 0 = it may become one.
cdef int version_refusal(const uint8_t* p, uint32_t n) noexcept nogil:
    cdef const char* form = b"HTTP/0.0"
    cdef uint32_t i
    for i in range(min(n, <uint32_t>VERSION_BYTES)):
        if not (b'0' <= p[i] <= b'9' if form[i] == b'0' else p[i] == form[i]):
            return -HTTP_BAD_LINE
    return 0 if n < VERSION_BYTES else -HTTP_BAD_VERSION


cdef inline int version_read(const uint8_t* p, uint32_t at, uint32_t n, head_t* head) noexcept nogil:
    cdef uint64_t word
    if n - at < VERSION_BYTES:
        return version_refusal(p + at, n - at)
    word = word8(p + at)
    if word == word8(<const uint8_t*><const char*>b"HTTP/1.1"):
        head.minor = 1
    elif word == word8(<const uint8_t*><const char*>b"HTTP/1.0"):
        head.minor = 0
    else:
        return version_refusal(p + at, VERSION_BYTES)
    return <int>(at + VERSION_BYTES)


cdef inline uint32_t path_end(const uint8_t* p, uint32_t at, uint32_t n) noexcept nogil:
    at = skip_target(p, at, n)
    while at < n and octets[p[at]] & OCTET_TARGET:
        at += 1
    return at


cdef inline int target_read(const uint8_t* p, uint32_t at, uint32_t n, head_t* head) noexcept nogil:
    cdef uint32_t start = at
    cdef uint32_t question
    cdef int status
    at = question = path_end(p, at, n)
    while at < n and p[at] == b'?':
        at = path_end(p, at + 1, n)
    if at >= n:
        return 0
    if p[at] != b' ':           # a line that ends here is one of HTTP/0.9
        return -HTTP_BAD_LINE if p[at] == CR or p[at] == LF else -HTTP_BAD_TARGET
    if at == start:
        return -HTTP_BAD_TARGET
    head.target.at = <uint16_t>start
    head.target.n = <uint16_t>(at - start)
    status = target_settle(p, question, head)
    return status if status < 0 else <int>at + 1


cdef int request_line(const uint8_t* p, uint32_t at, uint32_t n, head_t* head) noexcept nogil:
    cdef uint32_t start = at
    cdef int status
    while at < n and octets[p[at]] & OCTET_NAME:
        at += 1
    if at >= n:
        return 0
    if p[at] != b' ' or at == start:
        return -HTTP_BAD_METHOD
    head.method_name.at = <uint16_t>start
    head.method_name.n = <uint16_t>(at - start)
    head.method = method_kind(p + start, at - start)
    if unlikely(head.method == METHOD_OTHER) and at - start == 3 and is_exactly(p + start, b"PRI", 3):
        return -HTTP_BAD_METHOD     # never one of HTTP/1 (RFC 9113, section 3.4)
    status = target_read(p, at + 1, n, head)
    if status > 0:
        status = version_read(p, <uint32_t>status, n, head)
    return status if status <= 0 else line_end(p, <uint32_t>status, n)


cdef int status_line(const uint8_t* p, uint32_t n, head_t* head) noexcept nogil:
    cdef int status = version_read(p, 0, n, head)
    cdef uint32_t at = VERSION_BYTES
    cdef uint32_t i
    if status <= 0:
        return status
    if at < n and p[at] != b' ':
        return -HTTP_BAD_LINE
    for i in range(at + 1, min(n, at + 4)):
        if not b'0' <= p[i] <= b'9':
            return -HTTP_BAD_STATUS
        head.status = head.status * 10 + p[i] - c'0'
    at += 4
    if at >= n:
        return 0
    if not 100 <= head.status <= 599:
        return -HTTP_BAD_STATUS
    if p[at] == CR:             # some leave out the space as well as the reason
        return line_end(p, at, n)
    if p[at] != b' ':
        return -HTTP_BAD_STATUS
    head.reason.at = <uint16_t>(at + 1)
    at = value_end(p, at + 1, n)
    head.reason.n = <uint16_t>(at - head.reason.at)
    return line_end(p, at, n)


cdef inline uint32_t value_end(const uint8_t* p, uint32_t at, uint32_t n) noexcept nogil:
    at = skip_value(p, at, n)
    while at < n and octets[p[at]] & OCTET_VALUE:
        at += 1
    return at


# A name that is a known one but for underscores. What stands behind a gateway may not tell the two apart (RFC 3875, 4.1.18).
cdef bint is_disguised(const uint8_t* p, uint32_t n) noexcept nogil:
    cdef uint8_t plain[FIELD_NAME_MOST]
    cdef uint32_t i
    if n > FIELD_NAME_MOST or memchr(p, b'_', n) == NULL:
        return False
    for i in range(n):
        plain[i] = b'-' if p[i] == b'_' else p[i]
    return field_kind(plain, n) != FIELD_OTHER


cdef inline int name_read(const uint8_t* p, uint32_t at, uint32_t n, field_t* field) noexcept nogil:
    cdef uint32_t start = at
    cdef uint32_t plain
    at = plain = skip_name(p, at, n)
    while at < n and octets[p[at]] & OCTET_NAME:
        at += 1
    if at >= n:
        return 0
    if p[at] != b':' or at == start:    # obs-fold among them: a line that begins with white space has no name
        return -HTTP_BAD_LINE if p[at] == LF else -HTTP_BAD_NAME
    if at != plain and is_disguised(p + start, at - start):
        return -HTTP_BAD_NAME
    field.name.at = <uint16_t>start
    field.name.n = <uint16_t>(at - start)
    field.kind = field_kind(p + start, at - start)
    field.is_hop = is_hop_kind(field.kind)
    field.reserved = 0
    return <int>at + 1


cdef inline int field_read(const uint8_t* p, uint32_t at, uint32_t n, field_t* field) noexcept nogil:
    cdef int status = name_read(p, at, n, field)
    cdef uint32_t start
    if status <= 0:
        return status
    at = <uint32_t>status
    while at < n and is_blank(p[at]):
        at += 1
    start = at
    at = value_end(p, at, n)
    if at < n and p[at] != CR:
        return -HTTP_BAD_LINE if p[at] == LF else -HTTP_BAD_VALUE
    if at + 1 >= n:
        return 0
    if p[at + 1] != LF:
        return -HTTP_BAD_VALUE
    status = <int>at + 2
    while at > start and is_blank(p[at - 1]):
        at -= 1
    field.value.at = <uint16_t>start
    field.value.n = <uint16_t>(at - start)
    return status


cdef int fields_read(const uint8_t* p, uint32_t at, uint32_t n, head_t* head, facts_t* facts) noexcept nogil:
    cdef field_t* field = head.fields
    cdef int status
    while at < n:
        if p[at] == CR:
            return line_end(p, at, n)
        if head.n_fields == HEAD_MOST_FIELDS:
            return -HTTP_TOO_LONG
        status = field_read(p, at, n, field)
        if status <= 0:
            return status
        at = <uint32_t>status
        if field.kind != FIELD_OTHER:
            status = field_note(p, head, field, facts)
            if status < 0:
                return status
        head.n_fields += 1
        field += 1
    return 0


cdef inline void start(head_t* head, facts_t* facts) noexcept nogil:
    memset(head, 0, sizeof(head_t) - sizeof(head.fields))
    memset(facts, 0, sizeof(facts_t))


# The lines behind the first one, of which the parser said `status`. As all parsers say it; the head's bytes are noted.
cdef inline int lines_read(const uint8_t* p, int status, uint32_t window, head_t* head, facts_t* facts) noexcept nogil:
    if status > 0:
        status = fields_read(p, <uint32_t>status, window, head, facts)
    if status == 0 and window == HEAD_MOST_BYTES:
        return -HTTP_TOO_LONG
    if status > 0:
        head.n_bytes = <uint32_t>status
    return status


cdef int http1_request(const uint8_t* p, uint32_t n, uint32_t n_seen, head_t* head) noexcept nogil:
    cdef facts_t facts
    cdef uint32_t window = min(n, <uint32_t>HEAD_MOST_BYTES)
    cdef uint32_t at = 0
    cdef int status
    if n_seen and n < HEAD_MOST_BYTES and not is_ended(p, n, n_seen):
        return 0
    start(head, &facts)
    if n and p[0] == CR:        # one empty line before a request is passed over (RFC 9112, section 2.2)
        status = line_end(p, 0, n)
        if status <= 0:
            return status
        at = 2
    status = lines_read(p, request_line(p, at, window, head), window, head, &facts)
    if status <= 0:
        return status
    status = request_settle(p, head, &facts)
    return status if status < 0 else <int>head.n_bytes


cdef int http1_response(const uint8_t* p, uint32_t n, uint32_t n_seen, uint8_t method, head_t* head) noexcept nogil:
    cdef facts_t facts
    cdef uint32_t window = min(n, <uint32_t>HEAD_MOST_BYTES)
    cdef int status
    if n_seen and n < HEAD_MOST_BYTES and not is_ended(p, n, n_seen):
        return 0
    start(head, &facts)
    head.method = method
    status = lines_read(p, status_line(p, window, head), window, head, &facts)
    if status <= 0:
        return status
    status = response_settle(p, head, &facts)
    return status if status < 0 else <int>head.n_bytes
