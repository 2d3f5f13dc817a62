"""Rendezvous: a logarithm in whole numbers, from a table that is itself made of whole numbers."""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport qsort
from nginy._fast.policy.node cimport node_t

cdef extern from *:
    int leading_zeros "__builtin_clzll" (unsigned long long x) nogil

cdef enum:
    TABLE_BITS = 10
    TABLE_SIZE = 1024           # 1 << TABLE_BITS
    LOG_BITS = 40               # behind the point
    PART_BITS = 22              # between two entries; product with a step of the table stays below 2**64
    STEPS = 40                  # squarings: a bit of the logarithm each

# log2(1 + i / TABLE_SIZE), LOG_BITS behind the point; and how far the curve bulges above the chord to the next entry.
cdef uint64_t logs[TABLE_SIZE + 1]
cdef uint64_t bulges[TABLE_SIZE]


# log2 of m / 2**31, m in 2**31 .. 2**32 - 1. Squared, a number in [1, 2) is 2 or more when the next bit of its log is 1.
cdef uint64_t log_slowly(uint64_t m) noexcept nogil:
    cdef uint64_t log = 0
    cdef uint32_t _bit
    for _bit in range(STEPS):
        m = m * m >> 31
        log <<= 1
        if m >> 32:
            m >>= 1
            log |= 1
    return log << (LOG_BITS - STEPS)


# The chord's error is a parabola in all but the smallest terms: its height follows from how the slope changes.
cdef void fill() noexcept nogil:
    cdef uint32_t i
    for i in range(TABLE_SIZE):
        logs[i] = log_slowly((<uint64_t>1 << 31) + (<uint64_t>i << (31 - TABLE_BITS)))
    logs[TABLE_SIZE] = <uint64_t>1 << LOG_BITS
    for i in range(1, TABLE_SIZE):
        bulges[i] = (2 * logs[i] - logs[i - 1] - logs[i + 1]) // 2
    bulges[0] = bulges[1]


cdef inline uint64_t log2_of(uint64_t x) noexcept nogil:
    cdef int zeros = leading_zeros(x)
    cdef uint64_t m = x << zeros << 1       # behind the leading one
    cdef uint32_t at = <uint32_t>(m >> (64 - TABLE_BITS))
    cdef uint64_t part = m << TABLE_BITS >> (64 - PART_BITS)
    cdef uint64_t log = (logs[at + 1] - logs[at]) * part >> PART_BITS
    log += (part * ((<uint64_t>1 << PART_BITS) - part) >> PART_BITS) * bulges[at] >> PART_BITS
    return (<uint64_t>(63 - zeros) << LOG_BITS) + logs[at] + log


cdef uint64_t rendezvous_cost(uint64_t key_hash, uint64_t node_hash) noexcept nogil:
    # 64 minus log2 of a number in 1 .. 2**64 - 1; one unit more, so that no cost is 0 and weights always count
    cdef uint64_t drawn = rendezvous_draw(key_hash, node_hash)
    return (<uint64_t>64 << LOG_BITS) - log2_of(drawn | 1) + 1


cdef uint32_t rendezvous_find(const node_t* nodes, uint32_t n, uint64_t key_hash) noexcept nogil:
    cdef uint32_t best = RENDEZVOUS_NONE
    cdef uint64_t best_cost = 0
    cdef uint64_t cost
    cdef uint32_t i
    for i in range(n):
        if nodes[i].weight == 0:
            continue
        cost = rendezvous_cost(key_hash, nodes[i].hash)
        if (
            best == RENDEZVOUS_NONE or rendezvous_is_less(cost, nodes[i].weight, best_cost, nodes[best].weight)
            or (cost * nodes[best].weight == best_cost * nodes[i].weight and nodes[i].hash < nodes[best].hash)
        ):
            best = i
            best_cost = cost
    return best


cdef int compare(const void* one, const void* two) noexcept nogil:
    cdef const rendezvous_rank_t* a = <const rendezvous_rank_t*>one
    cdef const rendezvous_rank_t* b = <const rendezvous_rank_t*>two
    if rendezvous_is_less(a.cost, a.weight, b.cost, b.weight):
        return -1
    if rendezvous_is_less(b.cost, b.weight, a.cost, a.weight):
        return 1
    return (a.hash > b.hash) - (a.hash < b.hash)


cdef uint32_t rendezvous_order(const node_t* nodes, uint32_t n, uint64_t key_hash, rendezvous_rank_t* ranks) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t n_ranks = 0
    for i in range(n):
        if nodes[i].weight == 0:
            continue
        ranks[n_ranks].cost = rendezvous_cost(key_hash, nodes[i].hash)
        ranks[n_ranks].hash = nodes[i].hash
        ranks[n_ranks].weight = nodes[i].weight
        ranks[n_ranks].at = i
        n_ranks += 1
    qsort(ranks, n_ranks, sizeof(rendezvous_rank_t), &compare)
    return n_ranks


fill()
