"""Key: extractors, by key_kind_t."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy
from nginy._fast.base.layout cimport (
    KEY_BYTES, KEY_CONSTANT, KEY_DESTINATION, KEY_HEADER, KEY_LISTENER, KEY_QUIC_CID, KEY_SESSION, KEY_SNI, KEY_TUPLE,
    NO_INDEX, snap_cid_t, snap_key_t, snap_udp_t,
)
from nginy._fast.base.limits cimport KEY_SLICE_BYTES
from nginy._fast.mem.hash cimport hash_bytes
from nginy._fast.policy.requestkey cimport take_of_request
from nginy._fast.policy.ring cimport RING_OWN, ring_hash
from nginy._fast.policy.text cimport text_of_address

cdef enum:                      # RFC 8999: what all versions of QUIC have in common
    QUIC_LONG = 0x80            # first bit of the first byte
    QUIC_LONG_LENGTH_AT = 5     # length of the destination connection id in a long header, the id behind it
    QUIC_SHORT_ID_AT = 1
    QUIC_ID_MOST = 20           # RFC 9000, section 17.2

cdef enum:
    ADDRESS_BYTES = 17          # and its family


cdef void key_slice(key_t* key, const uint8_t* received, uint32_t n_bytes, uint32_t offset, uint32_t n) noexcept nogil:
    key.n = 0
    if n == 0 or n > KEY_SLICE_BYTES or offset > n_bytes or n_bytes - offset < n:
        return
    key.at = received + offset
    key.n = n


cdef void take_cid(key_t* key, const snap_key_t* conf, const uint8_t* payload, uint32_t n_bytes) noexcept nogil:
    if n_bytes == 0:
        return
    if not payload[0] & QUIC_LONG:
        key_slice(key, payload, n_bytes, QUIC_SHORT_ID_AT, conf.cid_bytes)
    elif n_bytes > QUIC_LONG_LENGTH_AT and payload[QUIC_LONG_LENGTH_AT] <= QUIC_ID_MOST:
        key_slice(key, payload, n_bytes, QUIC_LONG_LENGTH_AT + 1, payload[QUIC_LONG_LENGTH_AT])


cdef void take_own(key_t* key, uint32_t n) noexcept nogil:
    key.at = key.own
    key.n = n


cdef void take_borrowed(key_t* key, const uint8_t* at, uint32_t n) noexcept nogil:
    key.at = at
    key.n = n


# An address with its family, and its port if asked for; or both as text.
cdef void take_address(
    key_t* key, bint is_text, const uint8_t* ip, uint8_t family, uint16_t port, bint has_port
) noexcept nogil:
    if is_text:
        take_own(key, text_of_address(key.own, ip, family, port, has_port))
        return
    memcpy(key.own, ip, 16)
    key.own[16] = family
    if has_port:
        memcpy(key.own + ADDRESS_BYTES, &port, 2)
    take_own(key, ADDRESS_BYTES + (2 if has_port else 0))


cdef void take_session(key_t* key, const snap_key_t* conf, const visit_t* v) noexcept nogil:
    if v.session != NULL and v.session.n:
        take_borrowed(key, v.session.at, v.session.n)
    else:
        take_address(key, conf.ring != RING_OWN, v.ip, v.family, 0, False)


cdef void key_extract(key_t* key, const snap_key_t* conf, const visit_t* v) noexcept nogil:
    cdef uint8_t kind = conf.kind
    key.n = 0
    if kind == KEY_SESSION:
        take_session(key, conf, v)
    elif kind == KEY_BYTES:
        key_slice(key, v.bytes, v.n_bytes, conf.offset, conf.n_bytes)
    elif kind == KEY_QUIC_CID:
        take_cid(key, conf, v.bytes, v.n_bytes)
    elif kind == KEY_SNI:
        take_borrowed(key, v.name, v.n_name)
    elif kind == KEY_LISTENER:
        memcpy(key.own, &v.listener_hash, 8)
        take_own(key, 8)
    elif kind == KEY_CONSTANT:
        take_borrowed(key, conf.value, conf.n_value)
    elif kind >= KEY_HEADER:
        if v.request != NULL:
            take_of_request(key, conf, v.request, v.head)
    elif kind != KEY_DESTINATION:
        take_address(key, conf.ring != RING_OWN, v.ip, v.family, v.port, kind == KEY_TUPLE)
    elif v.local_family:
        take_address(key, conf.ring != RING_OWN, v.local_ip, v.local_family, v.local_port, True)


cdef uint64_t key_hash(const key_t* key) noexcept nogil:
    if key.n == ADDRESS_BYTES:  # an address: TCP and UDP hash it alike, so that one client meets one backend on both
        return hash_bytes(key.at, 16, key.at[16])
    return hash_bytes(key.at, key.n, key.n)


cdef uint64_t key_hash_in(uint32_t ring, const key_t* key) noexcept nogil:
    if ring != RING_OWN:
        return <uint64_t>ring_hash(ring, key.at, key.n) << 32
    return key_hash(key)


cdef uint64_t visit_hash(const snap_key_t* conf, const visit_t* visit) noexcept nogil:
    cdef key_t key
    key_extract(&key, conf, visit)
    if key.n == 0:
        take_session(&key, conf, visit)
    return key_hash_in(conf.ring, &key)


cdef uint32_t key_server(const snap_udp_t* conf, const snap_cid_t* cids, const key_t* key) noexcept nogil:
    cdef uint64_t id = 0
    cdef uint32_t low = 0
    cdef uint32_t high = conf.n_cids
    cdef uint32_t i, mid
    if conf.n_cids == 0 or key.n < conf.server_offset + conf.server_bytes:
        return NO_INDEX
    for i in range(conf.server_bytes):
        id = id << 8 | key.at[conf.server_offset + i]
    while low < high:
        mid = (low + high) // 2
        if cids[mid].id < id:
            low = mid + 1
        else:
            high = mid
    return cids[low].backend if low < conf.n_cids and cids[low].id == id else <uint32_t>NO_INDEX
