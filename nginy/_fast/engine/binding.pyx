"""Binding: a key keeps its backend, whatever address it comes from."""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset
from nginy._fast.base.layout cimport NO_INDEX
from nginy._fast.base.limits cimport EVICT_LOOKS, FLOWS_EXPIRED_PER_TURN
from nginy._fast.engine.flows cimport binding_t, flow_t, udp_t
from nginy._fast.engine.types cimport now_tick, worker_t
from nginy._fast.mem.flowtable cimport (
    FLOW_NONE, flow_key_t, flowtable_add, flowtable_expire, flowtable_find, flowtable_hash, flowtable_is_taken,
    flowtable_oldest, flowtable_remove, flowtable_side, flowtable_touch,
)
from nginy._fast.policy.key cimport key_t


cdef enum:
    LEARNED_MOST = 64           # keys of one flow: connection ids are changed now and then


cdef void binding_key(flow_key_t* key, const key_t* what) noexcept nogil:
    memset(key, 0, sizeof(flow_key_t))
    memcpy(key.words, what.at, what.n)
    key.words[4] = what.n


# Whether this entry still is this key's.
cdef inline bint is_same(const udp_t* u, uint32_t idx, const flow_key_t* key) noexcept nogil:
    return (
        idx != FLOW_NONE and flowtable_is_taken(&u.bindings, idx)
        and memcmp(&u.bindings.entries[idx].key, key, sizeof(flow_key_t)) == 0
    )


cdef uint32_t binding_backend(udp_t* u, const key_t* what) noexcept nogil:
    cdef flow_key_t key
    cdef uint32_t at
    if not u.is_keyed or not u.has_bindings or what.n == 0:
        return NO_INDEX
    binding_key(&key, what)
    at = flowtable_find(&u.bindings, &key, flowtable_hash(&u.bindings, &key))
    return NO_INDEX if at == FLOW_NONE else (<binding_t*>flowtable_side(&u.bindings, at)).backend


cdef void binding_note(worker_t* w, udp_t* u, flow_t* f, const key_t* what, bint is_choice) noexcept nogil:
    cdef flow_key_t key
    cdef uint64_t hash
    cdef uint32_t at, old
    if not u.is_keyed or not u.has_bindings or what.n == 0:
        return
    binding_key(&key, what)
    hash = flowtable_hash(&u.bindings, &key)
    if f.binding_hash == <uint32_t>hash and is_same(u, f.binding, &key):    # as last time
        flowtable_touch(&u.bindings, f.binding, now_tick(w))
        return
    at = flowtable_find(&u.bindings, &key, hash)
    if at == FLOW_NONE and f.n_learned == LEARNED_MOST:
        return                  # one client must not push all others out
    if at != FLOW_NONE and not is_choice and (<binding_t*>flowtable_side(&u.bindings, at)).backend != f.backend:
        return
    f.n_learned += at == FLOW_NONE
    if at == FLOW_NONE:
        at = flowtable_add(&u.bindings, &key, hash, now_tick(w))
    if at == FLOW_NONE:
        old = flowtable_oldest(&u.bindings, EVICT_LOOKS)
        if old == FLOW_NONE:
            return
        flowtable_remove(&u.bindings, old)
        at = flowtable_add(&u.bindings, &key, hash, now_tick(w))
    (<binding_t*>flowtable_side(&u.bindings, at)).backend = f.backend
    flowtable_touch(&u.bindings, at, now_tick(w))
    f.binding = at
    f.binding_hash = <uint32_t>hash


cdef void binding_move(udp_t* u, const flow_t* f) noexcept nogil:
    if (
        f.binding != FLOW_NONE and flowtable_is_taken(&u.bindings, f.binding)
        and u.bindings.entries[f.binding].hash == f.binding_hash
    ):
        (<binding_t*>flowtable_side(&u.bindings, f.binding)).backend = f.backend


cdef void bindings_expire(worker_t* w, udp_t* u, uint32_t idle_ticks) noexcept nogil:
    cdef uint32_t old[FLOWS_EXPIRED_PER_TURN]
    cdef uint32_t i
    cdef uint32_t n = flowtable_expire(&u.bindings, now_tick(w), idle_ticks, old, FLOWS_EXPIRED_PER_TURN)
    for i in range(n):
        flowtable_remove(&u.bindings, old[i])
