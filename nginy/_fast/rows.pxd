# Rows of a snapshot as control writes them in Python, as the structs of the layout.
from nginy._fast.policy.pack cimport snapshot_parts_t

# ValueError unless 0 <= value < limit.
cdef check_id(what, value, limit)

# ValueError for an id that stands twice, or a backend without its pool.
cdef check_rows(listeners, pools, backends, sockets)

cdef class SnapshotRows:
    cdef snapshot_parts_t parts     # owns every array in it

    cdef take_listeners(self, rows)
    cdef take_pools(self, rows)
    cdef take_backends(self, rows)  # sorted by pool, then tier
    cdef take_sockets(self, rows)
