"""Http1write: runs of fields that are canonical already are copied at once, the others one by one."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset, strlen
from nginy._fast.wire.http1 cimport (
    BODY_CHUNKED, BODY_LENGTH, BODY_NONE, FIELD_CONTENT_LENGTH, FIELD_COOKIE, FIELD_EXPECT, FIELD_FORWARDED, FIELD_HOST,
    FIELD_OTHER, FIELD_SET_COOKIE, FIELD_TRACEPARENT, FIELD_TRAILER, FIELD_UPGRADE, FIELD_VIA, FIELD_X_FORWARDED_FOR,
    FIELD_X_FORWARDED_HOST, FIELD_X_FORWARDED_PROTO, FIELD_X_REQUEST_ID, TARGET_ASTERISK, TARGET_AUTHORITY, field_t, span_t,
)
from nginy._fast.wire.octet cimport is_same, is_text

cdef enum:
    CR = 13
    DIGITS_MOST = 20

cdef struct out_t:
    uint8_t* to                 # borrowed
    uint32_t at
    uint32_t room
    bint is_full

cdef const char* names[FIELD_COUNT]     # of those that a rewrite may write
names[FIELD_HOST] = b"Host"
names[FIELD_EXPECT] = b"Expect"
names[FIELD_TRAILER] = b"Trailer"
names[FIELD_VIA] = b"Via"
names[FIELD_FORWARDED] = b"Forwarded"
names[FIELD_X_FORWARDED_FOR] = b"X-Forwarded-For"
names[FIELD_X_FORWARDED_PROTO] = b"X-Forwarded-Proto"
names[FIELD_X_FORWARDED_HOST] = b"X-Forwarded-Host"
names[FIELD_X_REQUEST_ID] = b"X-Request-ID"
names[FIELD_TRACEPARENT] = b"traceparent"
names[FIELD_COOKIE] = b"Cookie"
names[FIELD_SET_COOKIE] = b"Set-Cookie"

cdef const char* options[4]             # of Connection
options[CONNECTION_NONE] = b""
options[CONNECTION_CLOSE] = b"close"
options[CONNECTION_KEEP_ALIVE] = b"keep-alive"
options[CONNECTION_UPGRADE] = b"upgrade"


cdef void rewrite_open(rewrite_t* r, const head_t* head) noexcept nogil:
    memset(r, 0, sizeof(rewrite_t))
    r.body = head.body


cdef inline void put(out_t* out, const uint8_t* p, uint32_t n) noexcept nogil:
    if n > out.room - out.at:
        out.is_full = True
    elif n:                     # nothing may stand nowhere
        memcpy(out.to + out.at, p, n)
        out.at += n


cdef inline void put_text(out_t* out, const char* text) noexcept nogil:
    put(out, <const uint8_t*>text, <uint32_t>strlen(text))


cdef inline void put_span(out_t* out, const uint8_t* p, span_t span) noexcept nogil:
    put(out, p + span.at, span.n)


cdef void put_number(out_t* out, uint64_t value) noexcept nogil:
    cdef uint8_t digits[DIGITS_MOST]
    cdef uint32_t at = DIGITS_MOST
    while True:
        at -= 1
        digits[at] = <uint8_t>(c'0' + value % 10)
        value //= 10
        if value == 0:
            break
    put(out, digits + at, DIGITS_MOST - at)


cdef void put_named(out_t* out, uint32_t kind, const text_t* text) noexcept nogil:
    put_text(out, names[kind])
    put_text(out, b": ")
    put(out, text.p, text.n)
    put_text(out, b"\r\n")


# One slash stands where a new beginning and the rest of a path meet, and at the beginning of both.
cdef void put_path(out_t* out, const uint8_t* p, const head_t* head, const rewrite_t* r) noexcept nogil:
    cdef uint32_t cut = min(r.n_path_cut, <uint32_t>head.path.n)
    cdef const uint8_t* rest = p + head.path.at + cut
    cdef uint32_t n = head.path.n - cut
    if r.path.n:
        if r.path.p[0] != c'/':
            put_text(out, b"/")
        put(out, r.path.p, r.path.n)
        if n and rest[0] == c'/' and r.path.p[r.path.n - 1] == c'/':
            rest += 1
            n -= 1
    elif n == 0 or rest[0] != c'/':
        put_text(out, b"/")
    put(out, rest, n)


cdef void put_target(out_t* out, const uint8_t* p, const head_t* head, const rewrite_t* r) noexcept nogil:
    if head.target_form == TARGET_AUTHORITY:
        put_span(out, p, head.target)
    elif head.target_form == TARGET_ASTERISK:
        put_text(out, b"*")
    else:
        put_path(out, p, head, r)
        if head.has_query:
            put_text(out, b"?")
            put_span(out, p, head.query)


# The next edit, its name at *name and its value behind that; NULL = there are no more.
cdef const uint8_t* edit_next(const rewrite_t* r, uint32_t* at, edit_t* edit) noexcept nogil:
    cdef const uint8_t* name
    if r.n_edits - at[0] < sizeof(edit_t):
        return NULL
    memcpy(edit, r.edits + at[0], sizeof(edit_t))
    name = r.edits + at[0] + sizeof(edit_t)
    at[0] += <uint32_t>sizeof(edit_t) + edit.n_name + edit.n_value
    return name if at[0] <= r.n_edits else NULL


cdef bint is_edited(const uint8_t* p, const field_t* field, const rewrite_t* r) noexcept nogil:
    cdef edit_t edit
    cdef uint32_t at = 0
    cdef const uint8_t* name = edit_next(r, &at, &edit)
    while name != NULL:
        if edit.kind != EDIT_ADD and edit.n_name == field.name.n and is_same(p + field.name.at, name, edit.n_name):
            return True
        name = edit_next(r, &at, &edit)
    return False


cdef void put_edit(out_t* out, const rewrite_t* r, const edit_t* edit, const uint8_t* name) noexcept nogil:
    cdef const uint8_t* value = name + edit.n_name
    cdef uint32_t i
    put(out, name, edit.n_name)
    put_text(out, b": ")
    for i in range(edit.n_value):
        if 0 < value[i] <= REWRITE_VARIABLES:
            put(out, r.variables[value[i] - 1].p, r.variables[value[i] - 1].n)
        else:
            put(out, value + i, 1)
    put_text(out, b"\r\n")


cdef void put_edits(out_t* out, const rewrite_t* r) noexcept nogil:
    cdef edit_t edit
    cdef uint32_t at = 0
    cdef const uint8_t* name = edit_next(r, &at, &edit)
    while name != NULL:
        if edit.kind != EDIT_REMOVE:
            put_edit(out, r, &edit, name)
        name = edit_next(r, &at, &edit)


cdef inline bint goes_on(const uint8_t* p, const field_t* field, const rewrite_t* r) noexcept nogil:
    if field.is_hop or r.n_edits and is_edited(p, field, r):
        return False
    if field.kind == FIELD_OTHER:
        return True
    if field.kind == FIELD_HOST or field.kind == FIELD_CONTENT_LENGTH:
        return False
    if field.kind == FIELD_TRAILER and r.body != BODY_CHUNKED:
        return False
    if field.kind == FIELD_SET_COOKIE and r.way[FIELD_SET_COOKIE] == WAY_ADD:
        return True
    return r.way[field.kind] == WAY_KEEP or r.way[field.kind] == WAY_FILL


cdef inline bint is_canonical(const uint8_t* p, const field_t* field) noexcept nogil:
    cdef uint32_t at = field.value.at
    return at == field.name.at + field.name.n + 2 and p[at - 1] == c' ' and p[at + field.value.n] == CR


cdef void put_field(out_t* out, const uint8_t* p, const field_t* field) noexcept nogil:
    put_span(out, p, field.name)
    put_text(out, b": ")
    put_span(out, p, field.value)
    put_text(out, b"\r\n")


cdef void put_fields(out_t* out, const uint8_t* p, const head_t* head, const rewrite_t* r) noexcept nogil:
    cdef const field_t* field = head.fields
    cdef uint32_t at = 0        # the run that is to be copied
    cdef uint32_t end = 0
    cdef uint32_t _i
    for _i in range(head.n_fields):
        if goes_on(p, field, r):
            if end != field.name.at or not is_canonical(p, field):
                put(out, p + at, end - at)
                at = end = field.name.at
            if is_canonical(p, field):
                end = field.value.at + field.value.n + 2
            else:
                put_field(out, p, field)
        field += 1
    put(out, p + at, end - at)


# The values of all fields of a kind, as one list; how many there were.
cdef uint32_t put_values(out_t* out, const uint8_t* p, const head_t* head, uint32_t kind) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t n = 0
    for i in range(head.n_fields):
        if head.fields[i].kind != kind or head.fields[i].is_hop and kind != FIELD_UPGRADE or head.fields[i].value.n == 0:
            continue
        if n:
            put_text(out, b", ")
        put_span(out, p, head.fields[i].value)
        n += 1
    return n


cdef bint has_kind(const head_t* head, uint32_t kind) noexcept nogil:
    cdef uint32_t i
    for i in range(head.n_fields):
        if head.fields[i].kind == kind and not head.fields[i].is_hop:
            return True
    return False


cdef void put_ways(out_t* out, const uint8_t* p, const head_t* head, const rewrite_t* r) noexcept nogil:
    cdef uint32_t kind
    for kind in range(<uint32_t>FIELD_COUNT):
        if r.way[kind] < WAY_SET or names[kind] == NULL or kind == FIELD_HOST:
            continue
        if r.way[kind] == WAY_FILL and has_kind(head, kind):
            continue
        if r.way[kind] != WAY_ADD or kind == FIELD_SET_COOKIE:
            put_named(out, kind, &r.text[kind])
            continue
        put_text(out, names[kind])
        put_text(out, b": ")
        if put_values(out, p, head, kind):
            put_text(out, b", ")
        put(out, r.text[kind].p, r.text[kind].n)
        put_text(out, b"\r\n")


cdef void put_framing(out_t* out, const head_t* head, const rewrite_t* r) noexcept nogil:
    if r.body == BODY_CHUNKED:
        put_text(out, b"Transfer-Encoding: chunked\r\n")
    elif r.body == BODY_LENGTH or r.body == BODY_NONE and head.has_length:
        put_text(out, b"Content-Length: ")
        put_number(out, head.body_bytes)
        put_text(out, b"\r\n")


cdef void put_connection(out_t* out, const uint8_t* p, const head_t* head, const rewrite_t* r) noexcept nogil:
    if r.connection != CONNECTION_NONE or r.takes_trailers:
        put_text(out, b"Connection: ")
        put_text(out, options[r.connection])
        if r.takes_trailers:
            put_text(out, b", TE" if r.connection != CONNECTION_NONE else b"TE")
        put_text(out, b"\r\n")
    if r.connection == CONNECTION_UPGRADE:
        put_text(out, b"Upgrade: ")
        put_values(out, p, head, FIELD_UPGRADE)
        put_text(out, b"\r\n")
    if r.takes_trailers:
        put_text(out, b"TE: trailers\r\n")


cdef uint32_t put_rest(out_t* out, const uint8_t* p, const head_t* head, const rewrite_t* r) noexcept nogil:
    put_fields(out, p, head, r)
    put_ways(out, p, head, r)
    if r.n_edits:
        put_edits(out, r)
    put_framing(out, head, r)
    put_connection(out, p, head, r)
    put_text(out, b"\r\n")
    return 0 if out.is_full else out.at


cdef void out_open(out_t* out, uint8_t* to, uint32_t room) noexcept nogil:
    out.to = to
    out.at = 0
    out.room = room
    out.is_full = False


cdef uint32_t http1_write_request(
    const uint8_t* p, const head_t* head, const rewrite_t* r, uint8_t* to, uint32_t room
) noexcept nogil:
    cdef out_t out
    out_open(&out, to, room)
    put_span(&out, p, head.method_name)
    put_text(&out, b" ")
    put_target(&out, p, head, r)
    put_text(&out, b" HTTP/1.1\r\nHost: ")
    if r.way[FIELD_HOST] == WAY_SET:
        put(&out, r.text[FIELD_HOST].p, r.text[FIELD_HOST].n)
    else:
        put_span(&out, p, head.host)
    put_text(&out, b"\r\n")
    return put_rest(&out, p, head, r)


cdef uint32_t http1_write_response(
    const uint8_t* p, const head_t* head, const rewrite_t* r, uint8_t* to, uint32_t room
) noexcept nogil:
    cdef out_t out
    out_open(&out, to, room)
    put_text(&out, b"HTTP/1.1 ")
    put_number(&out, head.status)
    put_text(&out, b" ")
    put_span(&out, p, head.reason)
    put_text(&out, b"\r\n")
    return put_rest(&out, p, head, r)


cdef inline bint is_of_page(const uint8_t* name, uint32_t n) noexcept nogil:
    if n == 12:
        return is_text(name, b"content-type", 12) or is_text(name, b"x-request-id", 12)
    return n == 5 and is_text(name, b"allow", 5)


cdef uint32_t http1_write_edits(const rewrite_t* r, bint is_page, uint8_t* to, uint32_t room) noexcept nogil:
    cdef out_t out
    cdef edit_t edit
    cdef uint32_t at = 0
    cdef const uint8_t* name = edit_next(r, &at, &edit)
    out_open(&out, to, room)
    while name != NULL:
        if edit.kind != EDIT_REMOVE and not (is_page and is_of_page(name, edit.n_name)):
            put_edit(&out, r, &edit, name)
        name = edit_next(r, &at, &edit)
    return 0 if out.is_full else out.at
