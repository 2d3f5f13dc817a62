"""Group: a member with nobody usable neither gains nor loses; the others share its turns by their weights."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from nginy._fast.base.layout cimport snap_pool_t
from nginy._fast.base.routing cimport snap_member_t
from nginy._fast.policy.snapshot cimport snapshot_t


cdef int64_t weight_of(const snapshot_t* s, const snap_pool_t* group) noexcept nogil:
    cdef uint32_t i
    cdef int64_t sum = 0
    for i in range(group.members.n):
        sum += s.members[group.members.first + i].weight
    return sum


# Credit beyond all the weight there is comes from other weights, and would take as many turns to pay.
cdef inline member_turn_t* turn_of(member_turn_t* turns, const snapshot_t* s, uint32_t at, int64_t bound) noexcept nogil:
    cdef const snap_member_t* member = &s.members[at]
    cdef member_turn_t* turn = &turns[at]
    if turn.group != member.group + 1 or turn.pool != member.pool:
        turn.group = member.group + 1
        turn.pool = member.pool
        turn.credit = 0
    turn.credit = min(max(turn.credit, -bound), bound)
    return turn


cdef int group_next(member_turn_t* turns, const snapshot_t* s, const snap_pool_t* group, uint64_t passed_over) noexcept nogil:
    cdef uint32_t i, at
    cdef int64_t credit
    cdef int64_t most = 0
    cdef int64_t bound = weight_of(s, group)
    cdef int best = -1
    for i in range(group.members.n):
        at = group.members.first + i
        if passed_over >> i & 1 or s.members[at].weight == 0:
            continue
        credit = turn_of(turns, s, at, bound).credit + s.members[at].weight
        if best < 0 or credit > most:
            best = <int>i
            most = credit
    return best


cdef void group_took(
    member_turn_t* turns, const snapshot_t* s, const snap_pool_t* group, uint64_t passed_over, uint32_t member
) noexcept nogil:
    cdef uint32_t i, at
    cdef int64_t total = 0
    cdef int64_t bound = weight_of(s, group)
    for i in range(group.members.n):
        at = group.members.first + i
        if passed_over >> i & 1:
            continue
        turn_of(turns, s, at, bound).credit += s.members[at].weight
        total += s.members[at].weight
    turns[group.members.first + member].credit -= total


cdef bint has_begun(member_turn_t* turns, const snapshot_t* s, const snap_pool_t* group) noexcept nogil:
    cdef uint32_t i, at
    for i in range(group.members.n):
        at = group.members.first + i
        if turns[at].group == s.members[at].group + 1 and turns[at].pool == s.members[at].pool:
            return True
    return False


cdef void group_begin(
    member_turn_t* turns, const snapshot_t* s, const snap_pool_t* group, uint64_t passed_over, uint32_t phase
) noexcept nogil:
    cdef uint32_t _turn
    cdef int member
    if phase == 0 or has_begun(turns, s, group):
        return
    for _turn in range(phase):
        member = group_next(turns, s, group, passed_over)
        if member < 0:
            return
        group_took(turns, s, group, passed_over, <uint32_t>member)
