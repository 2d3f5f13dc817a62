# One flow's datagrams of a batch, on their way to its backend.
from libc.stdint cimport uint32_t
from nginy._fast.engine.flows cimport udp_t
from nginy._fast.engine.types cimport worker_t

# Send the chain of this flow, in order. Ends the flow when that was all, or when no backend takes it.
cdef void flow_forward(worker_t* w, udp_t* u, uint32_t idx) noexcept nogil
