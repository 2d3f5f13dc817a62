# A snapshot as a worker sees it: mapped, verified, looked up by id. Immutable; swapped whole between two loop turns.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from nginy._fast.base.layout cimport (
    snap_addr_t, snap_backend_t, snap_cid_t, snap_header_t, snap_listener_t, snap_net_t, snap_pool_t, snap_socket_t,
    snap_tier_t,
)
from nginy._fast.base.routing cimport snap_member_t, snap_route_t
from nginy._fast.policy.site cimport site_t

cdef struct snapshot_t:
    const uint8_t* base         # owned mapping, or borrowed when is_borrowed
    uint64_t length_bytes
    bint is_borrowed
    const snap_header_t* header
    const snap_listener_t* listeners
    const snap_pool_t* pools
    const snap_tier_t* tiers
    const snap_backend_t* backends
    const snap_addr_t* addrs
    const snap_socket_t* sockets
    const snap_net_t* nets
    const snap_cid_t* cids
    const snap_route_t* routes
    const uint8_t* names
    const snap_member_t* members
    const uint32_t* listener_at
    const uint32_t* pool_at
    const uint32_t* backend_at

# Look at a block in memory. 0, or -refusal_t; nothing of s is usable then.
cdef int snapshot_read(snapshot_t* s, const uint8_t* block, uint64_t n_bytes) noexcept nogil

# Map and verify a sealed descriptor (not consumed). 0, or -refusal_t with nothing held.
cdef int snapshot_open(snapshot_t* s, int fd) noexcept nogil
cdef void snapshot_close(snapshot_t* s) noexcept nogil

# The routes of an HTTP listener of this snapshot, looked at only. False: it has a pool alone.
cdef bint snapshot_site(const snapshot_t* s, const snap_listener_t* listener, site_t* site) noexcept nogil

# The checksum a block must carry in its header.
cdef uint64_t snapshot_checksum(const uint8_t* block, uint64_t n_bytes) noexcept nogil

# NULL when the id is not in this generation.
cdef const snap_listener_t* snapshot_listener(const snapshot_t* s, uint32_t id) noexcept nogil
cdef const snap_pool_t* snapshot_pool(const snapshot_t* s, uint32_t id) noexcept nogil
cdef const snap_backend_t* snapshot_backend(const snapshot_t* s, uint32_t id) noexcept nogil

# Whether sessions of a pool may go to backends of another one: its own, or a member's.
cdef bint snapshot_serves(const snapshot_t* s, uint32_t id, uint32_t of_backend) noexcept nogil
