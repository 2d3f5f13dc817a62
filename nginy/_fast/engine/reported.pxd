# What backends say of their load in their responses.
from libc.stdint cimport uint8_t, uint32_t
from nginy._fast.base.board cimport http_pool_row_t
from nginy._fast.base.layout cimport snap_pool_t
from nginy._fast.engine.types cimport worker_t
from nginy._fast.wire.http1 cimport head_t

# A load as it is told: digits, and maybe a point and digits that do not count. False: it is something else.
cdef bint reported_ms(const uint8_t* p, uint32_t n, uint32_t* ms) noexcept nogil

# The field that the pool is told loads in is heard, and taken out of the response. The first one counts; what is no number of
# milliseconds is counted in the row.
cdef void reported_take(
    worker_t* w, http_pool_row_t* row, const snap_pool_t* pool, uint32_t backend, const uint8_t* p, head_t* head
) noexcept nogil
