# Which pool serves a server name. Exact names come before suffixes, of which the longest wins; O(log n) for each label.
from libc.stdint cimport uint8_t, uint32_t
from nginy._fast.base.layout cimport snap_listener_t
from nginy._fast.policy.snapshot cimport snapshot_t

# Pool id; the listener's own pool when no route is for this name (lower case, n may be 0); NO_INDEX when it has none.
cdef uint32_t route_find(const snapshot_t* s, const snap_listener_t* l, const uint8_t* name, uint32_t n) noexcept nogil
