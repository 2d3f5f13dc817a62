# Flows by key: a bounded table with open addressing over buckets of one cache line, entries of one cache line beside it.
# Fixed size, no allocation after flowtable_open, at most two dependent memory reads for most keys; memory is reserved and
# costs nothing until it is used. One thread.
#
# A flow is unreplied until flowtable_assure, then assured. Entries stand on two wheels of ticks, by when they were last seen
# active: the unreplied one, from which a full table evicts, and the assured one, only to expire. Looking a flow up costs no
# list operation: flowtable_touch stores a tick, and an entry moves when it is looked at for its age.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    FLOW_NONE = 0x7fffffff      # no entry
    FLOW_KEY_WORDS = 5
    FLOW_SLOTS = 10             # entries that a bucket can name
    FLOW_PER_BUCKET = 5         # of them used on average in a full table: one key in 300 stands outside its own bucket
    FLOW_WHEEL_SLOTS = 4096     # power of two; at 64 ms a tick the order by age is kept for 262 s
    FLOW_LIST_WORDS = 128       # 2 * FLOW_WHEEL_SLOTS / 64

cdef enum:                      # flow_state_t
    FLOW_FREE = 0
    FLOW_UNREPLIED = 1
    FLOW_ASSURED = 2
    FLOW_PARKED = 4             # a bit: no key any more, kept by its owner

cdef struct flow_key_t:         # 40 bytes, all of them compared; what they mean is the caller's affair
    uint64_t words[FLOW_KEY_WORDS]

cdef struct flow_link_t:        # of a circular list; an index from cap on is the head of list index - cap
    uint32_t next
    uint32_t prev

cdef struct flow_entry_t:       # one cache line
    flow_key_t key
    uint32_t hash               # low half, to find its bucket again
    flow_link_t link            # in its list; next alone when free
    uint32_t active_tick        # of the last flowtable_touch
    uint32_t stamp_tick         # what active_tick was when it came to its place
    uint16_t tag                # in its bucket
    uint8_t state               # flow_state_t
    uint8_t reserved

cdef struct flow_bucket_t:      # one cache line
    uint16_t tags[FLOW_SLOTS]   # upper bits of the hash, 0 = empty
    uint32_t n_passed           # entries that belong here or before and stand further on
    uint32_t entries[FLOW_SLOTS]

cdef struct flowtable_t:
    uint8_t* base               # owned; n_bytes, everything below lies in it
    uint64_t n_bytes
    flow_bucket_t* buckets
    flow_entry_t* entries       # cap
    uint8_t* side               # cap * side_bytes, the caller's part of each entry; NULL = none
    flow_link_t* heads          # by list: unreplied wheel, then assured wheel; valid while its bit in is_filled is set
    uint64_t secret[FLOW_KEY_WORDS + 1]     # of the hash, from the caller's seed
    uint32_t n_buckets
    uint32_t cap
    uint32_t side_bytes
    uint32_t n_taken
    uint32_t n_assured          # of them
    uint32_t n_fresh            # entries ever used lie in [0, n_fresh)
    uint32_t free               # list
    uint32_t tick               # wheel ticks before this one are done
    uint64_t is_filled[FLOW_LIST_WORDS]     # which lists hold anything

# Reserve cap entries (1 to MAX_FLOWS) with side_bytes beside each. 0, or -ENOMEM with nothing held.
cdef int flowtable_open(flowtable_t* t, uint32_t cap, uint32_t side_bytes, uint64_t seed, uint32_t now_tick) noexcept nogil
cdef void flowtable_close(flowtable_t* t) noexcept nogil

# Bytes that flowtable_open reserves for so many entries: 77 each and the side, and 64 KiB for the wheels.
cdef uint64_t flowtable_bytes(uint32_t cap, uint32_t side_bytes) noexcept nogil

# Keyed, so that nobody outside can choose keys that collide: two keys share all 64 bits with a probability of 2^-32 at most,
# over all secrets. Source: NH of UMAC (Black et al., CRYPTO 1999).
cdef uint64_t flowtable_hash(const flowtable_t* t, const flow_key_t* key) noexcept nogil

# The entry with this key, or FLOW_NONE.
cdef uint32_t flowtable_find(const flowtable_t* t, const flow_key_t* key, uint64_t hash) noexcept nogil

# The same for n keys at once, at most 64: all hashes first, then all buckets, then all entries, each prefetched while the
# others are worked on; the first line of the side comes along. Fills hashes and found.
cdef void flowtable_find_many(
    const flowtable_t* t, const flow_key_t* keys, uint32_t n, uint64_t* hashes, uint32_t* found
) noexcept nogil

# A new unreplied entry under a key that is not there yet; side is whatever the last owner left. FLOW_NONE: full.
cdef uint32_t flowtable_add(flowtable_t* t, const flow_key_t* key, uint64_t hash, uint32_t now_tick) noexcept nogil

# The unreplied entry that has been silent longest; FLOW_NONE when there is none. Entries that were active since they got
# their place are moved on, at most looks - 1 of them; the one after them is the answer, whatever it is.
cdef uint32_t flowtable_oldest(flowtable_t* t, uint32_t looks) noexcept nogil

# Answered: from now on nothing evicts it. Idempotent.
cdef void flowtable_assure(flowtable_t* t, uint32_t idx) noexcept nogil

# Take the key away: the next datagram with it begins a new flow. The entry stays taken and goes on ageing. Idempotent.
cdef void flowtable_park(flowtable_t* t, uint32_t idx) noexcept nogil

# Give an entry, parked or not, another key that is not there yet, unreplied and young again.
cdef void flowtable_unpark(flowtable_t* t, uint32_t idx, const flow_key_t* key, uint64_t hash, uint32_t now_tick) noexcept nogil

# Free the entry. False when it is free already.
cdef bint flowtable_remove(flowtable_t* t, uint32_t idx) noexcept nogil

# Entries that have been silent for idle_ticks: at most max_n into out, after at most max_n looks; they stay until removed.
# Called again, it goes on where it stopped, so each one has to be removed or touched first.
cdef uint32_t flowtable_expire(
    flowtable_t* t, uint32_t now_tick, uint32_t idle_ticks, uint32_t* out, uint32_t max_n
) noexcept nogil

# Ticks until flowtable_expire may find something, at most max_ticks; 0: call it now.
cdef uint32_t flowtable_wait(const flowtable_t* t, uint32_t now_tick, uint32_t idle_ticks, uint32_t max_ticks) noexcept nogil

cdef inline void flowtable_touch(flowtable_t* t, uint32_t idx, uint32_t now_tick) noexcept nogil:
    t.entries[idx].active_tick = now_tick

cdef inline bint flowtable_is_taken(const flowtable_t* t, uint32_t idx) noexcept nogil:
    return idx < t.n_fresh and t.entries[idx].state != FLOW_FREE

cdef inline void* flowtable_side(const flowtable_t* t, uint32_t idx) noexcept nogil:
    return t.side + <uint64_t>idx * t.side_bytes
