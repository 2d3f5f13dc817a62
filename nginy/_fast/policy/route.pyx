"""Route: binary search by hash, and the name itself compared."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp
from nginy._fast.base.layout cimport NO_INDEX, snap_listener_t
from nginy._fast.base.routing cimport snap_route_t
from nginy._fast.mem.hash cimport hash_bytes
from nginy._fast.policy.snapshot cimport snapshot_t


# Among n sorted routes; pool id or NO_INDEX.
cdef uint32_t find_among(
    const snap_route_t* routes, uint32_t n, const uint8_t* names, const uint8_t* name, uint32_t n_name
) noexcept nogil:
    cdef uint64_t h = hash_bytes(name, n_name, 0)
    cdef uint32_t low = 0
    cdef uint32_t high = n
    cdef uint32_t mid
    while low < high:
        mid = (low + high) // 2
        if routes[mid].hash < h:
            low = mid + 1
        else:
            high = mid
    while low < n and routes[low].hash == h:    # more than one only where two names have the same hash
        if routes[low].n_name == n_name and memcmp(names + routes[low].off_name, name, n_name) == 0:
            return routes[low].pool
        low += 1
    return NO_INDEX


cdef uint32_t route_find(const snapshot_t* s, const snap_listener_t* l, const uint8_t* name, uint32_t n) noexcept nogil:
    cdef const snap_route_t* routes = s.routes + l.routes.first
    cdef const uint8_t* names = s.names + l.routes.off_names
    cdef uint32_t pool, i
    if n == 0:
        return l.pool
    pool = find_among(routes, l.routes.n_exact, names, name, n)
    if pool != NO_INDEX or l.routes.n_suffix == 0:
        return pool if pool != NO_INDEX else l.pool
    for i in range(1, n):       # from the first dot on: the longest suffix comes first
        if name[i - 1] != b'.':
            continue
        pool = find_among(routes + l.routes.n_exact, l.routes.n_suffix, names, name + i, n - i)
        if pool != NO_INDEX:
            return pool
    return l.pool
