"""Load: fewest in flight, shortest time, or the less busy of two."""

from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.base.layout cimport snap_backend_t
from nginy._fast.policy.choose cimport chooser_t, spent_t
from nginy._fast.policy.look cimport load_of, look_t, may_take
from nginy._fast.policy.turns cimport choose_random

cdef enum:
    TIME_LOOKS = 256            # backends whose times are compared in one choice; the next ones at the next
    HALF_SHIFT = 13             # what was seen counts half after 8.192 s
    UNSEEN_COST = 16000000      # a second: somebody who has not answered yet, but has been asked
    COST_MOST = 1 << 30         # 67 s; so that the products below fit into 64 bits
    FLIGHT_MOST = 131071


# In flight per weight; one more is counted so that weight matters at zero.
cdef int choose_least_conn(chooser_t* c, look_t* look) noexcept nogil:
    cdef uint32_t n = look.tier.n
    cdef uint32_t at = c.cursor[look.pool.id] % n + look.tier.first
    cdef uint32_t _turn
    cdef const snap_backend_t* b
    cdef uint64_t load
    cdef uint64_t best_load = 0
    cdef uint64_t best_weight = 0
    cdef int best = -1
    for _turn in range(n):      # from a moving start, so that equals take turns
        b = &look.s.backends[at]
        load = <uint64_t>load_of(c, b.id) + 1
        if (best < 0 or load * best_weight < best_load * b.weight) and may_take(c, look, b):
            best = <int>at
            best_load = load
            best_weight = b.weight
        at += 1
        if at == look.tier.first + n:
            at = look.tier.first
    if best >= 0:
        c.cursor[look.pool.id] = <uint32_t>best - look.tier.first + 1
    return best


# Seen long ago, it counts less: a slow one is asked again one day. Halves, and straight lines between.
cdef inline uint64_t faded(const spent_t* spent, uint64_t now_ms) noexcept nogil:
    cdef uint64_t ms = now_ms - spent.at_ms if now_ms > spent.at_ms else 0
    cdef uint64_t cost
    if ms >> HALF_SHIFT > 31:
        return 1
    cost = spent.cost >> (ms >> HALF_SHIFT)
    return cost - (cost * (ms & ((1 << HALF_SHIFT) - 1)) >> (HALF_SHIFT + 1)) + 1


cdef inline uint64_t time_cost(chooser_t* c, uint32_t id, uint64_t now_ms) noexcept nogil:
    cdef uint64_t flight = min(load_of(c, id), <uint32_t>FLIGHT_MOST)
    if c.spent[id].cost == 0:   # never seen: first, but not for everybody at once
        return flight * UNSEEN_COST
    return faded(&c.spent[id], now_ms) * (flight + 1)


cdef int choose_least_time(chooser_t* c, look_t* look) noexcept nogil:
    cdef uint32_t n = look.tier.n
    cdef uint32_t at = c.cursor[look.pool.id] % n + look.tier.first
    cdef uint32_t _turn
    cdef const snap_backend_t* b
    cdef uint64_t cost
    cdef uint64_t best_cost = 0
    cdef uint64_t best_weight = 0
    cdef int best = -1
    for _turn in range(n):
        if _turn >= TIME_LOOKS and best >= 0:
            break
        b = &look.s.backends[at]
        cost = time_cost(c, b.id, look.attempt.now_ms)
        if (best < 0 or cost * best_weight < best_cost * b.weight) and may_take(c, look, b):
            best = <int>at
            best_cost = cost
            best_weight = b.weight
        at += 1
        if at == look.tier.first + n:
            at = look.tier.first
    if best >= 0:
        c.cursor[look.pool.id] = (at if n > TIME_LOOKS else <uint32_t>best + 1) - look.tier.first
    return best


cdef int choose_random2(chooser_t* c, look_t* look) noexcept nogil:
    cdef int first = choose_random(c, look)
    cdef int second
    if first < 0:
        return -1
    second = choose_random(c, look)
    # plain counts: the draws have honoured the weights
    if second < 0:              # another worker took the last place meanwhile
        return first
    if load_of(c, look.s.backends[second].id) < load_of(c, look.s.backends[first].id):
        return second
    return first
