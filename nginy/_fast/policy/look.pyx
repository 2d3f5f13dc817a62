"""Look: what every policy does with a backend before it takes it."""

from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.base.layout cimport snap_backend_t
from nginy._fast.mem.hash cimport hash_mix, random_next
from nginy._fast.policy.choose cimport POLICY_KEYED, chooser_t
from nginy._fast.policy.key cimport visit_hash


cdef uint64_t look_hash(look_t* look) noexcept nogil:
    if not look.attempt.is_hashed:
        look.attempt.key_hash = visit_hash(&look.pool.key, look.attempt.visit)
        look.attempt.is_hashed = True
    return look.attempt.key_hash


cdef bint is_held_back(chooser_t* c, look_t* look, const snap_backend_t* b) noexcept nogil:
    cdef uint64_t window_ms = look.pool.slow_ms
    cdef uint64_t elapsed_ms = look.attempt.now_ms - b.since_ms if look.attempt.now_ms > b.since_ms else 0
    cdef uint64_t chance, drawn     # of 65,536
    if elapsed_ms >= window_ms:
        return False
    chance = (look.pool.slow_least * window_ms + (1000 - look.pool.slow_least) * elapsed_ms) * 65536 // (1000 * window_ms)
    if look.policy >= POLICY_KEYED:     # by key, so that a client which has come over stays
        drawn = hash_mix(look_hash(look) + b.node_hash) >> 48
    else:
        drawn = random_next(&c.random) >> 48
    if drawn < chance:
        return False
    look.saw_paced = True
    return True


cdef int walk_from(chooser_t* c, look_t* look, uint32_t start) noexcept nogil:
    cdef uint32_t i, at
    for i in range(look.tier.n):
        at = start + i
        if at >= look.tier.n:
            at -= look.tier.n
        if may_take(c, look, &look.s.backends[look.tier.first + at]):
            return <int>(look.tier.first + at)
    return -1


cdef int find_weight(look_t* look, uint64_t point) noexcept nogil:
    cdef uint32_t low = look.tier.first
    cdef uint32_t high = look.tier.first + look.tier.n - 1
    cdef uint32_t mid
    while low < high:
        mid = (low + high) // 2
        if look.s.backends[mid].weight_end > point:
            high = mid
        else:
            low = mid + 1
    return <int>low


cdef int find_share(look_t* look, uint64_t point) noexcept nogil:
    cdef uint32_t low = look.tier.first
    cdef uint32_t high = look.tier.first + look.tier.n - 1
    cdef uint32_t mid
    while low < high:
        mid = (low + high) // 2
        if look.s.backends[mid].share_end > point:
            high = mid
        else:
            low = mid + 1
    return <int>low
