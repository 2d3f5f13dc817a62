# What a choice goes by: one extractor for every protocol. A key is bytes; equal bytes, equal backend.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from nginy._fast.base.layout cimport snap_cid_t, snap_key_t, snap_udp_t
from nginy._fast.wire.http1 cimport head_t

cdef enum:
    KEY_OWN_BYTES = 256         # an address and port as text, a host

cdef struct key_t:              # not to be copied: `at` may point into itself
    const uint8_t* at           # borrowed from the visit, or own
    uint32_t n                  # 0 = this visit has none
    uint8_t own[KEY_OWN_BYTES]

# What is known of a client when its backend is chosen. Pointers are borrowed and hold for that one call.
cdef struct visit_t:
    uint8_t ip[16]              # IPv4 in the first four bytes
    uint8_t local_ip[16]        # the address that was asked
    uint16_t port               # host order
    uint16_t local_port
    uint8_t family              # 4, 6, 0 = unix
    uint8_t local_family        # 4, 6, 0 = not looked up, or unix
    uint16_t reserved
    uint32_t listener           # id
    uint64_t listener_hash      # of its name
    const uint8_t* name         # server name of a TLS hello, lower case
    uint32_t n_name             # 0 = none
    uint32_t n_bytes
    uint32_t n_alpn
    const uint8_t* alpn         # names of protocols in a TLS hello, a byte of length before each
    const uint8_t* bytes        # first bytes of a preread, or the payload of a datagram
    const key_t* session        # UDP: the session's key; NULL = its address is
    const uint8_t* request      # HTTP, where the pool heeds requests: where its head was read; NULL = none
    const head_t* head          # of it

# The key of a visit; key.n = 0 when the visit has none of this kind.
cdef void key_extract(key_t* key, const snap_key_t* conf, const visit_t* visit) noexcept nogil

# A slice of n bytes (at most KEY_SLICE_BYTES) of what was received; key.n = 0 when it is shorter.
cdef void key_slice(key_t* key, const uint8_t* received, uint32_t n_bytes, uint32_t offset, uint32_t n) noexcept nogil

# Equal on every worker and machine.
cdef uint64_t key_hash(const key_t* key) noexcept nogil

# The same as another program's ring has it (ring_kind_t): 32 bits in the upper half, where a ring looks; RING_OWN: key_hash.
cdef uint64_t key_hash_in(uint32_t ring, const key_t* key) noexcept nogil

# What a choice by this key goes by. A visit without such a key goes by its session's key or its address.
cdef uint64_t visit_hash(const snap_key_t* conf, const visit_t* visit) noexcept nogil

# The backend that a QUIC connection id names (KEY_QUIC_CID with a server's id in it), NO_INDEX when it names none.
cdef uint32_t key_server(const snap_udp_t* conf, const snap_cid_t* cids, const key_t* key) noexcept nogil
