# One look for a backend in one tier of a pool: whom it may take, and what all policies share.
from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.base.cdefs cimport ngy_load32
from nginy._fast.base.layout cimport snap_backend_t, snap_pool_t, snap_tier_t
from nginy._fast.base.limits cimport SUSPICION_MS
from nginy._fast.policy.choose cimport attempt_t, chooser_t
from nginy._fast.policy.snapshot cimport snapshot_t

cdef enum:
    DRAWS = 8                   # draws or hashes before a walk; misses are full, tried or resting ones

cdef enum:                      # allow_t: what this pass forgives
    ALLOW_NONE = 0
    ALLOW_DISTRUSTED = 1
    ALLOW_TRIED = 2

cdef struct look_t:
    const snapshot_t* s
    const snap_pool_t* pool
    const snap_tier_t* tier
    attempt_t* attempt
    uint32_t policy             # policy_kind_t that is asked
    uint32_t allow              # allow_t
    bint is_paced               # slow start holds back; a second look at the tier forgives it
    bint saw_paced
    bint saw_full

# The hash of the pool's key, taken once per attempt.
cdef uint64_t look_hash(look_t* look) noexcept nogil

# Slow start: whether this backend, come back a moment ago, leaves this choice to others.
cdef bint is_held_back(chooser_t* c, look_t* look, const snap_backend_t* b) noexcept nogil

# First one at or after `start` (an offset in the tier) that may be taken, wrapping once; -1 = none.
cdef int walk_from(chooser_t* c, look_t* look, uint32_t start) noexcept nogil

# The backend whose share of the usable weight holds `point`; by `share`, of all weight, so that health moves nobody.
cdef int find_weight(look_t* look, uint64_t point) noexcept nogil
cdef int find_share(look_t* look, uint64_t point) noexcept nogil

cdef inline uint32_t load_of(const chooser_t* c, uint32_t id) noexcept nogil:
    return ngy_load32(&c.in_flight[id])

cdef inline bint is_distrusted(chooser_t* c, uint32_t id, uint64_t now_ms) noexcept nogil:
    if c.distrust_until_ms[id] == 0:
        return False
    # the mark wraps after 49 days: only the second before it counts
    if <uint32_t>(c.distrust_until_ms[id] - <uint32_t>now_ms - 1) < SUSPICION_MS:
        return True
    c.distrust_until_ms[id] = 0
    return False

cdef inline bint is_tried(const attempt_t* a, uint32_t id) noexcept nogil:
    cdef uint32_t i
    for i in range(a.n_tried):
        if a.tried[i] == id:
            return True
    return False

cdef inline bint may_take(chooser_t* c, look_t* look, const snap_backend_t* b) noexcept nogil:
    if not b.is_usable:
        return False
    if look.allow < ALLOW_TRIED and is_tried(look.attempt, b.id):
        return False
    if b.max_conns != 0 and load_of(c, b.id) >= b.max_conns:
        look.saw_full = True
        return False
    if look.allow < ALLOW_DISTRUSTED and is_distrusted(c, b.id, look.attempt.now_ms):
        return False
    return not (look.is_paced and b.since_ms != 0 and is_held_back(c, look, b))

# A backend of this tier by its id, if it may be taken: its position, else -1. Ids of other pools and of the past are none.
cdef inline int take_id(chooser_t* c, look_t* look, uint32_t id) noexcept nogil:
    cdef uint32_t at
    if id >= look.s.header.n_backend_at:
        return -1
    at = look.s.backend_at[id]
    if at - look.tier.first >= look.tier.n:     # NO_INDEX is beyond every tier
        return -1
    return <int>at if may_take(c, look, &look.s.backends[at]) else -1
