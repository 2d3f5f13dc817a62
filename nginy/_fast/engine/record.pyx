"""Record: what a request was is written down while its head is there; the rest is known when it is over."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memcpy, memset
from nginy._fast.base.board cimport (
    AGENT_MOST, HOST_MOST, METHOD_MOST, REFERER_MOST, TARGET_MOST, TEXT_AGENT, TEXT_HOST, TEXT_METHOD,
    TEXT_REFERER, TEXT_TARGET, request_record_t,
)
from nginy._fast.base.layout cimport NO_INDEX
from nginy._fast.engine.exchanges cimport EXCHANGE_COUNTED, EXCHANGE_REUSED, exchange_t
from nginy._fast.engine.records cimport records_push
from nginy._fast.engine.stats cimport count
from nginy._fast.engine.types cimport BACK, FRONT, session_side, session_side_t, session_t, worker_t
from nginy._fast.mem.clock cimport clock_wall_ms
from nginy._fast.mem.slab cimport SLAB_NONE, slab_at, slab_give, slab_take
from nginy._fast.wire.http1 cimport head_t, span_t


cdef inline request_record_t* record_of(const worker_t* w, const exchange_t* x) noexcept nogil:
    return <request_record_t*>slab_at(&w.http.drafts, x.record - 1)


cdef inline uint64_t since_us(const worker_t* w, const exchange_t* x) noexcept nogil:
    return w.now_us - x.begin_us if w.now_us > x.begin_us else 0


# ---- texts ----

cdef void text_put(request_record_t* r, uint32_t which, const uint8_t* p, const span_t* span, uint32_t most) noexcept nogil:
    cdef uint32_t n = span.n
    if n > most:
        n = most
        r.cuts |= <uint8_t>(1 << which)
    memcpy(<uint8_t*>r + r.n_bytes, p + span.at, n)
    r.n_texts[which] = <uint16_t>n
    r.n_bytes += n


# Whether a field has this name, which is in lower case.
cdef bint is_named(const uint8_t* p, const span_t* name, const char* wanted, uint32_t n) noexcept nogil:
    cdef uint32_t i
    if name.n != n:
        return False
    for i in range(n):
        if p[name.at + i] | 32 != <uint8_t>wanted[i]:
            return False
    return True


cdef span_t field_value(const uint8_t* p, const head_t* head, const char* wanted, uint32_t n) noexcept nogil:
    cdef span_t nothing
    cdef uint32_t i
    for i in range(head.n_fields):
        if is_named(p, &head.fields[i].name, wanted, n):
            return head.fields[i].value
    nothing.at = nothing.n = 0
    return nothing


cdef void texts_put(request_record_t* r, const uint8_t* p, const head_t* head) noexcept nogil:
    cdef span_t agent = field_value(p, head, b"user-agent", 10)
    cdef span_t referer = field_value(p, head, b"referer", 7)
    text_put(r, TEXT_METHOD, p, &head.method_name, METHOD_MOST)
    text_put(r, TEXT_HOST, p, &head.host, HOST_MOST)
    text_put(r, TEXT_TARGET, p, &head.target, TARGET_MOST)
    text_put(r, TEXT_AGENT, p, &agent, AGENT_MOST)
    text_put(r, TEXT_REFERER, p, &referer, REFERER_MOST)
    r.minor = head.minor


# ---- from the head to the end ----

cdef void record_begin(worker_t* w, const session_t* s, exchange_t* x, const uint8_t* p, const head_t* head) noexcept nogil:
    cdef uint32_t idx
    cdef request_record_t* r
    if x.record == 0:
        idx = slab_take(&w.http.drafts)
        if idx == SLAB_NONE:
            count(&w.row.worker.access_dropped, 1)
            return
        x.record = idx + 1
    r = record_of(w, x)
    memset(r, 0, sizeof(request_record_t))
    r.n_bytes = sizeof(request_record_t)
    r.listener = s.listener
    r.route = NO_INDEX
    r.first_us = r.bytes_in = r.bytes_out = <uint64_t>-1
    if head != NULL:
        texts_put(r, p, head)


cdef void record_route(worker_t* w, const exchange_t* x, uint32_t number) noexcept nogil:
    record_of(w, x).route = number


# Until the end a count of bytes holds what its direction stood at when the body began.
cdef void record_request(worker_t* w, const session_t* s, const exchange_t* x, uint32_t n_head) noexcept nogil:
    record_of(w, x).bytes_in = s.bytes[FRONT] + n_head


cdef void record_response(worker_t* w, const session_t* s, const exchange_t* x, uint32_t n_head) noexcept nogil:
    record_of(w, x).bytes_out = s.bytes[BACK] + n_head
    record_of(w, x).first_us = since_us(w, x)


# Of a message of ours, its empty line included.
cdef uint32_t head_bytes(const uint8_t* p, uint32_t n) noexcept nogil:
    cdef uint32_t i
    for i in range(4, n + 1):
        if p[i - 1] == 10 and p[i - 2] == 13 and p[i - 3] == 10 and p[i - 4] == 13:
            return i
    return n


cdef void record_own(worker_t* w, const session_t* s, exchange_t* x, uint32_t why, const uint8_t* p, uint32_t n) noexcept nogil:
    if x.record == 0:           # no head was understood, so that nothing has begun
        if x.n_head:
            return
        x.begin_us = w.now_us
        record_begin(w, s, x, NULL, NULL)
        if x.record == 0:
            return
    record_of(w, x).own = <uint8_t>(why + 1)
    record_response(w, s, x, head_bytes(p, n))


cdef inline uint64_t body_bytes(uint64_t now, uint64_t begin) noexcept nogil:
    return now - begin if now > begin else 0


cdef void record_fill(
    const worker_t* w, const session_t* s, const exchange_t* x, request_record_t* r, uint32_t reason
) noexcept nogil:
    cdef const session_side_t* side = session_side(w, s)
    r.end_wall_ms = clock_wall_ms()
    r.duration_us = since_us(w, x)
    r.bytes_in = body_bytes(s.bytes[FRONT], r.bytes_in)
    r.bytes_out = body_bytes(s.bytes[BACK], r.bytes_out)
    r.id[0], r.id[1] = x.request_id[0], x.request_id[1]
    r.status = x.status
    r.reason = <uint8_t>reason
    r.pool = s.pool if x.flags & EXCHANGE_COUNTED else <uint32_t>NO_INDEX
    r.attempts = s.n_tried
    r.backend = s.backend if s.n_tried else <uint32_t>NO_INDEX
    r.is_reused = s.n_tried != 0 and x.flags & EXCHANGE_REUSED != 0
    r.connect_us = s.connect_us if s.n_tried != 0 and not r.is_reused else 0
    r.client_family = side.client_family
    r.client_port = side.client_port
    memcpy(r.client_ip, side.client_ip, 16)
    while r.n_bytes & 7:
        (<uint8_t*>r)[r.n_bytes] = 0
        r.n_bytes += 1


cdef void record_end(worker_t* w, const session_t* s, exchange_t* x, uint32_t reason) noexcept nogil:
    cdef request_record_t* r = record_of(w, x)
    if is_logged(w):
        record_fill(w, s, x, r, reason)
        if not records_push(&w.row.requests, r):
            count(&w.row.worker.access_dropped, 1)
    slab_give(&w.http.drafts, x.record - 1)
    x.record = 0
