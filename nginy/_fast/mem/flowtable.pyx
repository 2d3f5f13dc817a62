"""Flow table: which flow a datagram belongs to, and which flows have to go."""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset
from nginy._fast.base.cdefs cimport ENOMEM, NGY_CHECK, unlikely
from nginy._fast.mem.hash cimport hash_mix, random_next
from nginy._fast.mem.region cimport region_close, region_open

# The slots of a bucket with this tag, as a set of bits; tag 0 finds the empty ones. And the first slot of such a set.
cdef extern from "slots.h" nogil:
    uint64_t slots_with "ngy_slots_with"(const uint16_t* tags, uint16_t tag)
    uint32_t slot_of "ngy_slot_of"(uint64_t slots)

cdef extern from *:
    int ctz64 "__builtin_ctzll"(unsigned long long x) nogil
    void prefetch "__builtin_prefetch"(const void* at) nogil

cdef enum:
    FLOW_UNSURE = 0x7ffffffe    # of a batch: not in its own bucket, perhaps further on
    LINE = 64                   # bytes
    LISTS = 2 * FLOW_WHEEL_SLOTS
    WHEEL_WORDS = FLOW_LIST_WORDS // 2


cdef inline bint is_after(uint32_t tick, uint32_t other) noexcept nogil:
    return <int32_t>(tick - other) > 0


# ---- memory: buckets, entries, heads and the side behind one another ----

cdef inline uint32_t buckets_for(uint32_t cap) noexcept nogil:
    return cap // FLOW_PER_BUCKET + 1


cdef inline uint64_t lines(uint64_t n_bytes) noexcept nogil:
    return (n_bytes + LINE - 1) & ~<uint64_t>(LINE - 1)


cdef uint64_t flowtable_bytes(uint32_t cap, uint32_t side_bytes) noexcept nogil:
    cdef uint64_t n_bytes = buckets_for(cap) * sizeof(flow_bucket_t) + cap * sizeof(flow_entry_t)
    return n_bytes + LISTS * sizeof(flow_link_t) + lines(<uint64_t>cap * side_bytes)


cdef int flowtable_open(flowtable_t* t, uint32_t cap, uint32_t side_bytes, uint64_t seed, uint32_t now_tick) noexcept nogil:
    cdef uint32_t i
    memset(t, 0, sizeof(flowtable_t))
    t.n_bytes = flowtable_bytes(cap, side_bytes)
    t.base = <uint8_t*>region_open(t.n_bytes)
    if t.base == NULL:
        memset(t, 0, sizeof(flowtable_t))
        return -ENOMEM
    t.cap = cap
    t.n_buckets = buckets_for(cap)
    t.buckets = <flow_bucket_t*>t.base
    t.entries = <flow_entry_t*>(t.buckets + t.n_buckets)
    t.heads = <flow_link_t*>(t.entries + cap)
    if side_bytes:
        t.side = <uint8_t*>(t.heads + LISTS)
    t.side_bytes = side_bytes
    for i in range(FLOW_KEY_WORDS + 1):
        t.secret[i] = random_next(&seed)
    t.free = FLOW_NONE
    t.tick = now_tick
    return 0


cdef void flowtable_close(flowtable_t* t) noexcept nogil:
    region_close(t.base, t.n_bytes)
    memset(t, 0, sizeof(flowtable_t))


# ---- keys ----

# One word of NH: the product of its halves, each with a secret added.
cdef inline uint64_t word_hash(uint64_t word, uint64_t secret) noexcept nogil:
    return <uint64_t><uint32_t>(word + secret) * <uint32_t>((word >> 32) + (secret >> 32))


# Written out, as is the comparison: a compiler at -O2 leaves loops of five alone.
cdef inline uint64_t key_hash(const flowtable_t* t, const flow_key_t* key) noexcept nogil:
    cdef uint64_t total = word_hash(key.words[0], t.secret[0]) + word_hash(key.words[1], t.secret[1])
    total += word_hash(key.words[2], t.secret[2]) + word_hash(key.words[3], t.secret[3])
    return hash_mix(total + word_hash(key.words[4], t.secret[4]) + t.secret[FLOW_KEY_WORDS])


cdef inline bint key_is_equal(const flow_key_t* a, const flow_key_t* b) noexcept nogil:
    cdef uint64_t difference = (a.words[0] ^ b.words[0]) | (a.words[1] ^ b.words[1]) | (a.words[2] ^ b.words[2])
    return (difference | (a.words[3] ^ b.words[3]) | (a.words[4] ^ b.words[4])) == 0


cdef uint64_t flowtable_hash(const flowtable_t* t, const flow_key_t* key) noexcept nogil:
    return key_hash(t, key)


# ---- buckets: the low half of a hash names the bucket, its top 16 bits are the tag ----

