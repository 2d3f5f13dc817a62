"""Choose: the native policies. Tiers in order; weight, state, verdict, max_conns and suspicion are honoured by all."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset
from nginy._fast.base.cdefs cimport ENOMEM, ngy_load32
from nginy._fast.base.layout cimport snap_backend_t, snap_pool_t, snap_tier_t
from nginy._fast.base.limits cimport MAX_BACKENDS, MAX_POOLS, SUSPICION_MS
from nginy._fast.base.status cimport REASON_BACKENDS_FULL, REASON_NO_BACKEND
from nginy._fast.mem.hash cimport hash_mix, random_next
from nginy._fast.mem.region cimport region_close, region_open
from nginy._fast.policy.key cimport visit_hash
from nginy._fast.policy.snapshot cimport snapshot_pool, snapshot_t

cdef enum:
    DRAWS = 8                   # weighted draws before a walk; unusable ones carry no weight, so misses are full or tried ones

cdef enum:                      # allow_t: what this pass forgives
    ALLOW_NONE = 0
    ALLOW_DISTRUSTED = 1
    ALLOW_TRIED = 2

cdef struct look_t:             # one pass over one tier
    const snapshot_t* s
    const snap_tier_t* tier
    attempt_t* attempt
    const snap_pool_t* pool
    int allow
    bint saw_full


cdef int chooser_open(chooser_t* c, const uint32_t* in_flight, uint64_t seed, uint32_t phase) noexcept nogil:
    memset(c, 0, sizeof(chooser_t))
    c.current = <int64_t*>region_open((MAX_BACKENDS + 1) * sizeof(int64_t))
    c.distrust_until_ms = <uint32_t*>region_open((MAX_BACKENDS + 1) * sizeof(uint32_t))
    c.cursor = <uint32_t*>region_open(MAX_POOLS * sizeof(uint32_t))
    c.in_flight = in_flight
    c.random = seed
    c.phase = phase
    if c.current == NULL or c.distrust_until_ms == NULL or c.cursor == NULL:
        chooser_close(c)
        return -ENOMEM
    return 0


cdef void chooser_close(chooser_t* c) noexcept nogil:
    region_close(c.current, (MAX_BACKENDS + 1) * sizeof(int64_t))
    region_close(c.distrust_until_ms, (MAX_BACKENDS + 1) * sizeof(uint32_t))
    region_close(c.cursor, MAX_POOLS * sizeof(uint32_t))
    memset(c, 0, sizeof(chooser_t))


cdef void chooser_distrust(chooser_t* c, uint32_t backend_id, uint64_t now_ms) noexcept nogil:
    cdef uint32_t until = <uint32_t>(now_ms + SUSPICION_MS)
    c.distrust_until_ms[backend_id] = until if until else 1


cdef bint chooser_distrusts(chooser_t* c, uint32_t backend_id, uint64_t now_ms) noexcept nogil:
    if c.distrust_until_ms[backend_id] == 0:
        return False
    # the mark wraps after 49 days: only the second before it counts
    if <uint32_t>(c.distrust_until_ms[backend_id] - <uint32_t>now_ms - 1) < SUSPICION_MS:
        return True
    c.distrust_until_ms[backend_id] = 0
    return False


cdef inline bint is_tried(const attempt_t* a, uint32_t id) noexcept nogil:
    cdef uint32_t i
    for i in range(a.n_tried):
        if a.tried[i] == id:
            return True
    return False


cdef inline bint is_full(chooser_t* c, const snap_backend_t* b) noexcept nogil:
    return b.max_conns != 0 and ngy_load32(&c.in_flight[b.id]) >= b.max_conns


cdef inline bint may_take(chooser_t* c, look_t* look, const snap_backend_t* b) noexcept nogil:
    if not b.is_usable:
        return False
    if look.allow < ALLOW_TRIED and is_tried(look.attempt, b.id):
        return False
    if is_full(c, b):
        look.saw_full = True
        return False
    return look.allow >= ALLOW_DISTRUSTED or not chooser_distrusts(c, b.id, look.attempt.now_ms)


# a's load per weight is below b's; one more session is counted so that weight matters at zero.
cdef inline bint is_less_loaded(chooser_t* c, const snap_backend_t* a, const snap_backend_t* b) noexcept nogil:
    return (<uint64_t>ngy_load32(&c.in_flight[a.id]) + 1) * b.weight < (<uint64_t>ngy_load32(&c.in_flight[b.id]) + 1) * a.weight


# First usable one at or after `start` (an offset in the tier), wrapping once; -1 = none.
cdef int walk_from(chooser_t* c, look_t* look, uint32_t start) noexcept nogil:
    cdef uint32_t i, at
    for i in range(look.tier.n):
        at = start + i
        if at >= look.tier.n:
            at -= look.tier.n
        if may_take(c, look, &look.s.backends[look.tier.first + at]):
            return <int>(look.tier.first + at)
    return -1


cdef int choose_in_turn(chooser_t* c, look_t* look) noexcept nogil:
    cdef uint32_t start = c.cursor[look.pool.id]
    cdef int got
    if start == 0:
        start = c.phase
    got = walk_from(c, look, start % look.tier.n)
    if got >= 0:
        c.cursor[look.pool.id] = <uint32_t>got - look.tier.first + 1    # 0 means: not begun
    return got


cdef int choose_smooth(chooser_t* c, look_t* look) noexcept nogil:
    cdef const snap_backend_t* b
    cdef uint32_t i
    cdef int64_t total = 0
    cdef int best = -1
    if look.tier.is_equal:
        return choose_in_turn(c, look)
    for i in range(look.tier.first, look.tier.first + look.tier.n):
        b = &look.s.backends[i]
        if not may_take(c, look, b):
            continue
        c.current[b.id] += b.weight
        total += b.weight
        if best < 0 or c.current[b.id] > c.current[look.s.backends[best].id]:
            best = <int>i
    if best >= 0:
        c.current[look.s.backends[best].id] -= total
    return best


cdef int choose_least_conn(chooser_t* c, look_t* look) noexcept nogil:
    cdef uint32_t n = look.tier.n
    cdef uint32_t start = c.cursor[look.pool.id] % n
    cdef uint32_t i, at
    cdef int best = -1
    for i in range(n):          # from a moving start, so that equals take turns
        at = start + i
        if at >= n:
            at -= n
        at += look.tier.first
        if not may_take(c, look, &look.s.backends[at]):
            continue
        if best < 0 or is_less_loaded(c, &look.s.backends[at], &look.s.backends[best]):
            best = <int>at
    if best >= 0:
        c.cursor[look.pool.id] = <uint32_t>best - look.tier.first + 1
    return best


# The backend whose share of the tier's weight holds `point`.
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


cdef int draw(chooser_t* c, look_t* look) noexcept nogil:
    cdef uint32_t _turn
    cdef int at
    for _turn in range(DRAWS):
        at = find_weight(look, random_next(&c.random) % look.tier.weight_sum)
        if may_take(c, look, &look.s.backends[at]):
            return at
    return walk_from(c, look, <uint32_t>(random_next(&c.random) % look.tier.n))


cdef int choose_random2(chooser_t* c, look_t* look) noexcept nogil:
    cdef int first, second
    if look.tier.weight_sum == 0:
        return -1
    first = draw(c, look)
    if first < 0:
        return -1
    second = draw(c, look)
    # plain counts: the draws have honoured the weights
    if second < 0:              # another worker took the last place meanwhile
        return first
    if ngy_load32(&c.in_flight[look.s.backends[second].id]) < ngy_load32(&c.in_flight[look.s.backends[first].id]):
        return second
    return first


cdef uint64_t look_hash(look_t* look) noexcept nogil:
    if not look.attempt.is_hashed:
        look.attempt.key_hash = visit_hash(&look.pool.key, look.attempt.visit)
        look.attempt.is_hashed = True
    return look.attempt.key_hash


cdef int choose_source_hash(chooser_t* c, look_t* look) noexcept nogil:
    cdef uint64_t h
    cdef uint32_t i
    cdef int at = 0
    if look.tier.weight_sum == 0:
        return -1
    h = look_hash(look)
    for i in range(DRAWS):
        at = find_weight(look, h % look.tier.weight_sum)
        if may_take(c, look, &look.s.backends[at]):
            return at
        h = hash_mix(h + i + 1)
    return walk_from(c, look, <uint32_t>at - look.tier.first)


cdef int choose_in_tier(chooser_t* c, look_t* look, uint32_t policy) noexcept nogil:
    if look.tier.n == 0:
        return -1
    if policy == POLICY_LEAST_CONN:
        return choose_least_conn(c, look)
    if policy == POLICY_RANDOM2:
        return choose_random2(c, look)
    if policy == POLICY_SOURCE_HASH:
        return choose_source_hash(c, look)
    return choose_smooth(c, look)


cdef int policy_choose(chooser_t* c, const snapshot_t* s, uint32_t pool_id, attempt_t* attempt) noexcept nogil:
    cdef const snap_pool_t* pool = snapshot_pool(s, pool_id)
    cdef look_t look
    cdef uint32_t i
    cdef int got
    if pool == NULL:
        return -REASON_NO_BACKEND
    look.s = s
    look.attempt = attempt
    look.pool = pool
    look.saw_full = False
    for look.allow in range(ALLOW_TRIED + 1):
        if look.allow == ALLOW_TRIED and attempt.n_tried == 0:
            break
        for i in range(pool.n_tiers):
            look.tier = &s.tiers[pool.first_tier + i]
            got = choose_in_tier(c, &look, pool.policy)
            if got >= 0:
                return got
    return -REASON_BACKENDS_FULL if look.saw_full else -REASON_NO_BACKEND
