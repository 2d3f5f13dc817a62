"""Keyed: shares of the weight, highest random weight, jump hash."""

from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.base.cdefs cimport ngy_load32
from nginy._fast.base.layout cimport snap_backend_t
from nginy._fast.mem.hash cimport hash_mix, random_next
from nginy._fast.policy.choose cimport chooser_t
from nginy._fast.policy.jump cimport jump_bucket
from nginy._fast.policy.look cimport DRAWS, find_share, find_weight, look_hash, look_t, may_take, walk_from
from nginy._fast.policy.rendezvous cimport rendezvous_cost, rendezvous_draw, rendezvous_floor

cdef enum:
    THOUSAND = 1000
    SAME_COST = 1 << 27         # draws so near may have the same cost; costs are 40 bits of what draws are 64 of


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


# A cost is worked out only for those whose draw could still win: about ln(n) of n.
cdef int choose_rendezvous(chooser_t* c, look_t* look) noexcept nogil:
    cdef uint64_t h = look_hash(look)
    cdef const snap_backend_t* b
    cdef uint64_t cost
    cdef uint64_t best_cost = 0
    cdef uint64_t best_weight = 0
    cdef uint64_t drawn
    cdef uint64_t bar = 0       # of equal weight, whoever draws less than this cannot win
    cdef uint32_t i
    cdef int best = -1
    for i in range(look.tier.first, look.tier.first + look.tier.n):
        b = &look.s.backends[i]
        drawn = rendezvous_draw(h, b.node_hash)
        if drawn < bar and b.weight <= best_weight:
            continue
        if best >= 0 and rendezvous_floor(drawn) * best_weight >= best_cost * b.weight:
            continue
        if b.weight == 0:
            continue
        cost = rendezvous_cost(h, b.node_hash)
        if best >= 0 and (
            cost * best_weight > best_cost * b.weight
            or (cost * best_weight == best_cost * b.weight and b.node_hash >= look.s.backends[best].node_hash)
        ):
            continue
        if may_take(c, look, b):
            best = <int>i
            best_cost = cost
            best_weight = b.weight
            bar = drawn - SAME_COST if drawn > SAME_COST else 0
    return best


cdef int choose_jump(chooser_t* c, look_t* look) noexcept nogil:
    cdef uint64_t h
    cdef uint32_t i
    cdef int at = 0
    if look.tier.share_sum == 0:
        return -1
    h = look_hash(look)
    for i in range(DRAWS):
        at = find_share(look, jump_bucket(h, <uint32_t>look.tier.share_sum))
        if may_take(c, look, &look.s.backends[at]):
            return at
        h = hash_mix(h + i + 1)
    return walk_from(c, look, <uint32_t>at - look.tier.first)


# All choices below `low`, one in ten above `high`, and evenly fewer between: no step at which a herd turns round.
cdef bint is_light(chooser_t* c, look_t* look, uint32_t id) noexcept nogil:
    cdef uint64_t load = ngy_load32(&c.load_ms[id])
    cdef uint64_t low = look.pool.low_ms
    cdef uint64_t high = look.pool.high_ms
    cdef uint64_t chance = THOUSAND // 10
    if load <= low:
        return True
    if load < high:
        chance = THOUSAND - (load - low) * (THOUSAND - THOUSAND // 10) // (high - low)
    return random_next(&c.random) % THOUSAND < chance


# From the key's own backend on, in configured order, past those that report a high load; once round at most, and then
# whoever the key found first.
cdef int choose_jump_load(chooser_t* c, look_t* look) noexcept nogil:
    cdef int own = choose_jump(c, look)
    cdef uint32_t at, _turn
    if own < 0:
        return -1
    at = <uint32_t>own
    for _turn in range(look.tier.n):
        if may_take(c, look, &look.s.backends[at]) and is_light(c, look, look.s.backends[at].id):
            return <int>at
        at += 1
        if at == look.tier.first + look.tier.n:
            at = look.tier.first
    return own
