"""Turns: round robin that is smooth, draws by weight, and the first one with room."""

from libc.stdint cimport int64_t, uint32_t
from nginy._fast.base.layout cimport snap_backend_t
from nginy._fast.mem.hash cimport random_next
from nginy._fast.policy.choose cimport chooser_t
from nginy._fast.policy.look cimport DRAWS, find_weight, look_t, may_take, walk_from


cdef int choose_in_turn(chooser_t* c, look_t* look) noexcept nogil:
    cdef uint32_t start = c.cursor[look.pool.id]
    cdef int got
    if start == 0:
        start = c.phase
    got = walk_from(c, look, start % look.tier.n)
    if got >= 0:
        c.cursor[look.pool.id] = <uint32_t>got - look.tier.first + 1    # 0 means: not begun
    return got


cdef int smooth_step(chooser_t* c, look_t* look) noexcept nogil:
    cdef const snap_backend_t* b
    cdef uint32_t i
    cdef int64_t total = 0
    # greater only after a change of weights: what was owed by the old ones would take as many turns to pay
    cdef int64_t bound = <int64_t>look.tier.weight_sum
    cdef int best = -1
    for i in range(look.tier.first, look.tier.first + look.tier.n):
        b = &look.s.backends[i]
        if not may_take(c, look, b):
            continue
        c.current[b.id] = min(max(c.current[b.id], -bound), bound) + b.weight
        total += b.weight
        if best < 0 or c.current[b.id] > c.current[look.s.backends[best].id]:
            best = <int>i
    if best >= 0:
        c.current[look.s.backends[best].id] -= total
    return best


cdef int choose_smooth(chooser_t* c, look_t* look) noexcept nogil:
    cdef uint32_t _turn
    cdef int got
    if look.tier.is_equal:
        return choose_in_turn(c, look)
    if c.cursor[look.pool.id] == 0:         # this worker is so many turns ahead of the first one, at most MAX_WORKERS
        for _turn in range(c.phase):
            smooth_step(c, look)
    got = smooth_step(c, look)
    if got >= 0:
        c.cursor[look.pool.id] = <uint32_t>got - look.tier.first + 1
    return got


cdef int choose_random(chooser_t* c, look_t* look) noexcept nogil:
    cdef uint32_t _turn
    cdef int at
    if look.tier.weight_sum == 0:
        return -1
    for _turn in range(DRAWS):
        at = find_weight(look, random_next(&c.random) % look.tier.weight_sum)
        if may_take(c, look, &look.s.backends[at]):
            return at
    return walk_from(c, look, <uint32_t>(random_next(&c.random) % look.tier.n))


cdef int choose_first(chooser_t* c, look_t* look) noexcept nogil:
    return walk_from(c, look, 0)
