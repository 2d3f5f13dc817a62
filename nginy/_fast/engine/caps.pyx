"""Caps: what is too much is told as soon as it is known, a length by the head alone, chunks when they announce it."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy
from nginy._fast.base.layout cimport snap_listener_t
from nginy._fast.base.status cimport (
    OWN_BAD_REQUEST, OWN_BODY_TOO_LARGE, OWN_HEAD_TOO_LONG, OWN_REQUEST_RATE, OWN_TARGET_TOO_LONG,
)
from nginy._fast.engine.stats cimport count
from nginy._fast.engine.types cimport session_side, session_side_t, session_t, worker_t
from nginy._fast.mem.hash cimport hash_bytes, hash_mix
from nginy._fast.mem.pace cimport pace_take
from nginy._fast.policy.snapshot cimport snapshot_listener
from nginy._fast.wire.chunk cimport chunk_refusal
from nginy._fast.wire.http1 cimport BODY_CHUNKED, BODY_LENGTH, HTTP_TOO_LARGE, head_t

cdef enum:
    NET6_BYTES = 8              # of an IPv6 address: a /64 is one client's own (RFC 6177, section 2)


# Whose request it is, known by nothing but a hash with the worker's secret: no client can choose whom it meets.
cdef uint64_t client_hash(const worker_t* w, const session_t* s) noexcept nogil:
    cdef const session_side_t* side = session_side(w, s)
    cdef uint8_t key[24]
    cdef uint32_t n = NET6_BYTES if side.client_family == 6 else 4
    memcpy(key, &s.listener, 4)
    key[4] = side.client_family
    memcpy(key + 5, side.client_ip, n)
    return hash_mix(hash_bytes(key, 5 + n, w.http.secret[0]) ^ w.http.secret[1])


# False: it comes too early; w.http.wait_s says by how much.
cdef bint is_on_pace(worker_t* w, const session_t* s, const snap_listener_t* l) noexcept nogil:
    cdef uint64_t before = w.http.pace.n_forgotten
    cdef uint64_t wait_ns = pace_take(&w.http.pace, client_hash(w, s), l.caps.gap_ns, l.caps.room_ns, w.now_us * 1000)
    if w.http.pace.n_forgotten != before:
        count(&w.row.http[s.listener].rates_forgotten, 1)
    w.http.wait_s = <uint32_t>((wait_ns + 999999999) // 1000000000)
    return wait_ns == 0


cdef uint32_t caps_refuse(
    worker_t* w, const session_t* s, const snap_listener_t* listener, const head_t* head
) noexcept nogil:
    if head.n_bytes > listener.caps.head_bytes or head.n_fields > listener.caps.n_fields:
        return 1 + OWN_HEAD_TOO_LONG
    if head.target.n > listener.caps.target_bytes:
        return 1 + OWN_TARGET_TOO_LONG
    if head.body == BODY_LENGTH and head.body_bytes > listener.caps.body_bytes:
        return 1 + OWN_BODY_TOO_LARGE
    if listener.caps.gap_ns and not is_on_pace(w, s, listener):
        return 1 + OWN_REQUEST_RATE
    return 0


cdef bint caps_is_long(const worker_t* w, const session_t* s, uint32_t n) noexcept nogil:
    cdef const snap_listener_t* listener = snapshot_listener(&w.snapshot, s.listener)
    return listener != NULL and n >= listener.caps.head_bytes


cdef void caps_room(const worker_t* w, const session_t* s, body_t* b) noexcept nogil:
    cdef const snap_listener_t* listener = snapshot_listener(&w.snapshot, s.listener)
    if listener != NULL:
        b.chunk.room = listener.caps.body_bytes


cdef uint32_t caps_why(const body_t* b) noexcept nogil:
    if b.kind == BODY_CHUNKED and chunk_refusal(&b.chunk) == HTTP_TOO_LARGE:
        return OWN_BODY_TOO_LARGE
    return OWN_BAD_REQUEST
