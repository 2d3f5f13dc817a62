"""Lease: in-flight counts that stay true when a worker dies (control subtracts the dead row's share)."""

from libc.stdint cimport uint32_t
from nginy._fast.base.cdefs cimport NGY_CHECK, ngy_add32, ngy_store64, ngy_sub32
from nginy._fast.base.layout cimport backend_row_t
from nginy._fast.engine.stats cimport count
from nginy._fast.engine.types cimport session_t, worker_t


cdef bint lease_begin(worker_t* w, uint32_t backend, uint32_t max_conns) noexcept nogil:
    cdef uint32_t before = ngy_add32(&w.shared.in_flight[backend], 1)
    if max_conns != 0 and before >= max_conns:
        ngy_sub32(&w.shared.in_flight[backend], 1)
        return False
    count(&w.row.backends[backend].live, 1)
    w.n_leases += 1
    return True


cdef void lease_end(worker_t* w, uint32_t backend) noexcept nogil:
    cdef backend_row_t* row = &w.row.backends[backend]
    NGY_CHECK(row.live > 0)
    w.n_leases -= 1
    ngy_store64(&row.live, row.live - 1)
    ngy_sub32(&w.shared.in_flight[backend], 1)


cdef bint lease_take(worker_t* w, session_t* s, unsigned int max_conns) noexcept nogil:
    if not lease_begin(w, s.backend, max_conns):
        return False
    s.has_lease = 1
    return True


cdef void lease_drop(worker_t* w, session_t* s) noexcept nogil:
    if not s.has_lease:
        return
    s.has_lease = 0
    lease_end(w, s.backend)
