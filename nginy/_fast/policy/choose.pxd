# Which backend an attempt goes to. Reads one snapshot and shared in-flight counts; writes only the worker's own cursors.
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from nginy._fast.base.limits cimport MAX_TRIED
from nginy._fast.policy.key cimport visit_t
from nginy._fast.policy.snapshot cimport snapshot_t

cdef enum:                      # policy_kind_t
    POLICY_ROUND_ROBIN = 0      # smooth weighted: 5,1,1 gives a a b a c a a
    POLICY_LEAST_CONN = 1       # fewest in flight per weight, over all workers
    POLICY_RANDOM2 = 2          # two weighted draws, the less loaded one
    POLICY_SOURCE_HASH = 3      # the client's address decides, weights are shares
    POLICY_COUNT = 4

cdef struct chooser_t:          # a worker's own memory of its choices; survives generations
    int64_t* current            # owned; smooth round robin credit by backend id
    uint32_t* cursor            # owned; by pool id
    uint32_t* distrust_until_ms  # owned; low 32 bits of the clock, by backend id; 0 = trusted
    const uint32_t* in_flight   # borrowed from the board, by backend id
    uint64_t random             # state of random_next
    uint32_t phase              # where this worker's rounds begin

cdef struct attempt_t:
    const visit_t* visit        # borrowed; not looked at while is_hashed
    uint64_t key_hash           # of the pool's key
    bint is_hashed              # it is known; else the first choice that needs it fills it in
    uint64_t now_ms
    uint16_t tried[MAX_TRIED]   # backend ids of earlier attempts
    uint32_t n_tried

# 0 or -ENOMEM.
cdef int chooser_open(chooser_t* c, const uint32_t* in_flight, uint64_t seed, uint32_t phase) noexcept nogil
cdef void chooser_close(chooser_t* c) noexcept nogil

# Do not prefer this backend until SUSPICION_MS from now.
cdef void chooser_distrust(chooser_t* c, uint32_t backend_id, uint64_t now_ms) noexcept nogil

# Whether that time is still running.
cdef bint chooser_distrusts(chooser_t* c, uint32_t backend_id, uint64_t now_ms) noexcept nogil

# Position of a backend in the snapshot, or -REASON_NO_BACKEND, or -REASON_BACKENDS_FULL.
# A backend tried before comes again only when no other is usable. The key's hash may be filled in.
cdef int policy_choose(chooser_t* c, const snapshot_t* s, uint32_t pool_id, attempt_t* attempt) noexcept nogil
