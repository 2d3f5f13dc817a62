# Which backend an attempt goes to. Reads one snapshot, published tables and shared in-flight counts; writes only the worker's
# own memory.
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from nginy._fast.base.limits cimport MAX_TRIED
from nginy._fast.policy.group cimport member_turn_t
from nginy._fast.policy.key cimport visit_t
from nginy._fast.policy.snapshot cimport snapshot_t
from nginy._fast.policy.table cimport table_t

cdef enum:                      # policy_kind_t
    POLICY_ROUND_ROBIN = 0      # smooth weighted: 5,1,1 gives a a b a c a a
    POLICY_LEAST_CONN = 1       # fewest in flight per weight, over all workers
    POLICY_LEAST_TIME = 2       # shortest time to connect and to answer, times in flight, per weight
    POLICY_RANDOM = 3           # drawn by weight
    POLICY_RANDOM2 = 4          # two weighted draws, the less loaded one
    POLICY_FIRST = 5            # the first in configured order that has room
    POLICY_KEYED = 6            # from here on a key decides
    POLICY_SOURCE_HASH = 6      # shares of the usable backends' weight
    POLICY_RENDEZVOUS = 7       # highest random weight
    POLICY_RING = 8             # consistent hashing on a ring of points
    POLICY_MAGLEV = 9
    POLICY_JUMP = 10            # jump hash over the weights in configured order
    POLICY_JUMP_LOAD = 11       # and on to the next one past those that report a high load
    POLICY_BOUNDED_RING = 12    # and nobody over its share of the load times a factor
    POLICY_BOUNDED_MAGLEV = 13
    POLICY_HASH_PRESERVE = 14   # ring; on to the next one while the first is saturated
    POLICY_COUNT = 15

cdef struct spent_t:            # how long a backend takes, as this worker has seen it
    uint64_t cost               # peak EWMA, sixteenths of a microsecond; 0 = never seen
    uint64_t at_ms

cdef struct chooser_t:          # a worker's own memory of its choices; survives generations
    int64_t* current            # owned; smooth round robin credit by backend id
    uint32_t* cursor            # owned; by pool id
    member_turn_t* turns        # owned; of the members of groups, by position
    uint32_t* distrust_until_ms  # owned; low 32 bits of the clock, by backend id; 0 = trusted
    spent_t* spent              # owned; by backend id
    table_t* tables             # owned; by pool id
    const uint32_t* in_flight   # borrowed from the board, by backend id
    const uint32_t* load_ms     # borrowed from the board, by backend id
    uint64_t random             # state of random_next
    uint32_t phase              # where this worker's rounds begin
    bint is_timed               # a pool asks how long backends take

cdef struct attempt_t:
    const visit_t* visit        # borrowed; not looked at while is_hashed
    uint64_t key_hash           # of the pool's key
    bint is_hashed              # it is known; else the first choice that needs it fills it in
    uint64_t now_ms
    uint16_t tried[MAX_TRIED]   # backend ids of earlier attempts
    uint32_t n_tried

# 0 or -ENOMEM. in_flight, load_ms: by backend id.
cdef int chooser_open(
    chooser_t* c, const uint32_t* in_flight, const uint32_t* load_ms, uint64_t seed, uint32_t phase
) noexcept nogil
cdef void chooser_close(chooser_t* c) noexcept nogil

# Do not prefer this backend until SUSPICION_MS from now.
cdef void chooser_distrust(chooser_t* c, uint32_t backend_id, uint64_t now_ms) noexcept nogil

# Whether that time is still running.
cdef bint chooser_distrusts(chooser_t* c, uint32_t backend_id, uint64_t now_ms) noexcept nogil

# A backend took so long to connect, or to begin its answer.
cdef void chooser_spent(chooser_t* c, uint32_t backend_id, uint64_t us, uint64_t now_ms) noexcept nogil

# Take a pool's table from a sealed descriptor (not consumed) in place of the one before. 0, or -refusal_t, and that one stays.
cdef int chooser_adopt(chooser_t* c, uint32_t pool_id, int fd) noexcept nogil

# A generation is new: tables go whose pools are gone or go by something else now.
cdef void chooser_settle(chooser_t* c, const snapshot_t* s) noexcept nogil

# Position of a backend in the snapshot, or -REASON_NO_BACKEND, or -REASON_BACKENDS_FULL.
# A backend tried before comes again only when no other is usable. The key's hash may be filled in.
cdef int policy_choose(chooser_t* c, const snapshot_t* s, uint32_t pool_id, attempt_t* attempt) noexcept nogil

# The member of a group whose turn it is, the turn used up: its pool id, or NO_INDEX when none has anybody to give.
cdef uint32_t policy_member(chooser_t* c, const snapshot_t* s, uint32_t group_id, attempt_t* attempt) noexcept nogil
