# Rows of a snapshot as control writes them in Python, as the structs of the layout.
from nginy._fast.base.layout cimport snap_listener_t, snap_pool_t
from nginy._fast.policy.pack cimport snapshot_parts_t

# ValueError unless 0 <= value < limit.
cdef check_id(what, value, limit)

# ValueError for an id that stands twice, or a backend without its pool.
cdef check_rows(listeners, pools, backends, sockets)

# (n_exact, n_suffix, rows, names) of one listener's routes, as rows take them. Each: (name, pool id).
cdef routes_pack(exact, suffixes)

cdef class SnapshotRows:
    cdef snapshot_parts_t parts     # owns every array in it

    cdef take_listeners(self, rows)
    cdef take_routes(self, snap_listener_t* to, rows)
    cdef take_blocks(self, snap_listener_t* to, rows)
    cdef take_pools(self, rows)
    cdef take_members(self, snap_pool_t* to, rows)
    cdef take_backends(self, rows)  # sorted by pool, then tier
    cdef take_tags(self, pools, backends)   # after those two
    cdef take_sockets(self, rows)
