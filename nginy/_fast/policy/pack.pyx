"""Pack: arrays of rows to one flat snapshot block."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy
from nginy._fast.base.layout cimport (
    LAYOUT_VERSION, NO_INDEX, SNAPSHOT_MAGIC, snap_addr_t, snap_backend_t, snap_cid_t, snap_header_t, snap_listener_t,
    snap_net_t, snap_pool_t, snap_socket_t, snap_tier_t,
)
from nginy._fast.base.routing cimport snap_member_t, snap_route_t
from nginy._fast.policy.snapshot cimport snapshot_checksum


cdef uint64_t padded(uint64_t n_bytes) noexcept nogil:
    return (n_bytes + 7) & ~<uint64_t>7


cdef uint32_t max_id(const uint8_t* rows, uint32_t n, uint32_t item_bytes) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t top = 0
    for i in range(n):          # every row begins with its id
        if (<const uint32_t*>(rows + <uint64_t>i * item_bytes))[0] >= top:
            top = (<const uint32_t*>(rows + <uint64_t>i * item_bytes))[0] + 1
    return top


cdef uint32_t count_tiers(const snapshot_parts_t* p) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t n = 0
    for i in range(p.n_backends):
        if i == 0 or p.backends[i].pool != p.backends[i - 1].pool or p.backends[i].tier != p.backends[i - 1].tier:
            n += 1
    return n


cdef uint64_t sites_plan(const snapshot_parts_t* p, snap_header_t* h, uint64_t at) noexcept nogil:
    h.sites.n_routes = p.n_routes
    h.sites.n_names = p.n_names
    h.sites.n_members = p.n_members
    h.sites.off_routes = <uint32_t>at
    at += padded(p.n_routes * sizeof(snap_route_t))
    h.sites.off_names = <uint32_t>at
    at += padded(p.n_names)
    h.sites.off_members = <uint32_t>at
    at += padded(p.n_members * sizeof(snap_member_t))
    h.sites.n_blocks = p.n_blocks
    h.sites.off_blocks = <uint32_t>at
    return at + padded(p.n_blocks)


# Offsets of all parts; returns the whole length.
cdef uint64_t header_plan(const snapshot_parts_t* p, snap_header_t* h) noexcept nogil:
    cdef uint64_t at = padded(sizeof(snap_header_t))
    h.n_listeners = p.n_listeners
    h.n_pools = p.n_pools
    h.n_tiers = count_tiers(p)
    h.n_backends = p.n_backends
    h.n_sockets = p.n_sockets
    h.n_listener_at = max_id(<const uint8_t*>p.listeners, p.n_listeners, sizeof(snap_listener_t))
    h.n_pool_at = max_id(<const uint8_t*>p.pools, p.n_pools, sizeof(snap_pool_t))
    h.n_backend_at = max_id(<const uint8_t*>p.backends, p.n_backends, sizeof(snap_backend_t))
    h.n_nets = p.n_nets
    h.n_cids = p.n_cids
    h.n_meta_bytes = p.n_meta_bytes
    h.off_listeners = <uint32_t>at
    at += padded(p.n_listeners * sizeof(snap_listener_t))
    h.off_pools = <uint32_t>at
    at += padded(p.n_pools * sizeof(snap_pool_t))
    h.off_tiers = <uint32_t>at
    at += padded(h.n_tiers * sizeof(snap_tier_t))
    h.off_backends = <uint32_t>at
    at += padded(p.n_backends * sizeof(snap_backend_t))
    h.off_addrs = <uint32_t>at
    at += padded(p.n_backends * sizeof(snap_addr_t))
    h.off_sockets = <uint32_t>at
    at += padded(p.n_sockets * sizeof(snap_socket_t))
    h.off_listener_at = <uint32_t>at
    at += padded(h.n_listener_at * sizeof(uint32_t))
    h.off_pool_at = <uint32_t>at
    at += padded(h.n_pool_at * sizeof(uint32_t))
    h.off_backend_at = <uint32_t>at
    at += padded(h.n_backend_at * sizeof(uint32_t))
    h.off_nets = <uint32_t>at
    at += padded(p.n_nets * sizeof(snap_net_t))
    h.off_cids = <uint32_t>at
    at += padded(p.n_cids * sizeof(snap_cid_t))
    at = sites_plan(p, h, at)
    h.off_meta = <uint32_t>at
    return at + padded(p.n_meta_bytes)


cdef uint64_t snapshot_size(const snapshot_parts_t* parts) noexcept nogil:
    cdef snap_header_t h
    return header_plan(parts, &h)


cdef void write_ids(
    uint8_t* block, uint32_t off_at, uint32_t n_at, uint32_t off_rows, uint32_t n, uint32_t item_bytes
) noexcept nogil:
    cdef uint32_t* at = <uint32_t*>(block + off_at)
    cdef uint32_t i
    for i in range(n_at):
        at[i] = NO_INDEX
    for i in range(n):
        at[(<uint32_t*>(block + off_rows + <uint64_t>i * item_bytes))[0]] = i


cdef void tier_add(snap_tier_t* tier, snap_backend_t* b, uint32_t* weight) noexcept nogil:
    tier.n += 1
    tier.share_sum += b.weight
    b.share_end = tier.share_sum
    if b.is_usable:
        tier.weight_sum += b.weight
        if weight[0] == 0:
            weight[0] = b.weight
        elif weight[0] != b.weight:
            tier.is_equal = 0
    b.weight_end = tier.weight_sum


# Tiers are runs of equal (pool, tier) in the sorted backends; each pool learns where its runs begin.
cdef void write_tiers(uint8_t* block, const snap_header_t* h) noexcept nogil:
    cdef snap_tier_t* tiers = <snap_tier_t*>(block + h.off_tiers)
    cdef snap_backend_t* b = <snap_backend_t*>(block + h.off_backends)
    cdef snap_pool_t* pools = <snap_pool_t*>(block + h.off_pools)
    cdef uint32_t* pool_at = <uint32_t*>(block + h.off_pool_at)
    cdef uint32_t i, at
    cdef uint32_t n = 0
    cdef uint32_t weight = 0
    for i in range(h.n_backends):
        if i == 0 or b[i].pool != b[i - 1].pool or b[i].tier != b[i - 1].tier:
            at = pool_at[b[i].pool]
            if pools[at].n_tiers == 0:
                pools[at].first_tier = n
            pools[at].n_tiers += 1
            tiers[n].first = i
            tiers[n].is_equal = 1
            weight = 0
            n += 1
        tier_add(&tiers[n - 1], &b[i], &weight)


cdef uint32_t all_heeds(const snapshot_parts_t* p) noexcept nogil:
    cdef uint32_t heeds = 0
    cdef uint32_t i
    for i in range(p.n_pools):
        heeds |= p.pools[i].heeds
    return heeds


cdef void copy_part(uint8_t* to, const void* rows, uint64_t n_bytes) noexcept nogil:
    if n_bytes:                 # memcpy does not take NULL, even for nothing
        memcpy(to, rows, n_bytes)


cdef void snapshot_write(snapshot_parts_t* parts, uint8_t* block, uint64_t n_bytes) noexcept nogil:
    cdef snap_header_t* h = <snap_header_t*>block
    header_plan(parts, h)
    h.magic = SNAPSHOT_MAGIC
    h.version = LAYOUT_VERSION
    h.length_bytes = n_bytes
    h.gen = parts.gen
    h.drain_ms = parts.drain_ms
    h.is_access_log = parts.is_access_log
    h.heeds = all_heeds(parts)
    copy_part(block + h.off_listeners, parts.listeners, parts.n_listeners * sizeof(snap_listener_t))
    copy_part(block + h.off_pools, parts.pools, parts.n_pools * sizeof(snap_pool_t))
    copy_part(block + h.off_backends, parts.backends, parts.n_backends * sizeof(snap_backend_t))
    copy_part(block + h.off_addrs, parts.addrs, parts.n_backends * sizeof(snap_addr_t))
    copy_part(block + h.off_sockets, parts.sockets, parts.n_sockets * sizeof(snap_socket_t))
    copy_part(block + h.off_nets, parts.nets, parts.n_nets * sizeof(snap_net_t))
    copy_part(block + h.off_cids, parts.cids, parts.n_cids * sizeof(snap_cid_t))
    copy_part(block + h.sites.off_routes, parts.routes, parts.n_routes * sizeof(snap_route_t))
    copy_part(block + h.sites.off_names, parts.names, parts.n_names)
    copy_part(block + h.sites.off_members, parts.members, parts.n_members * sizeof(snap_member_t))
    copy_part(block + h.sites.off_blocks, parts.blocks, parts.n_blocks)
    copy_part(block + h.off_meta, parts.meta, parts.n_meta_bytes)
    write_ids(block, h.off_listener_at, h.n_listener_at, h.off_listeners, h.n_listeners, sizeof(snap_listener_t))
    write_ids(block, h.off_pool_at, h.n_pool_at, h.off_pools, h.n_pools, sizeof(snap_pool_t))
    write_ids(block, h.off_backend_at, h.n_backend_at, h.off_backends, h.n_backends, sizeof(snap_backend_t))
    write_tiers(block, h)
    h.checksum = snapshot_checksum(block, n_bytes)
