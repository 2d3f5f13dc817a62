# Rates, and what one client address may take. All of them per worker.
from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.engine.flows cimport meter_t, newcomer_t, udp_t
from nginy._fast.engine.types cimport worker_t

# Take n of at most rate per second; a tenth of a second's worth, at least `least`, may come at once. A fresh meter is full.
cdef bint meter_take(meter_t* m, uint64_t rate, uint64_t least, uint64_t n, uint64_t now_ms) noexcept nogil

# May this client have another flow? 0 and its entry in *source (FLOW_NONE when nobody counts), or 1 + drop_t.
cdef uint32_t source_admit(worker_t* w, udp_t* u, const newcomer_t* n, uint32_t* source) noexcept nogil

# A flow of this source has ended.
cdef void source_release(udp_t* u, uint32_t source) noexcept nogil

# Forget sources without flows that have been silent; a bounded number.
cdef void sources_expire(worker_t* w, udp_t* u) noexcept nogil
