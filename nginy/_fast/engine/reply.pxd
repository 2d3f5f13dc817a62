# From backends to clients: answers are taken straight into the batch that carries them on.
from libc.stdint cimport uint32_t
from nginy._fast.engine.flows cimport udp_t
from nginy._fast.engine.types cimport worker_t

# Poller bits for a flow's upstream socket.
cdef void reply_event(worker_t* w, udp_t* u, uint32_t idx, uint32_t fd_gen, uint32_t bits) noexcept nogil

# Send what has been gathered; what cannot be sent is dropped and counted.
cdef void replies_flush(worker_t* w) noexcept nogil
