"""Maglev: how many slots each node gets, when its turns are, and the fill."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport qsort
from libc.string cimport memset
from nginy._fast.base.cdefs cimport EINVAL
from nginy._fast.mem.hash cimport hash_mix
from nginy._fast.policy.node cimport node_t

cdef struct claimant_t:
    uint64_t sort_by            # the node's hash; then what rounding takes from it, turned round
    uint32_t at                 # next slot it asks for
    uint32_t skip               # to the one after that
    uint32_t n_slots            # that it is to get
    uint32_t node               # position of the node
    uint32_t rank               # by hash: whose turn comes first

cdef struct build_t:            # parts of the scratch memory
    claimant_t* claimants       # n
    uint32_t* turns             # size: ranks in order of their turns
    uint32_t* ends              # size + 1: of the turns that begin with the same slot's worth of fill
    uint8_t* taken              # a bit for each slot; beside the slots, as 8 KiB stay in the first cache
    uint32_t n
    uint32_t size


cdef bint maglev_is_size(uint32_t size) noexcept nogil:
    cdef uint32_t divisor = 3
    if size == 2 or size % 2 == 0 or size > MAGLEV_SIZE_MOST:
        return False
    while divisor * divisor <= size:
        if size % divisor == 0:
            return False
        divisor += 2
    return size > 1


cdef uint64_t maglev_scratch(uint32_t n, uint32_t size) noexcept nogil:
    return (
        <uint64_t>n * sizeof(claimant_t) + <uint64_t>size * sizeof(uint32_t)
        + (<uint64_t>size + 1) * sizeof(uint32_t) + size // 8 + 1
    )


cdef int compare(const void* one, const void* two) noexcept nogil:
    cdef const claimant_t* a = <const claimant_t*>one
    cdef const claimant_t* b = <const claimant_t*>two
    if a.sort_by != b.sort_by:
        return 1 if a.sort_by > b.sort_by else -1
    return (a.rank > b.rank) - (a.rank < b.rank)


cdef void claimants_open(build_t* b, const node_t* nodes, uint32_t n) noexcept nogil:
    cdef uint32_t i
    cdef claimant_t* c
    b.n = 0
    for i in range(n):
        if nodes[i].weight == 0:
            continue
        c = &b.claimants[b.n]
        c.sort_by = nodes[i].hash
        c.rank = i
        c.node = i
        c.at = <uint32_t>(hash_mix(nodes[i].hash + 1) % b.size)
        c.skip = <uint32_t>(hash_mix(nodes[i].hash + 2) % (b.size - 1)) + 1
        b.n += 1
    qsort(b.claimants, b.n, sizeof(claimant_t), &compare)
    for i in range(b.n):
        b.claimants[i].rank = i


# Everybody gets its share of the slots, cut to a whole number; what is left goes, one each, to those who were cut most.
# The claimants leave in that order.
cdef void share_slots(build_t* b, const node_t* nodes, uint64_t weight_sum) noexcept nogil:
    cdef uint32_t left = b.size
    cdef uint32_t i
    cdef uint64_t exact
    for i in range(b.n):
        exact = <uint64_t>b.size * nodes[b.claimants[i].node].weight
        b.claimants[i].n_slots = <uint32_t>(exact // weight_sum)
        b.claimants[i].sort_by = ~(exact % weight_sum)
        left -= b.claimants[i].n_slots
    qsort(b.claimants, b.n, sizeof(claimant_t), &compare)
    for i in range(left):
        b.claimants[i].n_slots += 1


# Count the turns, or note them: turn j of a node with q slots is due when (2j + 1) / 2q of the table is filled.
cdef void walk_turns(build_t* b, bint is_count) noexcept nogil:
    cdef const claimant_t* c
    cdef uint32_t i, _turn, due, rest, step, step_rest, twice
    for i in range(b.n):
        c = &b.claimants[i]
        if c.n_slots == 0:
            continue
        twice = 2 * c.n_slots
        due = b.size // twice
        rest = b.size % twice
        step = b.size // c.n_slots
        step_rest = 2 * (b.size % c.n_slots)
        for _turn in range(c.n_slots):
            if is_count:
                b.ends[due + 1] += 1
            else:
                b.turns[b.ends[due]] = i
                b.ends[due] += 1
            due += step
            rest += step_rest
            if rest >= twice:
                rest -= twice
                due += 1


# Turns by due time, and by rank where it is the same.
cdef void order_turns(build_t* b) noexcept nogil:
    cdef uint32_t i
    for i in range(b.n):        # back to the order of ranks
        b.claimants[i].sort_by = b.claimants[i].rank
    qsort(b.claimants, b.n, sizeof(claimant_t), &compare)
    memset(b.ends, 0, (<uint64_t>b.size + 1) * sizeof(uint32_t))
    walk_turns(b, True)
    for i in range(b.size):
        b.ends[i + 1] += b.ends[i]
    walk_turns(b, False)


cdef void fill(build_t* b, const node_t* nodes, uint16_t* slots) noexcept nogil:
    cdef uint32_t i, at
    cdef claimant_t* c
    memset(b.taken, 0, b.size // 8 + 1)
    for i in range(b.size):
        c = &b.claimants[b.turns[i]]
        at = c.at
        while b.taken[at >> 3] >> (at & 7) & 1:     # ends: as many turns as slots, and a prime visits them all
            at += c.skip
            if at >= b.size:
                at -= b.size
        b.taken[at >> 3] |= <uint8_t>(1 << (at & 7))
        slots[at] = <uint16_t>nodes[c.node].index
        at += c.skip
        c.at = at if at < b.size else at - b.size


cdef int maglev_build(const node_t* nodes, uint32_t n, uint32_t size, uint16_t* slots, void* scratch) noexcept nogil:
    cdef build_t b
    cdef uint64_t weight_sum = 0
    cdef uint32_t i
    for i in range(n):
        weight_sum += nodes[i].weight
    if n > MAGLEV_NODES or weight_sum == 0 or not maglev_is_size(size):
        return -EINVAL
    b.size = size
    b.claimants = <claimant_t*>scratch
    b.turns = <uint32_t*>(b.claimants + n)
    b.ends = b.turns + size
    b.taken = <uint8_t*>(b.ends + size + 1)
    claimants_open(&b, nodes, n)
    share_slots(&b, nodes, weight_sum)
    order_turns(&b)
    fill(&b, nodes, slots)
    return 0
