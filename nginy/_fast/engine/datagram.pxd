# From clients to backends: batches in, one flow's datagrams together, runs out.
from libc.stdint cimport uint32_t
from nginy._fast.engine.types cimport worker_t

# A UDP socket has datagrams: it is served at the end of this turn's events, after the answers.
cdef void datagrams_note(worker_t* w, uint32_t sock_id) noexcept nogil

# Serve the sockets that were noted, each up to BATCHES_PER_EVENT batches.
cdef void datagrams_serve(worker_t* w) noexcept nogil
