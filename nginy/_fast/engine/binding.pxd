# Bindings: which backend a key means, for listeners whose key is not the client's address and port.
from libc.stdint cimport uint32_t
from nginy._fast.engine.flows cimport flow_t, udp_t
from nginy._fast.engine.types cimport worker_t
from nginy._fast.policy.key cimport key_t

# The id of the backend that this key is bound to, or NO_INDEX.
cdef uint32_t binding_backend(udp_t* u, const key_t* what) noexcept nogil

# A datagram with this key belongs to this flow: the key means its backend from now on. One that means another backend
# already is bound anew only when that was just chosen; else anybody could take a key away who knows it.
cdef void binding_note(worker_t* w, udp_t* u, flow_t* f, const key_t* what, bint is_choice) noexcept nogil

# The flow has moved to another backend: its last key goes with it.
cdef void binding_move(udp_t* u, const flow_t* f) noexcept nogil

# Forget keys that have been silent; a bounded number.
cdef void bindings_expire(worker_t* w, udp_t* u, uint32_t idle_ticks) noexcept nogil
