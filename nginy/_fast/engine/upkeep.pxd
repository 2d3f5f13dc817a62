# Everything in a turn that no event and no timer asks for. Each step is bounded.
from libc.stdint cimport uint32_t
from nginy._fast.engine.types cimport worker_t

cdef bint upkeep_is_due(const worker_t* w) noexcept nogil
cdef void upkeep_step(worker_t* w) noexcept nogil

# Memory is being given back: the next turn does not wait.
cdef bint upkeep_is_pending(const worker_t* w) noexcept nogil

# End every session with this reason; not bounded, for the end of a worker.
cdef void cut_all(worker_t* w, uint32_t reason) noexcept nogil

# SIGTERM's handler in a worker process.
cdef void worker_on_term(int sig) noexcept nogil
