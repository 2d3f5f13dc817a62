# Keys that a request says. Nothing is decoded, and nothing is copied but a host, which is folded to lower case.
from libc.stdint cimport uint8_t
from nginy._fast.base.layout cimport snap_key_t
from nginy._fast.policy.key cimport key_t
from nginy._fast.wire.http1 cimport head_t

# The key of this kind (KEY_HEADER and those that follow), of a head that was read at p; key.n = 0: the request says none, or
# an empty one.
cdef void take_of_request(key_t* key, const snap_key_t* conf, const uint8_t* p, const head_t* head) noexcept nogil
