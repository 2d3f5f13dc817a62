"""Tally: two times and a status for each request, by the clock of the turn; nothing else is looked at."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t
from nginy._fast.base.board cimport SPAN_BUCKETS, http_pool_row_t
from nginy._fast.base.cdefs cimport likely, ngy_store64, unlikely
from nginy._fast.base.limits cimport MAX_POOLS
from nginy._fast.engine.exchanges cimport EXCHANGE_COUNTED, EXCHANGE_REUSED, exchange_t
from nginy._fast.engine.stats cimport count, row_begin, row_end
from nginy._fast.engine.types cimport BACK, FRONT, session_t, worker_t

cdef enum:
    SWITCHED = 101              # another protocol follows, for as long as it likes

cdef uint64_t bounds_us[SPAN_BUCKETS]


# 0.5, 1, 2.5, 5, 10, 25 ms and so on to 10 s, then 30 and 60 s.
cdef void bounds_fill() noexcept nogil:
    cdef uint64_t unit_us = 500
    cdef uint32_t i = 0
    bounds_us[i] = unit_us
    while i + 3 < SPAN_BUCKETS - 1:
        unit_us *= 10
        bounds_us[i + 1] = unit_us // 5
        bounds_us[i + 2] = unit_us // 2
        bounds_us[i + 3] = unit_us
        i += 3
    bounds_us[SPAN_BUCKETS - 3] = 10000000
    bounds_us[SPAN_BUCKETS - 2] = 30000000
    bounds_us[SPAN_BUCKETS - 1] = 60000000


cdef uint64_t span_bound_us(uint32_t at) noexcept nogil:
    return bounds_us[at]


# Most take the first few steps.
cdef inline uint32_t span_bucket(uint64_t us) noexcept nogil:
    cdef uint32_t at = 0
    while at < SPAN_BUCKETS and us > bounds_us[at]:
        at += 1
    return at


cdef inline uint64_t since_us(const worker_t* w, const exchange_t* x) noexcept nogil:
    return w.now_us - x.begin_us if w.now_us > x.begin_us else 0


cdef void tally_begin(worker_t* w, const session_t* s, exchange_t* x) noexcept nogil:
    x.flags &= ~<uint32_t>EXCHANGE_COUNTED
    if unlikely(s.pool >= MAX_POOLS):
        return
    x.flags |= EXCHANGE_COUNTED
    if unlikely(s.pool >= w.row.worker.n_http_pools):
        ngy_store64(&w.row.worker.n_http_pools, <uint64_t>s.pool + 1)


cdef void tally_answer(worker_t* w, const session_t* s, exchange_t* x, uint32_t status, bint is_own) noexcept nogil:
    cdef http_pool_row_t* row
    cdef uint64_t first_us = since_us(w, x)
    x.status = <uint16_t>status
    if unlikely(not x.flags & EXCHANGE_COUNTED or not 100 <= status < 600):
        return
    row = &w.row.http_pools[s.pool]
    row_begin(&row.seq)
    count(&row.responses[status // 100 - 1], 1)
    count(&row.first_us_sum, first_us)
    count(&row.first_hist[span_bucket(first_us)], 1)
    if unlikely(is_own):
        count(&row.own, 1)
    elif x.flags & EXCHANGE_REUSED:
        count(&row.reused, 1)
    row_end(&row.seq)


cdef void tally_end(worker_t* w, const session_t* s, exchange_t* x, bint is_whole) noexcept nogil:
    cdef http_pool_row_t* row
    cdef uint64_t total_us
    if likely(x.flags & EXCHANGE_COUNTED):
        x.flags &= ~<uint32_t>EXCHANGE_COUNTED
        total_us = since_us(w, x)
        row = &w.row.http_pools[s.pool]
        row_begin(&row.seq)
        count(&row.bytes_in, s.bytes[FRONT])
        count(&row.bytes_out, s.bytes[BACK])
        if unlikely(s.n_tried > 1):
            count(&row.retried, s.n_tried - 1)
        if unlikely(x.status == 0):
            count(&row.unanswered, 1)
        elif likely(is_whole and x.status != SWITCHED):
            count(&row.total_us_sum, total_us)
            count(&row.total_hist[span_bucket(total_us)], 1)
        elif x.status != SWITCHED:
            count(&row.cut, 1)
        row_end(&row.seq)
    x.status = 0


bounds_fill()