cdef inline uint32_t home_of(const flowtable_t* t, uint32_t hash) noexcept nogil:
    return <uint32_t>(<uint64_t>hash * t.n_buckets >> 32)


cdef inline uint32_t bucket_after(const flowtable_t* t, uint32_t at) noexcept nogil:
    return at + 1 if at + 1 < t.n_buckets else 0


cdef inline uint16_t tag_of(uint64_t hash) noexcept nogil:
    cdef uint16_t tag = <uint16_t>(hash >> 48)
    return tag if tag else 1


cdef void bucket_put(flowtable_t* t, uint32_t idx, uint64_t hash) noexcept nogil:
    cdef flow_entry_t* e = &t.entries[idx]
    cdef flow_bucket_t* b
    cdef uint64_t slots
    cdef uint32_t at, slot
    e.hash = <uint32_t>hash
    e.tag = tag_of(hash)
    at = home_of(t, e.hash)
    while True:     # there are twice as many slots as entries
        b = &t.buckets[at]
        slots = slots_with(b.tags, 0)
        if slots:
            break
        b.n_passed += 1
        at = bucket_after(t, at)
    slot = slot_of(slots)
    b.tags[slot] = e.tag
    b.entries[slot] = idx


# The slot of an entry that may be here; FLOW_SLOTS when it is not.
cdef inline uint32_t bucket_slot(const flow_bucket_t* b, uint32_t idx, uint16_t tag) noexcept nogil:
    cdef uint64_t slots = slots_with(b.tags, tag)
    while slots:
        if b.entries[slot_of(slots)] == idx:
            return slot_of(slots)
        slots &= slots - 1
    return FLOW_SLOTS


cdef void bucket_drop(flowtable_t* t, uint32_t idx) noexcept nogil:
    cdef flow_entry_t* e = &t.entries[idx]
    cdef uint32_t at = home_of(t, e.hash)
    cdef uint32_t slot
    while True:
        slot = bucket_slot(&t.buckets[at], idx, e.tag)
        if slot < FLOW_SLOTS:
            break
        NGY_CHECK(t.buckets[at].n_passed > 0)
        t.buckets[at].n_passed -= 1
        at = bucket_after(t, at)
    t.buckets[at].tags[slot] = 0


# ---- look-up ----

cdef inline uint32_t bucket_find(
    const flowtable_t* t, const flow_bucket_t* b, const flow_key_t* key, uint16_t tag
) noexcept nogil:
    cdef uint64_t slots = slots_with(b.tags, tag)
    cdef uint32_t idx
    while slots:
        idx = b.entries[slot_of(slots)]
        if key_is_equal(&t.entries[idx].key, key):
            return idx
        slots &= slots - 1
    return FLOW_NONE


# Beyond its own bucket: one key in hundreds.
cdef uint32_t find_further(const flowtable_t* t, uint32_t at, const flow_key_t* key, uint16_t tag) noexcept nogil:
    cdef uint32_t idx = FLOW_NONE
    cdef uint32_t left = t.n_buckets - 1
    while idx == FLOW_NONE and left and t.buckets[at].n_passed:
        at = bucket_after(t, at)
        idx = bucket_find(t, &t.buckets[at], key, tag)
        left -= 1
    return idx


cdef inline uint32_t find_from(const flowtable_t* t, const flow_key_t* key, uint64_t hash) noexcept nogil:
    cdef uint32_t at = home_of(t, <uint32_t>hash)
    cdef uint32_t idx = bucket_find(t, &t.buckets[at], key, tag_of(hash))
    if unlikely(idx == FLOW_NONE and t.buckets[at].n_passed):
        return find_further(t, at, key, tag_of(hash))
    return idx


cdef uint32_t flowtable_find(const flowtable_t* t, const flow_key_t* key, uint64_t hash) noexcept nogil:
    return find_from(t, key, hash)


# The first entry that its own bucket has for a hash, on its way into the cache; FLOW_NONE: there is none anywhere.
cdef inline uint32_t entry_guess(const flowtable_t* t, uint64_t hash) noexcept nogil:
    cdef const flow_bucket_t* b = &t.buckets[home_of(t, <uint32_t>hash)]
    cdef uint64_t slots = slots_with(b.tags, tag_of(hash))
    cdef uint32_t idx
    if not slots:
        return FLOW_UNSURE if b.n_passed else FLOW_NONE
    idx = b.entries[slot_of(slots)]
    prefetch(&t.entries[idx])
    if t.side != NULL:
        prefetch(flowtable_side(t, idx))
    return idx


