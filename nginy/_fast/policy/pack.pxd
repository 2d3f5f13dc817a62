# Builds a snapshot block. Called by control, off the hot path; the struct layout is the only description of the block.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from nginy._fast.base.layout cimport (
    snap_addr_t, snap_backend_t, snap_cid_t, snap_listener_t, snap_net_t, snap_pool_t, snap_socket_t,
)
from nginy._fast.base.routing cimport snap_member_t, snap_route_t

cdef struct snapshot_parts_t:   # borrowed arrays; backends sorted by pool, then tier
    uint64_t gen
    const snap_listener_t* listeners
    uint32_t n_listeners
    snap_pool_t* pools          # first_tier and n_tiers are filled in
    uint32_t n_pools
    const snap_backend_t* backends
    const snap_addr_t* addrs
    uint32_t n_backends
    const snap_socket_t* sockets
    uint32_t n_sockets
    const snap_net_t* nets      # of all UDP listeners, one listener's after the other's
    uint32_t n_nets
    const snap_cid_t* cids
    uint32_t n_cids
    const snap_route_t* routes  # of all listeners, one listener's after the other's
    const uint8_t* names
    const snap_member_t* members    # of all groups, one group's after the other's
    uint32_t n_routes
    uint32_t n_names
    uint32_t n_members
    const uint8_t* blocks       # routes of all HTTP listeners, each one's at a multiple of eight bytes
    uint32_t n_blocks           # bytes
    const uint8_t* meta
    uint32_t n_meta_bytes
    uint32_t drain_ms
    uint32_t is_access_log

# Bytes the block needs.
cdef uint64_t snapshot_size(const snapshot_parts_t* parts) noexcept nogil

# Write it to block, which holds snapshot_size zeroed bytes.
cdef void snapshot_write(snapshot_parts_t* parts, uint8_t* block, uint64_t n_bytes) noexcept nogil
