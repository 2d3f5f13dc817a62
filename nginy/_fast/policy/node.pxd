# What a builder of rings and tables is told about a node. Knows nothing of pools: rings are good for other uses too.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from nginy._fast.mem.hash cimport hash_bytes

cdef struct node_t:
    const uint8_t* name         # borrowed; its text, for the rings of other programs (nginx, libketama) alone
    uint64_t hash               # name_hash of its text: all that our own tables look at
    uint32_t n_name             # bytes
    uint32_t weight             # share; 0 = in no table. 65535 at most
    uint32_t index              # what a look-up answers

# Of a node's text or a client's key; equal on every worker and machine.
cdef inline uint64_t name_hash(const uint8_t* name, uint32_t n_bytes) noexcept nogil:
    return hash_bytes(name, n_bytes, n_bytes)
