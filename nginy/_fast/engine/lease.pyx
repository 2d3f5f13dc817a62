"""Lease: in-flight counts that stay true when a worker dies (control subtracts the dead row's share)."""

from libc.stdint cimport uint32_t
from nginy._fast.base.cdefs cimport NGY_CHECK, ngy_add32, ngy_store64, ngy_sub32
from nginy._fast.base.board cimport backend_row_t
from nginy._fast.base.status cimport REASON_BACKENDS_FULL
from nginy._fast.engine.stats cimport count
from nginy._fast.engine.types cimport session_t, worker_t
from nginy._fast.policy.choose cimport attempt_t, policy_choose

cdef enum:
    LEASE_RACES = 64            # lost races for the last free place before the pool counts as full


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


cdef int lease_choose(worker_t* w, uint32_t pool, attempt_t* attempt) noexcept nogil:
    cdef uint32_t _turn
    cdef int at
    for _turn in range(LEASE_RACES):
        at = policy_choose(&w.chooser, &w.snapshot, pool, attempt)
        if at < 0 or lease_begin(w, w.snapshot.backends[at].id, w.snapshot.backends[at].max_conns):
            return at
    return -REASON_BACKENDS_FULL


cdef void lease_drop(worker_t* w, session_t* s) noexcept nogil:
    if not s.has_lease:
        return
    s.has_lease = 0
    lease_end(w, s.backend)
