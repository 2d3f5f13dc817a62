"""Remainder: whoever does not read what it asked for gets no further answer meanwhile, and never half a one that ends well."""

from libc.stdint cimport uint16_t, uint32_t
from libc.string cimport memcpy
from nginy._fast.base.layout cimport snap_listener_t
from nginy._fast.base.limits cimport HEAD_BYTES
from nginy._fast.base.status cimport REASON_FRONT_RESET
from nginy._fast.engine.exchanges cimport PHASE_OWN, exchange_t
from nginy._fast.engine.lease cimport lease_drop
from nginy._fast.engine.link cimport part_give
from nginy._fast.engine.own cimport exchange_next, own_pass
from nginy._fast.engine.relay cimport relay_arm
from nginy._fast.engine.session cimport session_close
from nginy._fast.engine.types cimport FRONT, LEG_WRITABLE, SESS_EXCHANGE, session_t, worker_t
from nginy._fast.mem.buffers cimport NO_BUFFER, buffers_at, buffers_take
from nginy._fast.policy.snapshot cimport snapshot_listener


cdef void remainder_keep(worker_t* w, session_t* s, exchange_t* x, uint32_t n_sent, uint32_t n) noexcept nogil:
    cdef const snap_listener_t* listener = snapshot_listener(&w.snapshot, s.listener)
    s.state = SESS_EXCHANGE     # where an end is no longer a clean one
    part_give(w, x)
    if n - n_sent <= HEAD_BYTES:
        x.part = buffers_take(&w.http.heads)
    if x.part == NO_BUFFER:
        session_close(w, s, REASON_FRONT_RESET)
        return
    memcpy(buffers_at(&w.http.heads, x.part), w.carrier.scratch + n_sent, n - n_sent)
    x.n_part = <uint16_t>(n - n_sent)
    x.n_own = 0
    x.phase = PHASE_OWN
    lease_drop(w, s)
    s.legs[FRONT].flags &= ~<uint32_t>LEG_WRITABLE
    s.active_ms = w.now_ms
    if listener != NULL:
        s.idle_ms = listener.http.response_ms
    relay_arm(w, s, w.now_ms + s.idle_ms)


cdef void remainder_run(worker_t* w, session_t* s, exchange_t* x) noexcept nogil:
    cdef uint32_t n = x.n_part - x.n_own
    cdef ssize_t sent = own_pass(w, s, buffers_at(&w.http.heads, x.part) + x.n_own, n)
    if sent < 0:
        return
    if sent > 0:
        x.n_own += <uint32_t>sent
        s.active_ms = w.now_ms
    if <uint32_t>sent < n:
        s.legs[FRONT].flags &= ~<uint32_t>LEG_WRITABLE
    else:
        exchange_next(w, s)
