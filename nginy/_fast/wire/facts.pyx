"""Facts: what fields say to a proxy, and what follows from all of them."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from nginy._fast.wire.authority cimport authority_is_sound
from nginy._fast.wire.field cimport field_kind
from nginy._fast.wire.http1 cimport (
    BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_UNTIL_END, FIELD_CONNECTION, FIELD_CONTENT_LENGTH, FIELD_EXPECT, FIELD_HOST,
    FIELD_TE, FIELD_TRANSFER_ENCODING, FIELD_UPGRADE, HTTP_BAD_CODING, HTTP_BAD_HOST, HTTP_BAD_LENGTH, HTTP_BAD_VALUE,
    METHOD_CONNECT, METHOD_HEAD, span_t,
)
from nginy._fast.wire.octet cimport OCTET_NAME, is_same, is_text, list_next, octet_fill

cdef enum:
    OPTIONS_MOST = 32           # of all Connection fields: each is looked for among the fields
    LENGTH_MOST = 0x7fffffffffffffff

cdef uint8_t octets[256]
octet_fill(octets)


cdef int length_note(const uint8_t* p, uint32_t n, head_t* head) noexcept nogil:
    cdef uint64_t value = 0
    cdef uint32_t i, digit
    if n == 0 or head.has_length:
        return -HTTP_BAD_LENGTH
    for i in range(n):
        digit = <uint32_t>p[i] - c'0'
        if digit > 9 or value > (<uint64_t>LENGTH_MOST - digit) // 10:
            return -HTTP_BAD_LENGTH
        value = value * 10 + digit
    head.has_length = True
    head.body_bytes = value
    return 0


cdef bint is_token(const uint8_t* p, uint32_t n) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        if not octets[p[i]] & OCTET_NAME:
            return False
    return True


cdef bint may_be_named(const uint8_t* p, uint32_t n) noexcept nogil:
    cdef uint8_t kind = field_kind(p, n)
    return kind != FIELD_HOST and kind != FIELD_CONTENT_LENGTH and kind != FIELD_TRANSFER_ENCODING


cdef int options_note(const uint8_t* p, uint32_t n, facts_t* facts) noexcept nogil:
    cdef uint32_t at = 0
    cdef uint32_t start, end
    while list_next(p, n, &at, &start, &end):
        facts.n_options += 1
        if facts.n_options > OPTIONS_MOST or not is_token(p + start, end - start):
            return -HTTP_BAD_VALUE
        if end - start == 5 and is_text(p + start, b"close", 5):
            facts.is_close = True
        elif end - start == 10 and is_text(p + start, b"keep-alive", 10):
            facts.is_keep_alive = True
        elif end - start == 7 and is_text(p + start, b"upgrade", 7):
            facts.is_upgrade = True
        elif may_be_named(p + start, end - start):
            facts.is_naming = True
        else:
            return -HTTP_BAD_VALUE
    return 0


cdef void protocols_note(const uint8_t* p, uint32_t n, facts_t* facts) noexcept nogil:
    cdef uint32_t at = 0
    cdef uint32_t start, end
    while list_next(p, n, &at, &start, &end):
        facts.has_upgrade = True
        if end - start >= 3 and is_text(p + start, b"h2c", 3):
            facts.is_plain_http2 = True


cdef bint has_trailers(const uint8_t* p, uint32_t n) noexcept nogil:
    cdef uint32_t at = 0
    cdef uint32_t start, end
    while list_next(p, n, &at, &start, &end):
        if end - start == 8 and is_text(p + start, b"trailers", 8):
            return True
    return False


# What a field that means something says; 0 or a refusal.
cdef int field_note(const uint8_t* p, head_t* head, const field_t* field, facts_t* facts) noexcept nogil:
    cdef const uint8_t* value = p + field.value.at
    cdef uint32_t n = field.value.n
    if field.kind == FIELD_HOST:
        if facts.host:
            return -HTTP_BAD_HOST
        facts.host = head.n_fields + 1
    elif field.kind == FIELD_CONNECTION:
        return options_note(value, n, facts)
    elif field.kind == FIELD_CONTENT_LENGTH:
        return length_note(value, n, head)
    elif field.kind == FIELD_TRANSFER_ENCODING:
        if facts.has_coding or n != 7 or not is_text(value, b"chunked", 7):
            return -HTTP_BAD_CODING
        facts.has_coding = True
    elif field.kind == FIELD_UPGRADE:
        protocols_note(value, n, facts)
    elif field.kind == FIELD_EXPECT:
        facts.is_continue |= n == 12 and is_text(value, b"100-continue", 12)
    elif field.kind == FIELD_TE:
        head.takes_trailers |= has_trailers(value, n)
    return 0


cdef void name_mark(const uint8_t* p, head_t* head, const uint8_t* name, uint32_t n) noexcept nogil:
    cdef uint32_t i
    for i in range(head.n_fields):
        if head.fields[i].name.n == n and is_same(p + head.fields[i].name.at, name, n):
            head.fields[i].is_hop = True


# Fields that Connection names are for this connection alone.
cdef void named_mark(const uint8_t* p, head_t* head) noexcept nogil:
    cdef uint32_t i, at, start, end
    cdef const uint8_t* value
    for i in range(head.n_fields):
        if head.fields[i].kind != FIELD_CONNECTION:
            continue
        value = p + head.fields[i].value.at
        at = 0
        while list_next(value, head.fields[i].value.n, &at, &start, &end):
            name_mark(p, head, value + start, end - start)


# What both kinds of message settle alike, by all their fields; 0 or a refusal.
cdef int framing_settle(const uint8_t* p, head_t* head, const facts_t* facts) noexcept nogil:
    if facts.has_coding and head.has_length:
        return -HTTP_BAD_LENGTH
    if facts.has_coding and head.minor == 0:
        return -HTTP_BAD_CODING
    if facts.is_naming:
        named_mark(p, head)
    head.is_kept = not facts.is_close and (head.minor == 1 or facts.is_keep_alive)
    head.body = BODY_CHUNKED if facts.has_coding else BODY_LENGTH if head.has_length else BODY_NONE
    head.takes_trailers &= head.minor
    return 0


cdef int host_settle(const uint8_t* p, head_t* head, const facts_t* facts) noexcept nogil:
    cdef span_t host
    if facts.host == 0:
        if head.minor == 1:
            return -HTTP_BAD_HOST
    else:
        host = head.fields[facts.host - 1].value
        if head.host.n and (head.host.n != host.n or not is_same(p + host.at, p + head.host.at, host.n)):
            return -HTTP_BAD_HOST
        if host.n == 0:
            return -HTTP_BAD_HOST
        head.host = host
    if head.host.n and not authority_is_sound(p + head.host.at, head.host.n, head.method == METHOD_CONNECT):
        return -HTTP_BAD_HOST
    return 0


cdef int request_settle(const uint8_t* p, head_t* head, const facts_t* facts) noexcept nogil:
    cdef int status = framing_settle(p, head, facts)
    if status == 0:
        status = host_settle(p, head, facts)
    if status < 0:
        return status
    if head.method == METHOD_CONNECT and head.body != BODY_NONE:
        return -HTTP_BAD_CODING if facts.has_coding else -HTTP_BAD_LENGTH
    if head.minor == 1:
        head.is_upgrade = facts.is_upgrade and facts.has_upgrade and not facts.is_plain_http2 and head.body == BODY_NONE
        head.is_expecting = facts.is_continue and head.body != BODY_NONE
    elif facts.is_continue:     # means nothing in HTTP/1.0 (RFC 9110, section 10.1.1), and must not begin to behind nginy
        name_mark(p, head, <const uint8_t*><const char*>b"expect", 6)
    return 0


# Nothing may follow 1xx and 204, and they say so themselves; HEAD and 304 tell the length of what does not follow.
cdef int response_settle(const uint8_t* p, head_t* head, const facts_t* facts) noexcept nogil:
    cdef int status = framing_settle(p, head, facts)
    if status < 0:
        return status
    if head.status < 200 or head.status == 204:
        if facts.has_coding or head.has_length and head.body_bytes:
            return -HTTP_BAD_CODING if facts.has_coding else -HTTP_BAD_LENGTH
        head.has_length = False
        head.body = BODY_NONE
    elif head.method == METHOD_CONNECT and head.status < 300:
        head.has_length = False
        head.body_bytes = 0
        head.body = BODY_NONE
    elif head.method == METHOD_HEAD or head.status == 304:
        head.body = BODY_NONE
    elif head.body == BODY_NONE:
        head.body = BODY_UNTIL_END
        head.is_kept = False
    head.is_upgrade = head.status == 101 and head.minor == 1 and facts.is_upgrade and facts.has_upgrade
    if head.is_upgrade:         # what follows is another protocol
        head.is_kept = False
    return 0
