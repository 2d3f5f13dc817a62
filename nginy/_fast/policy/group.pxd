# The turns of a group's members: smooth weighted round robin over those that have somebody usable.
from libc.stdint cimport int64_t, uint32_t, uint64_t
from nginy._fast.policy.snapshot cimport snapshot_t
from nginy._fast.base.layout cimport snap_pool_t

# A worker's memory of one member, at the member's position; where another group or pool stands, it begins anew.
cdef struct member_turn_t:
    uint32_t group              # pool id + 1
    uint32_t pool               # id
    int64_t credit

# A group that this worker has not served yet: begin so many turns ahead, so that workers do not all begin with one member.
cdef void group_begin(
    member_turn_t* turns, const snapshot_t* s, const snap_pool_t* group, uint64_t passed_over, uint32_t phase
) noexcept nogil

# The member whose turn it is, among those whose bit is not set in passed_over; its offset in the group, or -1 = none is left.
cdef int group_next(member_turn_t* turns, const snapshot_t* s, const snap_pool_t* group, uint64_t passed_over) noexcept nogil

# This member has had its turn; those passed over had nobody to send.
cdef void group_took(
    member_turn_t* turns, const snapshot_t* s, const snap_pool_t* group, uint64_t passed_over, uint32_t member
) noexcept nogil