cdef void flowtable_find_many(
    const flowtable_t* t, const flow_key_t* keys, uint32_t n, uint64_t* hashes, uint32_t* found
) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        hashes[i] = key_hash(t, &keys[i])
        prefetch(&t.buckets[home_of(t, <uint32_t>hashes[i])])
    for i in range(n):
        found[i] = entry_guess(t, hashes[i])
    for i in range(n):
        if found[i] == FLOW_NONE:
            continue
        if unlikely(found[i] == FLOW_UNSURE or not key_is_equal(&t.entries[found[i]].key, &keys[i])):
            found[i] = find_from(t, &keys[i], hashes[i])


# ---- lists: 0 to FLOW_WHEEL_SLOTS - 1 are the unreplied wheel, then comes the assured one ----

cdef inline bint list_is_filled(const flowtable_t* t, uint32_t number) noexcept nogil:
    return t.is_filled[number >> 6] >> (number & 63) & 1


cdef inline flow_link_t* link_at(flowtable_t* t, uint32_t at) noexcept nogil:
    return &t.heads[at - t.cap] if at >= t.cap else &t.entries[at].link


cdef void list_join(flowtable_t* t, uint32_t number, uint32_t idx) noexcept nogil:
    cdef flow_link_t* head = &t.heads[number]
    cdef flow_link_t* link = &t.entries[idx].link
    if not list_is_filled(t, number):
        head.prev = t.cap + number
        t.is_filled[number >> 6] |= <uint64_t>1 << (number & 63)
    link.prev = head.prev
    link.next = t.cap + number
    link_at(t, link.prev).next = idx
    head.prev = idx


cdef void list_part(flowtable_t* t, uint32_t idx) noexcept nogil:
    cdef flow_link_t* link = &t.entries[idx].link
    cdef uint32_t number
    link_at(t, link.prev).next = link.next
    link_at(t, link.next).prev = link.prev
    if link.next == link.prev:      # both the head: it was the last one
        number = link.next - t.cap
        t.is_filled[number >> 6] &= ~(<uint64_t>1 << (number & 63))


# To the end of the slot of the tick it was last active at; what lies beyond the wheel waits in its last slot.
cdef void entry_place(flowtable_t* t, uint32_t idx) noexcept nogil:
    cdef flow_entry_t* e = &t.entries[idx]
    cdef uint32_t tick = e.active_tick
    cdef uint32_t wheel = FLOW_WHEEL_SLOTS if e.state & FLOW_ASSURED else 0
    if is_after(t.tick, tick):
        tick = t.tick
    elif tick - t.tick >= FLOW_WHEEL_SLOTS:
        tick = t.tick + FLOW_WHEEL_SLOTS - 1
    e.stamp_tick = e.active_tick
    list_join(t, wheel + (tick & (FLOW_WHEEL_SLOTS - 1)), idx)


# Ticks from this one to the next whose slot holds anything, on the unreplied wheel or on either; n: there is none before.
cdef uint32_t ticks_bare(const flowtable_t* t, uint32_t tick, uint32_t n, bint is_either) noexcept nogil:
    cdef uint32_t gone = 0
    cdef uint32_t slot
    cdef uint64_t word
    while gone < n:
        slot = (tick + gone) & (FLOW_WHEEL_SLOTS - 1)
        word = t.is_filled[slot >> 6]
        if is_either:
            word |= t.is_filled[(slot >> 6) + WHEEL_WORDS]
        word >>= slot & 63
        if word:
            gone += ctz64(word)
            break
        gone += 64 - (slot & 63)
    return min(gone, n)


# ---- entries ----

cdef void entry_name(flowtable_t* t, uint32_t idx, const flow_key_t* key, uint64_t hash, uint32_t now_tick) noexcept nogil:
    cdef flow_entry_t* e = &t.entries[idx]
    NGY_CHECK(find_from(t, key, hash) == FLOW_NONE)
    e.key = key[0]
    e.active_tick = now_tick
    e.state = FLOW_UNREPLIED
    bucket_put(t, idx, hash)
    entry_place(t, idx)


cdef uint32_t flowtable_add(flowtable_t* t, const flow_key_t* key, uint64_t hash, uint32_t now_tick) noexcept nogil:
    cdef uint32_t idx = t.free
    if idx != FLOW_NONE:
        t.free = t.entries[idx].link.next
    elif t.n_fresh < t.cap:
        idx = t.n_fresh
        t.n_fresh += 1
    else:
        return FLOW_NONE
    if t.n_taken == 0:      # nothing stands on the wheels: they begin anew
        t.tick = now_tick
    t.n_taken += 1
    entry_name(t, idx, key, hash, now_tick)
    return idx


cdef void flowtable_assure(flowtable_t* t, uint32_t idx) noexcept nogil:
    cdef flow_entry_t* e = &t.entries[idx]
    NGY_CHECK(flowtable_is_taken(t, idx))
    if e.state & FLOW_ASSURED:
        return
    list_part(t, idx)
    e.state = FLOW_ASSURED | (e.state & FLOW_PARKED)
    t.n_assured += 1
    entry_place(t, idx)


