# One flow's datagrams of a batch, on their way to its backend.
from libc.stdint cimport uint32_t
from nginy._fast.engine.flows cimport datagram_t, udp_t
from nginy._fast.engine.types cimport worker_t

# Send the chain of this flow that begins with datagram i of `all`, in order; hold it while the flow's backend is being
# asked for. Ends the flow when that was all, or when no backend takes it.
cdef void flow_forward(worker_t* w, udp_t* u, uint32_t idx, const datagram_t* all, uint32_t i) noexcept nogil

# A policy in Python has answered, or will not: go on with the backend at this position, its lease taken; -1 = with what
# the fallback chooses. What was held leaves first.
cdef void flow_chosen(worker_t* w, udp_t* u, uint32_t idx, int at) noexcept nogil
