# Rendezvous hashing (highest random weight; Thaler and Ravishankar, 1998): every node has a cost for a key, the least wins.
# A node's cost is -log2 of a number in (0, 1] drawn from key and node, over its weight: shares follow weights exactly, and a
# node that leaves moves its own keys only. Whole numbers all the way: libm's logarithms differ between machines.
from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.mem.hash cimport hash_mix
from nginy._fast.policy.node cimport node_t

cdef enum:
    RENDEZVOUS_NONE = 0xffffffff

cdef struct rendezvous_rank_t:
    uint64_t cost
    uint64_t hash               # the node's; it decides between equals
    uint32_t weight
    uint32_t at                 # position of the node

# The number that is drawn, and what its cost reaches at least: -log2(1 - x) is 1.4375 x or more. Cheap: most nodes lose by it.
cdef inline uint64_t rendezvous_draw(uint64_t key_hash, uint64_t node_hash) noexcept nogil:
    return hash_mix(hash_mix(key_hash) + node_hash)

cdef inline uint64_t rendezvous_floor(uint64_t drawn) noexcept nogil:
    cdef uint64_t x = ~drawn >> 24
    return x + (x * 7 >> 4)

# -log2 in units of 2**-40; less than 2**47.
cdef uint64_t rendezvous_cost(uint64_t key_hash, uint64_t node_hash) noexcept nogil

# Whether cost a over weight a is below cost b over weight b, without dividing. Weights 1..65535.
cdef inline bint rendezvous_is_less(uint64_t cost_a, uint32_t weight_a, uint64_t cost_b, uint32_t weight_b) noexcept nogil:
    return cost_a * weight_b < cost_b * weight_a

# Position of the winner for a key; of equals the one with the lower hash. RENDEZVOUS_NONE when all weights are 0. O(n).
cdef uint32_t rendezvous_find(const node_t* nodes, uint32_t n, uint64_t key_hash) noexcept nogil

# All nodes of a weight, the winner first, then who would win without it, and so on. Returns how many. O(n log n).
cdef uint32_t rendezvous_order(const node_t* nodes, uint32_t n, uint64_t key_hash, rendezvous_rank_t* ranks) noexcept nogil
