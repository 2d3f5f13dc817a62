# Flows by key: a bounded table with open addressing over buckets of one cache line, entries of one cache line beside it.
# Fixed size, no allocation after flowtable_open, at most two dependent memory reads for most keys. One thread.
#
# A flow is unreplied until flowtable_assure, then assured. Unreplied flows stand in a list, oldest first, from which a full
# table evicts; assured ones stand on a wheel of coarse ticks, only to expire. Looking at a flow costs no list operation:
# flowtable_touch stores a tick, and the lists are put right when a flow is looked at for its age.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    FLOW_NONE = 0x7fffffff      # no entry
    FLOW_KEY_WORDS = 5
    FLOW_SLOTS = 10             # entries that a bucket can name
    FLOW_WHEEL_SLOTS = 1024     # power of two

cdef enum:                      # flow_state_t
    FLOW_FREE = 0
    FLOW_UNREPLIED = 1
    FLOW_ASSURED = 2
    FLOW_PARKED = 4             # a bit: no key any more, kept by its owner

cdef struct flow_key_t:         # 40 bytes, all of them compared; what they mean is the caller's affair
    uint64_t words[FLOW_KEY_WORDS]

cdef struct flow_entry_t:       # one cache line
    flow_key_t key
    uint32_t hash               # low half, to find its bucket again
    uint32_t next               # in its list, or of free entries
    uint32_t prev
    uint32_t active_tick        # of the last flowtable_touch
    uint32_t stamp_tick         # when it came to its place in the list
    uint8_t state               # flow_state_t
    uint8_t reserved[3]

cdef struct flow_bucket_t:      # one cache line
    uint16_t tags[FLOW_SLOTS]   # upper bits of the hash, 0 = empty
    uint16_t n_passed           # entries that belong here or before and stand further on
    uint16_t reserved
    uint32_t entries[FLOW_SLOTS]

cdef struct flow_link_t:        # head of a circular list; index cap + i
    uint32_t next
    uint32_t prev

cdef struct flowtable_t:
    flow_bucket_t* buckets      # owned
    flow_entry_t* entries       # owned; cap
    uint8_t* side               # owned; cap * side_bytes, the caller's part of each entry; NULL = none
    uint64_t secret[6]          # of the hash, drawn by the caller's seed
    uint32_t n_buckets
    uint32_t cap
    uint32_t side_bytes
    uint32_t n_taken
    uint32_t n_assured
    uint32_t n_fresh            # entries ever used lie in [0, n_fresh)
    uint32_t free               # list
    uint32_t tick               # wheel ticks before this one are done
    flow_link_t heads[FLOW_WHEEL_SLOTS + 1]     # the last one: unreplied, oldest first
    uint64_t is_filled[FLOW_WHEEL_SLOTS // 64]  # which wheel lists hold anything

# Reserve cap entries (1 to MAX_FLOWS) with side_bytes beside each. 0, or -ENOMEM with nothing held.
cdef int flowtable_open(flowtable_t* t, uint32_t cap, uint32_t side_bytes, uint64_t seed, uint32_t now_tick) noexcept nogil
cdef void flowtable_close(flowtable_t* t) noexcept nogil

# Bytes that flowtable_open reserves for so many entries.
cdef uint64_t flowtable_bytes(uint32_t cap, uint32_t side_bytes) noexcept nogil

# Keyed, so that nobody outside can choose keys that collide. Source: NH of UMAC (Black et al., CRYPTO 1999).
cdef uint64_t flowtable_hash(const flowtable_t* t, const flow_key_t* key) noexcept nogil

# The entry with this key, or FLOW_NONE.
cdef uint32_t flowtable_find(const flowtable_t* t, const flow_key_t* key, uint64_t hash) noexcept nogil

# The same for n keys at once, at most 64: all hashes and prefetches first, then all compares. Fills hashes and found.
cdef void flowtable_find_many(
    const flowtable_t* t, const flow_key_t* keys, uint32_t n, uint64_t* hashes, uint32_t* found
) noexcept nogil

# A new unreplied entry under a key that is not there yet; side is whatever the last owner left. FLOW_NONE: full.
cdef uint32_t flowtable_add(flowtable_t* t, const flow_key_t* key, uint64_t hash, uint32_t now_tick) noexcept nogil

# The unreplied entry that has been silent longest, give or take looks entries; FLOW_NONE when there is none.
cdef uint32_t flowtable_oldest(flowtable_t* t, uint32_t looks) noexcept nogil

# Answered: from now on nothing evicts it. Idempotent.
cdef void flowtable_assure(flowtable_t* t, uint32_t idx) noexcept nogil

# Take the key away: the next datagram with it begins a new flow. The entry stays taken and goes on ageing. Idempotent.
cdef void flowtable_park(flowtable_t* t, uint32_t idx) noexcept nogil

# Give a parked entry another key, unreplied and young again.
cdef void flowtable_unpark(flowtable_t* t, uint32_t idx, const flow_key_t* key, uint64_t hash, uint32_t now_tick) noexcept nogil

# Free the entry. False when it is free already.
cdef bint flowtable_remove(flowtable_t* t, uint32_t idx) noexcept nogil

# Entries that have been silent for idle_ticks: at most max_n into out, after at most max_n looks; they stay until removed.
# Called again, it goes on where it stopped, so each one has to be removed or touched first.
cdef uint32_t flowtable_expire(
    flowtable_t* t, uint32_t now_tick, uint32_t idle_ticks, uint32_t* out, uint32_t max_n
) noexcept nogil

# Ticks until flowtable_expire may find something, at most max_ticks.
cdef uint32_t flowtable_wait(const flowtable_t* t, uint32_t now_tick, uint32_t idle_ticks, uint32_t max_ticks) noexcept nogil

cdef inline void flowtable_touch(flowtable_t* t, uint32_t idx, uint32_t now_tick) noexcept nogil:
    t.entries[idx].active_tick = now_tick

cdef inline bint flowtable_is_taken(const flowtable_t* t, uint32_t idx) noexcept nogil:
    return idx < t.n_fresh and t.entries[idx].state != FLOW_FREE

cdef inline void* flowtable_side(const flowtable_t* t, uint32_t idx) noexcept nogil:
    return t.side + <uint64_t>idx * t.side_bytes
