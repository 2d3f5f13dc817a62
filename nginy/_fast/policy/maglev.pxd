# Maglev tables: a slot for a hash, a node in each slot. Eisenbud et al., NSDI 2016, section 3.4.
# A node claims slots in an order of its own. Here it also knows how many it is to get, size * weight / sum rounded by largest
# remainder, and takes its turns evenly spread over the whole fill, so that weights hold to less than one slot.
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from nginy._fast.mem.hash cimport hash_mix
from nginy._fast.policy.node cimport node_t

cdef enum:
    MAGLEV_NODES = 65535        # 16 bits in a slot
    MAGLEV_SIZE = 65537         # slots unless told
    MAGLEV_SIZE_MOST = 4194304  # slots
    MAGLEV_PROBES = 16          # hashes tried for a usable node before a walk

cdef struct maglev_t:           # a view
    const uint16_t* slots       # borrowed; nodes' indexes
    uint32_t size

# Whether a table may have so many slots: a prime, so that every node's order visits all of them.
cdef bint maglev_is_size(uint32_t size) noexcept nogil

# Bytes of scratch memory that a build needs.
cdef uint64_t maglev_scratch(uint32_t n, uint32_t size) noexcept nogil

# Write all slots. Same nodes, same table, whatever their order. scratch: maglev_scratch bytes, aligned to 8.
# 0, or -EINVAL: no weight at all, n > MAGLEV_NODES, or a size that maglev_is_size refuses. O(size * log size).
cdef int maglev_build(const node_t* nodes, uint32_t n, uint32_t size, uint16_t* slots, void* scratch) noexcept nogil

# The slot of a hash: its upper half, scaled.
cdef inline uint32_t maglev_slot(const maglev_t* m, uint64_t hash) noexcept nogil:
    return <uint32_t>((hash >> 32) * m.size >> 32)

cdef inline uint32_t maglev_find(const maglev_t* m, uint64_t hash) noexcept nogil:
    return m.slots[maglev_slot(m, hash)]

# Candidate number `turn` of a key, 0 = maglev_find. First fresh hashes, so that keys of a node that is gone spread by weight,
# then every slot from the key's own on: by turn MAGLEV_PROBES + size all nodes have been named. The same node may come again.
cdef inline uint32_t maglev_next(const maglev_t* m, uint64_t hash, uint32_t turn) noexcept nogil:
    cdef uint32_t at
    if turn == 0:
        return maglev_find(m, hash)
    if turn < MAGLEV_PROBES:
        return maglev_find(m, hash_mix(hash + turn * <uint64_t>0x9e3779b97f4a7c15))
    at = maglev_slot(m, hash) + (turn - MAGLEV_PROBES) % m.size
    return m.slots[at if at < m.size else at - m.size]
