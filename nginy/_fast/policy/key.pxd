# What a client is known by: one table for every protocol that has a key. A key is bytes; equal bytes, equal backend.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from nginy._fast.base.layout cimport snap_cid_t, snap_udp_t

cdef enum:
    KEY_MOST = 32               # bytes

cdef struct key_t:
    uint8_t bytes[KEY_MOST]
    uint32_t n                  # 0 = this datagram has none: its sender's address stands in for it

# The key of a datagram from ip (16 bytes, family 4 or 6), as the listener wants it.
cdef void key_extract(
    key_t* key, const snap_udp_t* conf, const uint8_t* ip, uint8_t family, const uint8_t* payload, uint32_t n_bytes
) noexcept nogil

# Equal on every worker and machine.
cdef uint64_t key_hash(const key_t* key) noexcept nogil

# The backend that a QUIC connection id names (KEY_QUIC_CID with a server's id in it), NO_INDEX when it names none.
cdef uint32_t key_server(const snap_udp_t* conf, const snap_cid_t* cids, const key_t* key) noexcept nogil
