# A flow's life: opened by a datagram that belongs to none, ended once with exactly one reason.
from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.engine.flows cimport datagram_t, flow_t, newcomer_t, udp_t
from nginy._fast.engine.types cimport now_tick, worker_t
from nginy._fast.mem.flowtable cimport flowtable_side, flowtable_touch

cdef inline flow_t* flow_at(const udp_t* u, uint32_t idx) noexcept nogil:
    return <flow_t*>flowtable_side(&u.flows, idx)

cdef inline void flow_touch(worker_t* w, udp_t* u, uint32_t idx) noexcept nogil:
    flowtable_touch(&u.flows, idx, now_tick(w))

# A flow with a connected socket, or FLOW_NONE with the reason (drop_t) in *drop.
cdef uint32_t flow_open(worker_t* w, udp_t* u, const newcomer_t* n, uint32_t* drop) noexcept nogil

# A policy in Python has answered (at: a position in the snapshot, its lease taken), or will not (-1: the fallback chooses).
# first: a datagram that waits, NULL = none. 0, and the flow has a socket or asks again; or 1 + drop_t.
# Its buffer is the caller's from now on.
cdef uint32_t flow_resume(worker_t* w, udp_t* u, uint32_t idx, int at, const datagram_t* first) noexcept nogil

# Its backend refused, or cannot be reached: distrust it and go on with another. 0, or 1 + drop_t when there is none.
cdef uint32_t flow_move(worker_t* w, udp_t* u, uint32_t idx, int error) noexcept nogil

# The only end of a flow.
cdef void flow_end(worker_t* w, udp_t* u, uint32_t idx, uint32_t reason) noexcept nogil

# Whether its last answer is there: as nginx' proxy_requests and proxy_responses have it.
cdef bint flow_is_done(const udp_t* u, const flow_t* f) noexcept nogil

# Answers that may still come before it is done.
cdef uint64_t flow_due(const udp_t* u, const flow_t* f) noexcept nogil

# The first answer came: from now on nothing evicts it.
cdef void flow_answered(worker_t* w, udp_t* u, uint32_t idx) noexcept nogil

# Its backend refused, and no datagram is at hand that another could get: it ends, the next one chooses again.
cdef void flow_refused(worker_t* w, udp_t* u, uint32_t idx, int error) noexcept nogil

# End up to FLOWS_EXPIRED_PER_TURN flows that have been silent.
cdef void flows_expire(worker_t* w, udp_t* u) noexcept nogil