cdef void flowtable_park(flowtable_t* t, uint32_t idx) noexcept nogil:
    cdef flow_entry_t* e = &t.entries[idx]
    NGY_CHECK(flowtable_is_taken(t, idx))
    if not e.state & FLOW_PARKED:
        bucket_drop(t, idx)
        e.state |= FLOW_PARKED


cdef void flowtable_unpark(
    flowtable_t* t, uint32_t idx, const flow_key_t* key, uint64_t hash, uint32_t now_tick
) noexcept nogil:
    flowtable_park(t, idx)
    list_part(t, idx)
    if t.entries[idx].state & FLOW_ASSURED:
        t.n_assured -= 1
    entry_name(t, idx, key, hash, now_tick)


cdef bint flowtable_remove(flowtable_t* t, uint32_t idx) noexcept nogil:
    cdef flow_entry_t* e = &t.entries[idx]
    if not flowtable_is_taken(t, idx):
        return False
    flowtable_park(t, idx)
    list_part(t, idx)
    if e.state & FLOW_ASSURED:
        t.n_assured -= 1
    t.n_taken -= 1
    e.state = FLOW_FREE
    e.link.next = t.free
    t.free = idx
    return True


# ---- age ----

cdef uint32_t unreplied_first(const flowtable_t* t) noexcept nogil:
    cdef uint32_t bare = ticks_bare(t, t.tick, FLOW_WHEEL_SLOTS, False)
    if bare == FLOW_WHEEL_SLOTS:
        return FLOW_NONE
    return t.heads[(t.tick + bare) & (FLOW_WHEEL_SLOTS - 1)].next


cdef uint32_t flowtable_oldest(flowtable_t* t, uint32_t looks) noexcept nogil:
    cdef uint32_t idx = unreplied_first(t)
    while looks > 1 and idx != FLOW_NONE and t.entries[idx].active_tick != t.entries[idx].stamp_tick:
        list_part(t, idx)
        entry_place(t, idx)
        idx = unreplied_first(t)
        looks -= 1
    return idx


cdef struct sweep_t:
    uint32_t limit_tick         # silent since then or before: expired
    uint32_t looks              # that are left
    uint32_t* out
    uint32_t n


# Look at the entries of one list: the expired are named and stay, the others go where they belong by now.
cdef void list_sweep(flowtable_t* t, uint32_t number, sweep_t* s) noexcept nogil:
    cdef uint32_t idx, after
    if not list_is_filled(t, number):
        return
    idx = t.heads[number].next
    while idx < t.cap and s.looks:
        after = t.entries[idx].link.next
        s.looks -= 1
        if is_after(t.entries[idx].active_tick, s.limit_tick):
            list_part(t, idx)
            entry_place(t, idx)
        else:
            s.out[s.n] = idx
            s.n += 1
        idx = after


cdef uint32_t flowtable_expire(
    flowtable_t* t, uint32_t now_tick, uint32_t idle_ticks, uint32_t* out, uint32_t max_n
) noexcept nogil:
    cdef sweep_t s
    cdef uint32_t n_ticks, n_slots, at, slot
    s.limit_tick = now_tick - idle_ticks
    s.looks = max_n
    s.out = out
    s.n = 0
    if is_after(t.tick, s.limit_tick):
        return 0
    n_ticks = s.limit_tick - t.tick + 1
    n_slots = min(n_ticks, <uint32_t>FLOW_WHEEL_SLOTS)  # after a long gap one revolution sees every slot
    at = ticks_bare(t, t.tick, n_slots, True)
    while s.looks and at < n_slots:
        slot = (t.tick + at) & (FLOW_WHEEL_SLOTS - 1)
        list_sweep(t, slot, &s)
        list_sweep(t, FLOW_WHEEL_SLOTS + slot, &s)
        at += 1
        at += ticks_bare(t, t.tick + at, n_slots - at, True)
    at = ticks_bare(t, t.tick, n_slots, True)   # a slot is done when it is bare
    t.tick += n_ticks if at == n_slots else at
    return s.n


cdef uint32_t flowtable_wait(const flowtable_t* t, uint32_t now_tick, uint32_t idle_ticks, uint32_t max_ticks) noexcept nogil:
    cdef uint32_t bare = ticks_bare(t, t.tick, FLOW_WHEEL_SLOTS, True)
    cdef uint32_t due_tick = t.tick + bare + idle_ticks
    if bare == FLOW_WHEEL_SLOTS:
        return max_ticks
    return min(due_tick - now_tick, max_ticks) if is_after(due_tick, now_tick) else 0
