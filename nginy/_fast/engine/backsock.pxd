# Upstream sockets: one connected socket per flow, so that the kernel drops what other senders say and tells refusals.
# A socket whose flow has all its answers may rest and serve the next one.
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from nginy._fast.base.layout cimport snap_addr_t
from nginy._fast.engine.flows cimport flow_t, newcomer_t, udp_t
from nginy._fast.engine.types cimport worker_t

cdef inline uint32_t udp_index(const udp_t* u, uint32_t idx) noexcept nogil:
    return u.id << 22 | idx

# Give the flow a socket to this address: a resting one, or a new one. 0 or -errno with nothing held.
cdef int backsock_open(worker_t* w, udp_t* u, uint32_t idx, const snap_addr_t* addr) noexcept nogil
cdef void backsock_close(worker_t* w, udp_t* u, flow_t* f) noexcept nogil

# The flow has ended well: keep its socket for another, if there is room; else close it.
cdef void backsock_rest(worker_t* w, udp_t* u, flow_t* f) noexcept nogil

# A resting socket has something to say: nobody waits for it, so it is counted and dropped; one that is broken is closed.
cdef void backsock_event(worker_t* w, udp_t* u, uint32_t idx, uint32_t gen) noexcept nogil

# Close sockets that have rested for longer than the listener's idle time, or all; a bounded number. True: more to do.
cdef bint backsocks_expire(worker_t* w, udp_t* u, bint is_all) noexcept nogil

# After an adoption: close resting sockets of backends that are gone, or all when sockets are no longer used again.
cdef void backsocks_settle(worker_t* w, udp_t* u) noexcept nogil

# Whether this client is one of our own upstream sockets: the way leads in a circle.
cdef bint backsock_is_loop(const worker_t* w, const newcomer_t* n) noexcept nogil
