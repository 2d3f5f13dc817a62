"""Choose: the native policies. Tiers in order; weight, state, verdict, max_conns, slow start and suspicion go for all."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset
from nginy._fast.base.cdefs cimport ENOMEM
from nginy._fast.base.layout cimport NO_INDEX, snap_pool_t, snap_tier_t
from nginy._fast.base.limits cimport MAX_BACKENDS, MAX_MEMBERS, MAX_POOLS, SUSPICION_MS
from nginy._fast.base.status cimport REASON_BACKENDS_FULL, REASON_NO_BACKEND, REFUSAL_BOUNDS
from nginy._fast.mem.region cimport region_close, region_open
from nginy._fast.policy.group cimport group_begin, group_next, group_took, member_turn_t
from nginy._fast.policy.keyed cimport choose_jump, choose_jump_load, choose_rendezvous, choose_source_hash
from nginy._fast.policy.load cimport choose_least_conn, choose_least_time, choose_random2
from nginy._fast.policy.look cimport ALLOW_TRIED, is_distrusted, look_t, may_take
from nginy._fast.policy.snapshot cimport snapshot_pool, snapshot_t
from nginy._fast.policy.table cimport table_close, table_open, table_t
from nginy._fast.policy.tabled cimport choose_maglev, choose_mapped, choose_preserve, choose_ring
from nginy._fast.policy.turns cimport choose_first, choose_random, choose_smooth

cdef enum:
    TAU_SHIFT = 13              # 8.192 s: half of what was known is forgotten
    COST_MOST = 1 << 30         # sixteenths of a microsecond: 67 s

# ---- life ----

cdef int chooser_open(
    chooser_t* c, const uint32_t* in_flight, const uint32_t* load_ms, uint64_t seed, uint32_t phase
) noexcept nogil:
    memset(c, 0, sizeof(chooser_t))
    c.current = <int64_t*>region_open((MAX_BACKENDS + 1) * sizeof(int64_t))
    c.distrust_until_ms = <uint32_t*>region_open((MAX_BACKENDS + 1) * sizeof(uint32_t))
    c.spent = <spent_t*>region_open((MAX_BACKENDS + 1) * sizeof(spent_t))
    c.tables = <table_t*>region_open(MAX_POOLS * sizeof(table_t))
    c.cursor = <uint32_t*>region_open(MAX_POOLS * sizeof(uint32_t))
    c.turns = <member_turn_t*>region_open(MAX_MEMBERS * sizeof(member_turn_t))
    c.in_flight = in_flight
    c.load_ms = load_ms
    c.random = seed
    c.phase = phase
    if (
        c.current == NULL or c.distrust_until_ms == NULL or c.spent == NULL or c.tables == NULL or c.cursor == NULL
        or c.turns == NULL
    ):
        chooser_close(c)
        return -ENOMEM
    return 0


cdef void chooser_close(chooser_t* c) noexcept nogil:
    cdef uint32_t i
    if c.tables != NULL:
        for i in range(MAX_POOLS):
            table_close(&c.tables[i])
    region_close(c.current, (MAX_BACKENDS + 1) * sizeof(int64_t))
    region_close(c.distrust_until_ms, (MAX_BACKENDS + 1) * sizeof(uint32_t))
    region_close(c.spent, (MAX_BACKENDS + 1) * sizeof(spent_t))
    region_close(c.tables, MAX_POOLS * sizeof(table_t))
    region_close(c.cursor, MAX_POOLS * sizeof(uint32_t))
    region_close(c.turns, MAX_MEMBERS * sizeof(member_turn_t))
    memset(c, 0, sizeof(chooser_t))


# ---- what is remembered ----

cdef void chooser_distrust(chooser_t* c, uint32_t backend_id, uint64_t now_ms) noexcept nogil:
    cdef uint32_t until = <uint32_t>(now_ms + SUSPICION_MS)
    c.distrust_until_ms[backend_id] = until if until else 1


cdef bint chooser_distrusts(chooser_t* c, uint32_t backend_id, uint64_t now_ms) noexcept nogil:
    return is_distrusted(c, backend_id, now_ms)


# Peak EWMA: a longer time counts at once, a shorter one by how long ago the last was. Source: Finagle's P2CPeakEwma.
cdef void chooser_spent(chooser_t* c, uint32_t backend_id, uint64_t us, uint64_t now_ms) noexcept nogil:
    cdef spent_t* spent = &c.spent[backend_id]
    cdef uint64_t fresh = min(us << 4, <uint64_t>COST_MOST) | 1
    cdef uint64_t ms = now_ms - spent.at_ms if now_ms > spent.at_ms else 0
    cdef uint64_t kept = 65536 >> min(ms >> TAU_SHIFT, <uint64_t>17)
    kept -= kept * (ms & ((1 << TAU_SHIFT) - 1)) >> (TAU_SHIFT + 1)
    if fresh < spent.cost:
        fresh = fresh + ((spent.cost - fresh) * kept >> 16)
    spent.cost = fresh
    spent.at_ms = now_ms


# ---- published tables ----

cdef int chooser_adopt(chooser_t* c, uint32_t pool_id, int fd) noexcept nogil:
    cdef table_t fresh
    cdef int status = table_open(&fresh, fd)
    if status < 0:
        return status
    if fresh.header.pool != pool_id:
        table_close(&fresh)
        return -REFUSAL_BOUNDS
    table_close(&c.tables[pool_id])
    c.tables[pool_id] = fresh
    return 0


cdef bint is_tabled(uint32_t policy) noexcept nogil:
    return (
        policy == POLICY_RING or policy == POLICY_MAGLEV or policy == POLICY_BOUNDED_RING
        or policy == POLICY_BOUNDED_MAGLEV or policy == POLICY_HASH_PRESERVE
    )


cdef void chooser_settle(chooser_t* c, const snapshot_t* s) noexcept nogil:
    cdef const snap_pool_t* pool
    cdef uint32_t i
    for i in range(MAX_POOLS):
        if c.tables[i].base == NULL:
            continue
        pool = snapshot_pool(s, i)
        if pool == NULL or not (is_tabled(pool.policy) or pool.has_map):
            table_close(&c.tables[i])
    c.is_timed = False
    for i in range(s.header.n_pools):
        if s.pools[i].policy == POLICY_LEAST_TIME:
            c.is_timed = True


# ---- choosing ----

cdef int choose_by_key(chooser_t* c, look_t* look) noexcept nogil:
    cdef uint32_t policy = look.policy
    if policy == POLICY_RING or policy == POLICY_BOUNDED_RING:
        return choose_ring(c, look, policy == POLICY_BOUNDED_RING)
    if policy == POLICY_MAGLEV or policy == POLICY_BOUNDED_MAGLEV:
        return choose_maglev(c, look, policy == POLICY_BOUNDED_MAGLEV)
    if policy == POLICY_HASH_PRESERVE:
        return choose_preserve(c, look)
    if policy == POLICY_RENDEZVOUS:
        return choose_rendezvous(c, look)
    if policy == POLICY_JUMP:
        return choose_jump(c, look)
    if policy == POLICY_JUMP_LOAD:
        return choose_jump_load(c, look)
    return choose_source_hash(c, look)


cdef int choose_by(chooser_t* c, look_t* look) noexcept nogil:
    cdef uint32_t policy = look.policy
    if policy >= POLICY_KEYED:
        return choose_by_key(c, look)
    if policy == POLICY_LEAST_CONN:
        return choose_least_conn(c, look)
    if policy == POLICY_LEAST_TIME:
        return choose_least_time(c, look)
    if policy == POLICY_RANDOM2:
        return choose_random2(c, look)
    if policy == POLICY_RANDOM:
        return choose_random(c, look)
    if policy == POLICY_FIRST:
        return choose_first(c, look)
    return choose_smooth(c, look)


# Slow start holds back, but refuses nobody: where only those held back are left, they serve.
cdef int choose_in_tier(chooser_t* c, look_t* look) noexcept nogil:
    cdef int got
    if look.tier.n == 0:
        return -1
    look.is_paced = look.pool.slow_ms != 0
    look.saw_paced = False
    if look.pool.has_map:
        got = choose_mapped(c, look)
        if got >= 0:
            return got
    got = choose_by(c, look)
    if got < 0 and look.saw_paced:
        look.is_paced = False
        got = choose_by(c, look)
    return got


cdef int choose_in_pool(chooser_t* c, look_t* look) noexcept nogil:
    cdef uint32_t i
    cdef int got
    look.policy = look.pool.policy
    for i in range(look.pool.n_tiers):
        look.tier = &look.s.tiers[look.pool.first_tier + i]
        got = choose_in_tier(c, look)
        if got >= 0:
            return got
    return -1


# Whether any backend of the pool may be taken in this pass; the first good one ends the search.
cdef bint has_anybody(chooser_t* c, look_t* look, const snap_pool_t* pool) noexcept nogil:
    cdef const snap_tier_t* tier
    cdef uint32_t i, at
    look.is_paced = False
    for i in range(pool.n_tiers):
        tier = &look.s.tiers[pool.first_tier + i]
        for at in range(tier.first, tier.first + tier.n):
            if may_take(c, look, &look.s.backends[at]):
                return True
    return False


# Members of a group with nobody to give; bit i is the member at offset i. They are known before turns are counted:
# one that is only found when its turn comes would have gathered credit until then.
cdef uint64_t empty_members(chooser_t* c, look_t* look, const snap_pool_t* group) noexcept nogil:
    cdef const snap_pool_t* pool
    cdef uint64_t empty = 0
    cdef uint32_t i
    for i in range(group.members.n):
        pool = snapshot_pool(look.s, look.s.members[group.members.first + i].pool)
        if pool == NULL or not has_anybody(c, look, pool):
            empty |= <uint64_t>1 << i
    return empty


# The members of a group in their turn, until one has somebody.
cdef int choose_in_group(chooser_t* c, look_t* look, const snap_pool_t* group) noexcept nogil:
    cdef uint64_t passed_over = empty_members(c, look, group)
    cdef uint32_t _turn
    cdef int member
    cdef int got = -1
    group_begin(c.turns, look.s, group, passed_over, c.phase)
    for _turn in range(group.members.n):
        member = group_next(c.turns, look.s, group, passed_over)
        if member < 0:
            break
        look.pool = snapshot_pool(look.s, look.s.members[group.members.first + <uint32_t>member].pool)
        if look.attempt.visit != NULL:      # each has a key of its own
            look.attempt.is_hashed = False
        got = choose_in_pool(c, look)
        if got >= 0:
            group_took(c.turns, look.s, group, passed_over, <uint32_t>member)
            break
        passed_over |= <uint64_t>1 << member
    return got


cdef void look_begin(look_t* look, const snapshot_t* s, const snap_pool_t* pool, attempt_t* attempt) noexcept nogil:
    look.s = s
    look.pool = pool
    look.attempt = attempt
    look.policy = pool.policy
    look.saw_full = False


cdef uint32_t policy_member(chooser_t* c, const snapshot_t* s, uint32_t group_id, attempt_t* attempt) noexcept nogil:
    cdef const snap_pool_t* group = snapshot_pool(s, group_id)
    cdef uint64_t passed_over
    cdef look_t look
    cdef int member
    if group == NULL:
        return NO_INDEX
    look_begin(&look, s, group, attempt)
    for look.allow in range(ALLOW_TRIED + 1):
        passed_over = empty_members(c, &look, group)
        group_begin(c.turns, s, group, passed_over, c.phase)
        member = group_next(c.turns, s, group, passed_over)
        if member >= 0:
            group_took(c.turns, s, group, passed_over, <uint32_t>member)
            return s.members[group.members.first + <uint32_t>member].pool
    return NO_INDEX


cdef int policy_choose(chooser_t* c, const snapshot_t* s, uint32_t pool_id, attempt_t* attempt) noexcept nogil:
    cdef const snap_pool_t* pool = snapshot_pool(s, pool_id)
    cdef look_t look
    cdef int got
    if pool == NULL:
        return -REASON_NO_BACKEND
    look_begin(&look, s, pool, attempt)
    for look.allow in range(ALLOW_TRIED + 1):
        if look.allow == ALLOW_TRIED and attempt.n_tried == 0:
            break
        got = choose_in_group(c, &look, pool) if pool.members.n else choose_in_pool(c, &look)
        if got >= 0:
            return got
    return -REASON_BACKENDS_FULL if look.saw_full else -REASON_NO_BACKEND
