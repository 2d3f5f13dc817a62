"""Meter: token buckets, and the table of client addresses behind the limits per source."""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset
from nginy._fast.base.limits cimport EVICT_LOOKS, FLOWS_EXPIRED_PER_TURN
from nginy._fast.base.status cimport DROP_SOURCE_FLOWS, DROP_SOURCE_RATE, DROP_TABLE_FULL
from nginy._fast.engine.flows cimport meter_t, newcomer_t, source_t, udp_t
from nginy._fast.engine.types cimport now_tick, worker_t
from nginy._fast.mem.flowtable cimport (
    FLOW_NONE, flow_key_t, flowtable_add, flowtable_expire, flowtable_find, flowtable_hash, flowtable_oldest,
    flowtable_remove, flowtable_side, flowtable_touch,
)

cdef enum:
    SOURCE_LOOKS = 64           # for one without flows
    SOURCE_KEPT_TICKS = 32      # 2 s: longer than any bucket takes to fill


cdef bint meter_take(meter_t* m, uint64_t rate, uint64_t least, uint64_t n, uint64_t now_ms) noexcept nogil:
    cdef uint64_t most = max(rate // 10, least) * 1000
    cdef uint64_t gap_ms = now_ms - m.at_ms
    if m.at_ms == 0 or gap_ms >= 1000000:
        m.level = most
    else:
        m.level = min(m.level + gap_ms * rate, most)
    m.at_ms = now_ms
    if m.level < n * 1000:
        return False
    m.level -= n * 1000
    return True


# The address of a client as a key of the sources.
cdef void source_key(flow_key_t* key, const newcomer_t* n) noexcept nogil:
    memset(key, 0, sizeof(flow_key_t))
    memcpy(key.words, n.visit.ip, 16)
    key.words[2] = n.visit.family


# The entry of a source that was not known. Room is made by forgetting one without flows.
cdef uint32_t source_add(udp_t* u, const flow_key_t* key, uint64_t hash, uint32_t tick) noexcept nogil:
    cdef uint32_t idx = flowtable_add(&u.sources, key, hash, tick)
    cdef uint32_t old, _turn
    for _turn in range(SOURCE_LOOKS):
        if idx != FLOW_NONE:
            break
        old = flowtable_oldest(&u.sources, EVICT_LOOKS)
        if old == FLOW_NONE:
            return FLOW_NONE
        if (<source_t*>flowtable_side(&u.sources, old)).n_flows:
            flowtable_touch(&u.sources, old, tick)
            continue
        flowtable_remove(&u.sources, old)
        idx = flowtable_add(&u.sources, key, hash, tick)
    if idx != FLOW_NONE:
        memset(flowtable_side(&u.sources, idx), 0, sizeof(source_t))
    return idx


cdef uint32_t source_admit(worker_t* w, udp_t* u, const newcomer_t* n, uint32_t* source) noexcept nogil:
    cdef uint32_t tick = now_tick(w)
    cdef flow_key_t key
    cdef uint64_t hash
    cdef uint32_t idx
    cdef source_t* s
    source[0] = FLOW_NONE
    if not u.has_sources:
        return 0
    source_key(&key, n)
    hash = flowtable_hash(&u.sources, &key)
    idx = flowtable_find(&u.sources, &key, hash)
    if idx == FLOW_NONE:
        idx = source_add(u, &key, hash, tick)
    if idx == FLOW_NONE:
        return 1 + DROP_TABLE_FULL
    flowtable_touch(&u.sources, idx, tick)
    s = <source_t*>flowtable_side(&u.sources, idx)
    if u.conf.udp.source_flows and s.n_flows >= u.conf.udp.source_flows:
        return 1 + DROP_SOURCE_FLOWS
    if u.conf.udp.source_rate and not meter_take(&s.meter, u.conf.udp.source_rate, 1, 1, w.now_ms):
        return 1 + DROP_SOURCE_RATE
    s.n_flows += 1
    source[0] = idx
    return 0


cdef void source_release(udp_t* u, uint32_t source) noexcept nogil:
    if source != FLOW_NONE:
        (<source_t*>flowtable_side(&u.sources, source)).n_flows -= 1


cdef void sources_expire(worker_t* w, udp_t* u) noexcept nogil:
    cdef uint32_t tick = now_tick(w)
    cdef uint32_t old[FLOWS_EXPIRED_PER_TURN]
    cdef uint32_t i
    cdef uint32_t n = flowtable_expire(&u.sources, tick, SOURCE_KEPT_TICKS, old, FLOWS_EXPIRED_PER_TURN)
    for i in range(n):
        if (<source_t*>flowtable_side(&u.sources, old[i])).n_flows:
            flowtable_touch(&u.sources, old[i], tick)
        else:
            flowtable_remove(&u.sources, old[i])
