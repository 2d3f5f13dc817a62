"""Key: extractors, by key_kind_t."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy
from nginy._fast.base.layout cimport (
    KEY_BYTES, KEY_QUIC_CID, NO_INDEX, snap_cid_t, snap_udp_t,
)
from nginy._fast.mem.hash cimport hash_bytes

cdef enum:                      # RFC 8999: what all versions of QUIC have in common
    QUIC_LONG = 0x80            # first bit of the first byte
    QUIC_LONG_LENGTH_AT = 5     # length of the destination connection id in a long header, the id behind it
    QUIC_SHORT_ID_AT = 1
    QUIC_ID_MOST = 20           # RFC 9000, section 17.2


cdef void take(key_t* key, const uint8_t* payload, uint32_t n_bytes, uint32_t offset, uint32_t n) noexcept nogil:
    if n == 0 or n > KEY_MOST or offset > n_bytes or n_bytes - offset < n:
        return
    memcpy(key.bytes, payload + offset, n)
    key.n = n


cdef void take_cid(key_t* key, const snap_udp_t* conf, const uint8_t* payload, uint32_t n_bytes) noexcept nogil:
    if n_bytes == 0:
        return
    if not payload[0] & QUIC_LONG:
        take(key, payload, n_bytes, QUIC_SHORT_ID_AT, conf.cid_bytes)
    elif n_bytes > QUIC_LONG_LENGTH_AT and payload[QUIC_LONG_LENGTH_AT] <= QUIC_ID_MOST:
        take(key, payload, n_bytes, QUIC_LONG_LENGTH_AT + 1, payload[QUIC_LONG_LENGTH_AT])


cdef void key_extract(
    key_t* key, const snap_udp_t* conf, const uint8_t* ip, uint8_t family, const uint8_t* payload, uint32_t n_bytes
) noexcept nogil:
    key.n = 0
    if conf.key_kind == KEY_BYTES:
        take(key, payload, n_bytes, conf.key_offset, conf.key_bytes)
    elif conf.key_kind == KEY_QUIC_CID:
        take_cid(key, conf, payload, n_bytes)
    else:
        memcpy(key.bytes, ip, 16)
        key.bytes[16] = family
        key.n = 17


cdef uint64_t key_hash(const key_t* key) noexcept nogil:
    if key.n == 17:             # an address: as TCP listeners hash it, so that one client meets one backend on both
        return hash_bytes(key.bytes, 16, key.bytes[16])
    return hash_bytes(key.bytes, key.n, key.n)


cdef uint32_t key_server(const snap_udp_t* conf, const snap_cid_t* cids, const key_t* key) noexcept nogil:
    cdef uint64_t id = 0
    cdef uint32_t low = 0
    cdef uint32_t high = conf.n_cids
    cdef uint32_t i, mid
    if conf.n_cids == 0 or key.n < conf.key_offset + conf.key_bytes:
        return NO_INDEX
    for i in range(conf.key_bytes):
        id = id << 8 | key.bytes[conf.key_offset + i]
    while low < high:
        mid = (low + high) // 2
        if cids[mid].id < id:
            low = mid + 1
        else:
            high = mid
    return cids[low].backend if low < conf.n_cids and cids[low].id == id else <uint32_t>NO_INDEX
