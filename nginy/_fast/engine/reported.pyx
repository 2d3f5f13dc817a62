"""Reported: milliseconds, into the average that all workers share; a report that is lost to a race is one of many."""

from libc.stdint cimport uint8_t, uint32_t
from nginy._fast.base.board cimport http_pool_row_t
from nginy._fast.base.cdefs cimport ngy_load32, ngy_store32
from nginy._fast.base.layout cimport snap_pool_t
from nginy._fast.engine.stats cimport count, row_begin, row_end
from nginy._fast.engine.types cimport worker_t
from nginy._fast.policy.load cimport load_mix
from nginy._fast.wire.http1 cimport head_t
from nginy._fast.wire.octet cimport is_same

cdef enum:
    DIGITS_MOST = 9             # eleven days


cdef void refuse(http_pool_row_t* row) noexcept nogil:
    row_begin(&row.seq)
    count(&row.loads_refused, 1)
    row_end(&row.seq)


cdef bint reported_ms(const uint8_t* p, uint32_t n, uint32_t* ms) noexcept nogil:
    cdef uint32_t i = 0
    ms[0] = 0
    while i < n and c'0' <= p[i] <= c'9' and i < DIGITS_MOST:
        ms[0] = ms[0] * 10 + (p[i] - c'0')
        i += 1
    if i == 0 or i == n:
        return i != 0
    if p[i] != c'.' or i + 1 == n:
        return False
    for i in range(i + 1, n):
        if not c'0' <= p[i] <= c'9':
            return False
    return True


cdef void reported_take(
    worker_t* w, http_pool_row_t* row, const snap_pool_t* pool, uint32_t backend, const uint8_t* p, head_t* head
) noexcept nogil:
    cdef bint is_first = True
    cdef uint32_t i, ms
    for i in range(head.n_fields):
        if head.fields[i].name.n != pool.n_load_name:
            continue
        if not is_same(p + head.fields[i].name.at, pool.load_name, pool.n_load_name):
            continue
        head.fields[i].is_hop = 1
        if is_first and reported_ms(p + head.fields[i].value.at, head.fields[i].value.n, &ms):
            ngy_store32(&w.shared.load_ms[backend], load_mix(ngy_load32(&w.shared.load_ms[backend]), ms))
        elif is_first:
            refuse(row)
        is_first = False
