"""Requestkey: the first of its name is the one, as HAProxy has it; a request without one goes by its client."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp
from nginy._fast.base.layout cimport KEY_COOKIE, KEY_HEADER, KEY_HOST, KEY_PATH, snap_key_t
from nginy._fast.policy.key cimport KEY_OWN_BYTES, key_t
from nginy._fast.wire.cookie cimport cookie_next, cookie_t
from nginy._fast.wire.http1 cimport FIELD_COOKIE, field_t, head_t, span_t
from nginy._fast.wire.octet cimport is_same, low1


cdef inline void take(key_t* key, const uint8_t* p, uint32_t n) noexcept nogil:
    key.at = p
    key.n = n


cdef void take_header(key_t* key, const snap_key_t* conf, const uint8_t* p, const head_t* head) noexcept nogil:
    cdef const field_t* field = head.fields
    cdef uint32_t _i
    for _i in range(head.n_fields):
        if field.name.n == conf.n_value and is_same(p + field.name.at, conf.value, conf.n_value):
            take(key, p + field.value.at, field.value.n)
            return
        field += 1


cdef void take_cookie(key_t* key, const snap_key_t* conf, const uint8_t* p, const head_t* head) noexcept nogil:
    cdef const span_t* value
    cdef cookie_t cookie
    cdef uint32_t i
    cdef uint32_t at
    for i in range(head.n_fields):
        if head.fields[i].kind != FIELD_COOKIE:
            continue
        value = &head.fields[i].value
        at = 0
        while cookie_next(p + value.at, value.n, &at, &cookie):
            if cookie.n_name == conf.n_value and memcmp(p + value.at + cookie.name, conf.value, conf.n_value) == 0:
                take(key, p + value.at + cookie.value, cookie.n_value)
                return


cdef void take_path(key_t* key, const snap_key_t* conf, const uint8_t* p, const head_t* head) noexcept nogil:
    cdef uint32_t n = head.path.n
    cdef uint32_t slashes = 0
    cdef uint32_t i
    if conf.offset:
        for i in range(n):
            slashes += p[head.path.at + i] == c'/'
            if slashes > conf.offset:
                n = i
                break
    elif conf.n_bytes and n and head.has_query:     # it stands behind the path and a question mark
        n = head.query.at + head.query.n - head.path.at
    take(key, p + head.path.at, n)


cdef void take_argument(key_t* key, const snap_key_t* conf, const uint8_t* p, const head_t* head) noexcept nogil:
    cdef const uint8_t* query = p + head.query.at
    cdef uint32_t at = 0
    cdef uint32_t end
    while at < head.query.n:
        end = at
        while end < head.query.n and query[end] != c'&':
            end += 1
        if end - at > conf.n_value and query[at + conf.n_value] == c'=' and memcmp(query + at, conf.value, conf.n_value) == 0:
            take(key, query + at + conf.n_value + 1, end - at - conf.n_value - 1)
            return
        at = end + 1


# Bytes of a host without its port; an IPv6 address keeps its brackets.
cdef uint32_t portless(const uint8_t* host, uint32_t n) noexcept nogil:
    cdef uint32_t i = n
    while i and c'0' <= host[i - 1] <= c'9':
        i -= 1
    return i - 1 if i and host[i - 1] == c':' else n


cdef void take_host(key_t* key, const uint8_t* p, const head_t* head) noexcept nogil:
    cdef const uint8_t* host = p + head.host.at
    cdef uint32_t n = portless(host, head.host.n)
    cdef uint32_t i
    if n and host[n - 1] == c'.':
        n -= 1
    if n > KEY_OWN_BYTES:       # no name is so long (RFC 1035, section 2.3.4)
        return
    for i in range(n):
        key.own[i] = low1(host[i])
    take(key, key.own, n)


cdef void take_of_request(key_t* key, const snap_key_t* conf, const uint8_t* p, const head_t* head) noexcept nogil:
    key.n = 0
    if conf.kind == KEY_HEADER:
        take_header(key, conf, p, head)
    elif conf.kind == KEY_COOKIE:
        take_cookie(key, conf, p, head)
    elif conf.kind == KEY_PATH:
        take_path(key, conf, p, head)
    elif conf.kind == KEY_HOST:
        take_host(key, p, head)
    else:
        take_argument(key, conf, p, head)
