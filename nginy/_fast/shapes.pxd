# Published tables from Python: built without ids, packed with them.
from libc.stdint cimport uint32_t
cdef bytes shape_build(str kind, list names, list weights, int ring, uint32_t size)
cdef bytes own_build(str kind, bytes hashes, bytes nodes, uint32_t n_nodes)
cdef bytes map_build(list hashes, list nodes, uint32_t n_nodes)
cdef bytes table_pack(uint32_t pool, parts)
