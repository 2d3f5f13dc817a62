"""Snapshot: nothing of a block is believed before its seal, length, checksum and every index have been checked."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from nginy._fast.base.cdefs cimport F_GET_SEALS, F_SEAL_SHRINK, F_SEAL_WRITE, c_fcntl, c_fstat, c_stat
from nginy._fast.base.layout cimport (
    KEY_COUNT, KEY_QUIC_CID, LAYOUT_VERSION, NO_INDEX, PROTOCOL_UDP, SNAPSHOT_MAGIC, STICKY_PREFIX, snap_addr_t,
    snap_backend_t, snap_cid_t, snap_header_t, snap_http_t, snap_key_t, snap_listener_t, snap_net_t, snap_pool_t,
    snap_socket_t, snap_tier_t,
)
from nginy._fast.base.limits cimport (
    KEY_SLICE_BYTES, MAX_BACKENDS, MAX_FLOWS, MAX_LISTENERS, MAX_MEMBERS, MAX_NAMES, MAX_OF_GROUP, MAX_POOLS,
    MAX_PREREAD, MAX_RETRIES, MAX_ROUTES, MAX_SOCKETS,
)
from nginy._fast.base.routing cimport PREREAD_HELLO, snap_member_t, snap_members_t, snap_route_t, snap_routes_t
from nginy._fast.base.status cimport REFUSAL_BOUNDS, REFUSAL_CHECKSUM, REFUSAL_HEADER, REFUSAL_MAP, REFUSAL_SEAL
from nginy._fast.mem.hash cimport hash_bytes
from nginy._fast.mem.region cimport region_close, region_map
from nginy._fast.policy.ring cimport RING_KETAMA
from nginy._fast.policy.site cimport site_header_t, site_t
from nginy._fast.policy.siteblock cimport site_lay, site_read


cdef uint64_t snapshot_checksum(const uint8_t* block, uint64_t n_bytes) noexcept nogil:
    cdef snap_header_t header
    cdef uint64_t h
    memcpy(&header, block, sizeof(header))
    header.checksum = 0
    h = hash_bytes(<uint8_t*>&header, sizeof(header), SNAPSHOT_MAGIC)
    return hash_bytes(block + sizeof(header), n_bytes - sizeof(header), h)


cdef bint part_fits(const snap_header_t* h, uint32_t off, uint32_t n, uint64_t item_bytes) noexcept nogil:
    return off % 8 == 0 and off >= sizeof(snap_header_t) and off + n * item_bytes <= h.length_bytes


cdef bint parts_fit(const snap_header_t* h) noexcept nogil:
    return (
        h.n_listeners <= MAX_LISTENERS and h.n_listener_at <= MAX_LISTENERS
        and h.n_pools <= MAX_POOLS and h.n_pool_at <= MAX_POOLS
        and h.n_backends <= MAX_BACKENDS and h.n_backend_at <= MAX_BACKENDS and h.n_tiers <= MAX_BACKENDS
        and h.n_sockets <= MAX_SOCKETS
        and part_fits(h, h.off_listeners, h.n_listeners, sizeof(snap_listener_t))
        and part_fits(h, h.off_pools, h.n_pools, sizeof(snap_pool_t))
        and part_fits(h, h.off_tiers, h.n_tiers, sizeof(snap_tier_t))
        and part_fits(h, h.off_backends, h.n_backends, sizeof(snap_backend_t))
        and part_fits(h, h.off_addrs, h.n_backends, sizeof(snap_addr_t))
        and part_fits(h, h.off_sockets, h.n_sockets, sizeof(snap_socket_t))
        and part_fits(h, h.off_listener_at, h.n_listener_at, sizeof(uint32_t))
        and part_fits(h, h.off_pool_at, h.n_pool_at, sizeof(uint32_t))
        and part_fits(h, h.off_backend_at, h.n_backend_at, sizeof(uint32_t))
        and part_fits(h, h.off_nets, h.n_nets, sizeof(snap_net_t))
        and part_fits(h, h.off_cids, h.n_cids, sizeof(snap_cid_t))
        and h.sites.n_routes <= MAX_ROUTES and h.sites.n_names <= MAX_NAMES and h.sites.n_members <= MAX_MEMBERS
        and part_fits(h, h.sites.off_routes, h.sites.n_routes, sizeof(snap_route_t))
        and part_fits(h, h.sites.off_names, h.sites.n_names, 1)
        and part_fits(h, h.sites.off_members, h.sites.n_members, sizeof(snap_member_t))
        and part_fits(h, h.sites.off_blocks, h.sites.n_blocks, 1)
        and part_fits(h, h.off_meta, h.n_meta_bytes, 1)
    )


cdef bint positions_fit(const uint32_t* at, uint32_t n_at, uint32_t n) noexcept nogil:
    cdef uint32_t i
    for i in range(n_at):
        if at[i] >= n and at[i] != NO_INDEX:
            return False
    return True


cdef bint pools_fit(const snapshot_t* s) noexcept nogil:
    cdef uint32_t i, j
    cdef uint64_t n_tiers = 0
    cdef uint64_t n_backends = 0
    cdef const snap_pool_t* pool
    cdef const snap_tier_t* tier
    for i in range(s.header.n_pools):
        pool = &s.pools[i]
        if <uint64_t>pool.first_tier + pool.n_tiers > s.header.n_tiers:
            return False
        n_tiers += pool.n_tiers
        if n_tiers > s.header.n_tiers:      # shared tiers could make one choice walk for ever
            return False
        for j in range(pool.n_tiers):
            tier = &s.tiers[pool.first_tier + j]
            n_backends += tier.n
            if <uint64_t>tier.first + tier.n > s.header.n_backends:
                return False
    return n_backends <= s.header.n_backends


cdef bint key_fits(const snap_key_t* key) noexcept nogil:
    return (
        key.kind < KEY_COUNT and key.n_bytes <= KEY_SLICE_BYTES and key.cid_bytes <= KEY_SLICE_BYTES
        and key.n_value <= KEY_SLICE_BYTES and key.ring <= RING_KETAMA
    )


cdef bint udp_fits(const snapshot_t* s, const snap_listener_t* l) noexcept nogil:
    if l.protocol != PROTOCOL_UDP:
        return True
    return (
        0 < l.udp.flows_max <= MAX_FLOWS and key_fits(&l.udp.key) and l.udp.key.kind <= KEY_QUIC_CID
        and l.udp.server_bytes <= 8 and l.udp.server_offset <= KEY_SLICE_BYTES
        and <uint64_t>l.udp.first_net + l.udp.n_nets <= s.header.n_nets
        and <uint64_t>l.udp.first_cid + l.udp.n_cids <= s.header.n_cids
    )


# A listener's routes lie in the block, their names in the listener's.
cdef bint routes_fit(const snapshot_t* s, const snap_routes_t* r) noexcept nogil:
    cdef uint32_t i
    cdef uint64_t n = <uint64_t>r.n_exact + r.n_suffix
    if r.first + n > s.header.sites.n_routes or <uint64_t>r.off_names + r.n_names > s.header.sites.n_names:
        return False
    for i in range(<uint32_t>n):
        if <uint64_t>s.routes[r.first + i].off_name + s.routes[r.first + i].n_name > r.n_names:
            return False
    return True


cdef bint members_fit(const snapshot_t* s, const snap_members_t* m) noexcept nogil:
    return m.n <= MAX_OF_GROUP and <uint64_t>m.first + m.n <= s.header.sites.n_members


cdef bint pool_fits(const snapshot_t* s, const snap_pool_t* pool) noexcept nogil:
    return (
        pool.id < MAX_POOLS and key_fits(&pool.key) and members_fit(s, &pool.members)
        and pool.n_load_name <= KEY_SLICE_BYTES and pool.sticky.n_name <= KEY_SLICE_BYTES
        and pool.sticky.kind <= STICKY_PREFIX
        and <uint64_t>pool.sticky.first_tag + pool.sticky.n_tags <= s.header.n_cids
    )


# The block of an HTTP listener's routes, looked at from end to end: requests believe it from then on.
cdef bint block_fits(const snapshot_t* s, const snap_http_t* http) noexcept nogil:
    cdef site_t site
    if http.n_block == 0:
        return True
    if http.off_block % 8 or <uint64_t>http.off_block + http.n_block > s.header.sites.n_blocks:
        return False
    return site_read(&site, s.base + s.header.sites.off_blocks + http.off_block, http.n_block) == 0


cdef bint snapshot_site(const snapshot_t* s, const snap_listener_t* listener, site_t* site) noexcept nogil:
    cdef const uint8_t* block = s.base + s.header.sites.off_blocks + listener.http.off_block
    if listener.http.n_block == 0:
        return False
    site_lay(site, <const site_header_t*>block, block)
    return True


cdef bint listener_fits(const snapshot_t* s, const snap_listener_t* l) noexcept nogil:
    return (
        l.id < MAX_LISTENERS and l.retries <= MAX_RETRIES
        and l.preread.n_bytes <= MAX_PREREAD and l.preread.kind <= PREREAD_HELLO and routes_fit(s, &l.routes)
        and udp_fits(s, l) and block_fits(s, &l.http)
    )


cdef bint rows_fit(const snapshot_t* s) noexcept nogil:
    cdef uint32_t i
    for i in range(s.header.n_backends):
        if s.addrs[i].len_bytes < 2 or s.addrs[i].len_bytes > sizeof(s.addrs[i].bytes) or s.backends[i].id >= MAX_BACKENDS:
            return False
    for i in range(s.header.n_listeners):
        if not listener_fits(s, &s.listeners[i]):
            return False
    for i in range(s.header.n_nets):
        if s.nets[i].n_bits > 128:
            return False
    for i in range(s.header.n_cids):
        if s.cids[i].backend >= MAX_BACKENDS:
            return False
    for i in range(s.header.n_pools):
        if not pool_fits(s, &s.pools[i]):
            return False
    for i in range(s.header.n_sockets):
        if s.sockets[i].sock_id >= MAX_SOCKETS or s.sockets[i].listener >= MAX_LISTENERS:
            return False
    return (
        positions_fit(s.listener_at, s.header.n_listener_at, s.header.n_listeners)
        and positions_fit(s.pool_at, s.header.n_pool_at, s.header.n_pools)
        and positions_fit(s.backend_at, s.header.n_backend_at, s.header.n_backends)
    )


cdef void parts_point(snapshot_t* s, const uint8_t* block) noexcept nogil:
    cdef const snap_header_t* h = s.header
    s.listeners = <const snap_listener_t*>(block + h.off_listeners)
    s.pools = <const snap_pool_t*>(block + h.off_pools)
    s.tiers = <const snap_tier_t*>(block + h.off_tiers)
    s.backends = <const snap_backend_t*>(block + h.off_backends)
    s.addrs = <const snap_addr_t*>(block + h.off_addrs)
    s.sockets = <const snap_socket_t*>(block + h.off_sockets)
    s.nets = <const snap_net_t*>(block + h.off_nets)
    s.cids = <const snap_cid_t*>(block + h.off_cids)
    s.routes = <const snap_route_t*>(block + h.sites.off_routes)
    s.names = block + h.sites.off_names
    s.members = <const snap_member_t*>(block + h.sites.off_members)
    s.listener_at = <const uint32_t*>(block + h.off_listener_at)
    s.pool_at = <const uint32_t*>(block + h.off_pool_at)
    s.backend_at = <const uint32_t*>(block + h.off_backend_at)


cdef int snapshot_read(snapshot_t* s, const uint8_t* block, uint64_t n_bytes) noexcept nogil:
    memset(s, 0, sizeof(snapshot_t))
    if n_bytes < sizeof(snap_header_t):
        return -REFUSAL_HEADER
    s.base = block
    s.length_bytes = n_bytes
    s.is_borrowed = True
    s.header = <const snap_header_t*>block
    if (
        s.header.magic != SNAPSHOT_MAGIC or s.header.version != LAYOUT_VERSION
        or s.header.length_bytes != n_bytes
    ):
        return -REFUSAL_HEADER
    if s.header.checksum != snapshot_checksum(block, n_bytes):
        return -REFUSAL_CHECKSUM
    if not parts_fit(s.header):
        return -REFUSAL_BOUNDS
    parts_point(s, block)
    if not pools_fit(s) or not rows_fit(s):
        return -REFUSAL_BOUNDS
    return 0


cdef int snapshot_open(snapshot_t* s, int fd) noexcept nogil:
    cdef c_stat st
    cdef int seals = c_fcntl(fd, F_GET_SEALS)
    cdef int status
    cdef void* base
    memset(s, 0, sizeof(snapshot_t))
    if seals < 0 or seals & (F_SEAL_WRITE | F_SEAL_SHRINK) != (F_SEAL_WRITE | F_SEAL_SHRINK):
        return -REFUSAL_SEAL
    if c_fstat(fd, &st) < 0 or st.st_size <= 0:
        return -REFUSAL_MAP
    base = region_map(fd, <uint64_t>st.st_size, False)
    if base == NULL:
        return -REFUSAL_MAP
    status = snapshot_read(s, <const uint8_t*>base, <uint64_t>st.st_size)
    if status < 0:
        region_close(base, <uint64_t>st.st_size)
        memset(s, 0, sizeof(snapshot_t))
        return status
    s.is_borrowed = False
    return 0


cdef void snapshot_close(snapshot_t* s) noexcept nogil:
    if not s.is_borrowed:
        region_close(<void*>s.base, s.length_bytes)
    memset(s, 0, sizeof(snapshot_t))


cdef const snap_listener_t* snapshot_listener(const snapshot_t* s, uint32_t id) noexcept nogil:
    if s.header == NULL or id >= s.header.n_listener_at or s.listener_at[id] == NO_INDEX:
        return NULL
    return &s.listeners[s.listener_at[id]]


cdef const snap_pool_t* snapshot_pool(const snapshot_t* s, uint32_t id) noexcept nogil:
    if s.header == NULL or id >= s.header.n_pool_at or s.pool_at[id] == NO_INDEX:
        return NULL
    return &s.pools[s.pool_at[id]]


cdef const snap_backend_t* snapshot_backend(const snapshot_t* s, uint32_t id) noexcept nogil:
    if s.header == NULL or id >= s.header.n_backend_at or s.backend_at[id] == NO_INDEX:
        return NULL
    return &s.backends[s.backend_at[id]]


cdef bint snapshot_serves(const snapshot_t* s, uint32_t id, uint32_t of_backend) noexcept nogil:
    cdef const snap_pool_t* pool
    cdef uint32_t i
    if id == of_backend:
        return True
    pool = snapshot_pool(s, id)
    for i in range(pool.members.n if pool != NULL else 0):
        if s.members[pool.members.first + i].pool == of_backend:
            return True
    return False
