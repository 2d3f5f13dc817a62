"""Rows: what Python says of a snapshot, checked and copied into structs. Errors: ValueError, MemoryError."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from nginy._fast.base cimport layout, limits
from nginy._fast.base.caps cimport snap_caps_t
from nginy._fast.base.layout cimport (
    snap_addr_t, snap_backend_t, snap_cid_t, snap_key_t, snap_listener_t, snap_net_t, snap_pool_t, snap_socket_t,
    snap_sticky_t, snap_udp_t,
)
from nginy._fast.base.routing cimport snap_member_t, snap_route_t
from nginy._fast.mem.hash cimport hash_bytes
from nginy._fast.policy.site cimport SITE_MOST_BYTES
from nginy._fast.policy.stick cimport stick_tag
from nginy._fast.wire.http1 cimport HEAD_MOST_BYTES, HEAD_MOST_FIELDS


cdef key_fill(snap_key_t* to, row):
    cdef bytes value = row.value
    if not 0 <= row.n_bytes <= limits.KEY_SLICE_BYTES or len(value) > limits.KEY_SLICE_BYTES:
        raise ValueError(f"a key of {max(row.n_bytes, len(value))} bytes; {limits.KEY_SLICE_BYTES} fit")
    to.kind = row.kind
    to.offset = row.offset
    to.n_bytes = row.n_bytes
    to.cid_bytes = row.cid_bytes
    to.ring = row.ring
    to.n_value = len(value)
    memcpy(to.value, <const char*>value, len(value))


cdef udp_fill(snap_udp_t* to, row, uint32_t first_net, uint32_t first_cid):
    if not 0 < row.flows_max <= limits.MAX_FLOWS:
        raise ValueError(f"{row.flows_max} flows; 1..{limits.MAX_FLOWS}")
    if not 0 <= row.server_bytes <= 8:
        raise ValueError(f"a server's id of {row.server_bytes} bytes")
    to.flows_max = row.flows_max
    to.requests = row.requests
    to.responses = row.responses
    key_fill(&to.key, row.key)
    to.server_offset = row.server_offset
    to.server_bytes = row.server_bytes
    to.source_flows = row.source_flows
    to.source_rate = row.source_rate
    to.flow_rate = row.flow_rate
    to.datagram_rate = row.datagram_rate
    to.bandwidth = row.bandwidth
    to.check = row.check
    to.is_reuse = bool(row.is_reuse)
    to.first_net, to.n_nets = first_net, len(row.nets)
    to.first_cid, to.n_cids = first_cid, len(row.cids)


cdef net_fill(snap_net_t* to, net):
    cdef bytes address = net[0]
    if len(address) != 16 or not 0 <= net[1] <= 128:
        raise ValueError(f"network of {len(address)} bytes and {net[1]} bits")
    memcpy(to.address, <const char*>address, 16)
    to.n_bits = net[1]


cdef enum:
    USUAL_BODY_MS = 60000


cdef caps_fill(snap_caps_t* to, row):
    to.head_bytes = to.target_bytes = HEAD_MOST_BYTES
    to.n_fields = HEAD_MOST_FIELDS
    to.body_bytes = <uint64_t>-1
    to.body_ms = USUAL_BODY_MS
    if row is None:
        return
    if not 0 <= row.gap_ns < 1 << 62 or not 0 <= row.room_ns < 1 << 62:
        raise ValueError(f"a rate of one in {row.gap_ns} ns, {row.room_ns} ns ahead")
    to.head_bytes = min(row.head_bytes, HEAD_MOST_BYTES)
    to.n_fields = min(row.n_fields, HEAD_MOST_FIELDS)
    to.target_bytes = row.target_bytes
    if row.body_bytes is not None:
        to.body_bytes = row.body_bytes
    to.body_ms = row.body_ms
    to.request_ms = row.request_ms
    to.gap_ns = row.gap_ns
    to.room_ns = row.room_ns
    to.is_tight = (
        row.body_bytes is not None or row.gap_ns != 0 or row.target_bytes < HEAD_MOST_BYTES
        or row.head_bytes < HEAD_MOST_BYTES or row.n_fields < HEAD_MOST_FIELDS
    )


cdef listener_fill(snap_listener_t* to, row):
    to.id = row.id
    to.pool = layout.NO_INDEX if row.pool < 0 else row.pool
    to.connect_ms = row.connect_ms
    to.idle_ms = row.idle_ms
    to.half_close_ms = row.half_close_ms
    to.max_sessions = row.max_sessions
    to.keepalive_s = row.keepalive_s
    to.drain_ms = row.drain_ms
    to.retries = row.retries
    to.is_half_close = bool(row.is_half_close)
    to.is_splice = bool(row.is_splice)
    to.is_deferred = bool(row.is_deferred)
    to.name_hash = row.name_hash
    to.preread.kind = row.preread
    to.preread.n_bytes = row.preread_bytes
    to.preread.wait_ms = row.preread_ms
    to.protocol = layout.PROTOCOL_TCP if row.udp is None else layout.PROTOCOL_UDP
    if row.http is not None:
        to.protocol = layout.PROTOCOL_HTTP
        to.http.head_ms = row.http.head_ms
        to.http.kept_ms = row.http.kept_ms
        to.http.response_ms = row.http.response_ms
        to.http.requests = row.http.requests
        caps_fill(&to.caps, row.http.caps)
    to.handshake_ms = row.handshake_ms
    check_id("listener", row.id, limits.MAX_LISTENERS)
    if row.retries > limits.MAX_RETRIES:
        raise ValueError(f"retries {row.retries} above {limits.MAX_RETRIES}")
    if row.preread_bytes > limits.MAX_PREREAD:
        raise ValueError(f"a preread of {row.preread_bytes} bytes; {limits.MAX_PREREAD} at most")


cdef sticky_fill(snap_sticky_t* to, row):
    cdef bytes name = row.name
    cdef bytes secret = row.secret
    if not 0 < len(name) <= limits.KEY_SLICE_BYTES or len(secret) != sizeof(to.secret):
        raise ValueError(f"a sticky cookie with a name of {len(name)} bytes and a secret of {len(secret)}")
    to.kind, to.same_site, to.is_secure, to.max_age_s = row.kind, row.same_site, bool(row.is_secure), row.max_age_s
    to.n_name = len(name)
    memcpy(to.name, <const char*>name, len(name))
    memcpy(to.secret, <const char*>secret, sizeof(to.secret))


cdef load_fill(snap_pool_t* to, bytes name):
    if len(name) > limits.KEY_SLICE_BYTES:
        raise ValueError(f"the name of a field of {len(name)} bytes; {limits.KEY_SLICE_BYTES} fit")
    to.n_load_name = len(name)
    memcpy(to.load_name, <const char*>name, len(name))
    to.heeds |= layout.HEED_LOAD if name else 0


cdef pool_fill(snap_pool_t* to, row):
    cdef bytes congestion = row.congestion.encode("ascii")
    check_id("pool", row.id, limits.MAX_POOLS)
    if len(congestion) >= layout.CONGESTION_BYTES:
        raise ValueError(f"congestion control name of {len(congestion)} bytes, at most {layout.CONGESTION_BYTES - 1}")
    memcpy(to.congestion, <const char*>congestion, len(congestion))
    to.is_quickack = bool(row.is_quickack)
    to.is_fastopen = bool(row.is_fastopen)
    to.kept = row.kept
    to.kept_idle_ms = row.kept_idle_ms
    to.kept_age_ms = row.kept_age_ms
    to.proxy_out = row.proxy_out
    to.is_transparent = bool(row.is_transparent)
    to.deadline_ms = row.deadline_ms
    to.asks_key = bool(row.asks_key)
    key_fill(&to.key, row.key)
    to.slow_ms = row.slow_ms
    to.has_map = bool(row.has_map)
    to.slow_least = row.slow_least
    to.factor = row.factor
    to.low_ms = row.low_ms
    to.high_ms = row.high_ms
    to.saturated = row.saturated
    # a policy in Python may look at all there is
    to.wants_local = row.key.kind == layout.KEY_DESTINATION or row.deadline_ms != 0
    to.heeds = layout.HEED_REQUEST if row.key.kind >= layout.KEY_HEADER else 0
    load_fill(to, row.load_name)
    if row.sticky is not None:
        sticky_fill(&to.sticky, row.sticky)
        to.heeds |= layout.HEED_STICKY
    to.id = row.id
    to.policy = row.policy
    to.is_on_down_reset = bool(row.on_down_reset)


cdef backend_fill(snap_backend_t* to, snap_addr_t* addr, row):
    cdef bytes sockaddr = row.sockaddr
    check_id("backend", row.id, limits.MAX_BACKENDS)
    if not 0 <= row.weight <= 65535:
        raise ValueError(f"weight {row.weight} is not in 0..65535")
    if not 2 < len(sockaddr) <= sizeof(addr.bytes):
        raise ValueError(f"address of {len(sockaddr)} bytes")
    to.id = row.id
    to.pool = row.pool
    to.weight = row.weight
    to.max_conns = row.max_conns
    to.state = row.state
    to.verdict = row.verdict
    to.tier = row.tier
    to.node_hash = row.node_hash
    to.since_ms = row.since_ms
    to.is_usable = row.state == 0 and row.verdict != 2 and row.weight > 0
    addr.len_bytes = len(sockaddr)
    memcpy(addr.bytes, <const char*>sockaddr, len(sockaddr))


cdef socket_fill(snap_socket_t* to, row):
    check_id("socket", row.sock_id, limits.MAX_SOCKETS)
    to.sock_id = row.sock_id
    to.listener = row.listener
    to.slot = row.slot
    to.is_wildcard = bool(row.is_wildcard)


cdef check_id(what, value, limit):
    if not 0 <= value < limit:
        raise ValueError(f"{what} id {value} is not in 0..{limit - 1}")


cdef check_rows(listeners, pools, backends, sockets):
    cdef set pool_ids = {row.id for row in pools}
    for rows, key in ((listeners, "id"), (pools, "id"), (backends, "id"), (sockets, "sock_id")):
        if len({getattr(row, key) for row in rows}) != len(rows):
            raise ValueError(f"an id stands twice among {len(rows)} rows")
    for row in backends:
        if row.pool not in pool_ids:
            raise ValueError(f"backend {row.id} belongs to pool {row.pool}, which is not there")


cdef void* rows_alloc(rows, size_t item_bytes) except NULL:
    cdef void* fresh = calloc(<size_t>len(rows) + 1, item_bytes)
    if fresh == NULL:
        raise MemoryError
    return fresh


cdef void* bytes_alloc(bytes given) except NULL:
    cdef void* fresh = rows_alloc(given, 1)
    memcpy(fresh, <const char*>given, len(given))
    return fresh


cdef routes_pack(exact, suffixes):
    """Routes of one listener, each (name, pool id), as (n_exact, n_suffix, rows, names): what rows.routes carries."""
    cdef snap_route_t route
    cdef bytes text
    rows = []
    names = []
    n_bytes = 0
    memset(&route, 0, sizeof(route))
    for kind in (exact, suffixes):
        hashed = []
        for name, pool in kind:
            text = name.encode("ascii")
            check_id("pool", pool, limits.MAX_POOLS)
            hashed.append((hash_bytes(<const uint8_t*>text, len(text), 0), text, pool))
        for hash, text, pool in sorted(hashed):
            route.hash, route.off_name, route.n_name, route.pool = hash, n_bytes, len(text), pool
            rows.append((<const char*>&route)[:sizeof(route)])
            names.append(text)
            n_bytes += len(text)
    return len(exact), len(suffixes), b"".join(rows), b"".join(names)


cdef class SnapshotRows:
    """The rows of one snapshot as C structs; frees them with itself."""

    def __dealloc__(self):
        free(<void*>self.parts.listeners)
        free(self.parts.pools)
        free(<void*>self.parts.backends)
        free(<void*>self.parts.addrs)
        free(<void*>self.parts.sockets)
        free(<void*>self.parts.nets)
        free(<void*>self.parts.cids)
        free(<void*>self.parts.routes)
        free(<void*>self.parts.names)
        free(<void*>self.parts.members)
        free(<void*>self.parts.blocks)

    cdef take_listeners(self, rows):
        cdef snap_listener_t* to = <snap_listener_t*>rows_alloc(rows, sizeof(snap_listener_t))
        cdef snap_net_t* nets
        cdef snap_cid_t* cids
        cdef uint32_t n_nets = 0
        cdef uint32_t n_cids = 0
        cdef uint32_t i
        self.parts.listeners, self.parts.n_listeners = to, len(rows)
        udps = [row.udp for row in rows if row.udp is not None]
        nets = <snap_net_t*>rows_alloc([net for udp in udps for net in udp.nets], sizeof(snap_net_t))
        self.parts.nets = nets
        cids = <snap_cid_t*>rows_alloc([cid for udp in udps for cid in udp.cids], sizeof(snap_cid_t))
        self.parts.cids = cids
        for i, row in enumerate(rows):
            listener_fill(&to[i], row)
            if row.udp is None:
                continue
            udp_fill(&to[i].udp, row.udp, n_nets, n_cids)
            for net in row.udp.nets:
                net_fill(&nets[n_nets], net)
                n_nets += 1
            for cid in sorted(row.udp.cids):
                check_id("backend", cid[1], limits.MAX_BACKENDS)
                cids[n_cids].id, cids[n_cids].backend = cid
                n_cids += 1
        self.parts.n_nets, self.parts.n_cids = n_nets, n_cids
        self.take_routes(to, rows)
        self.take_blocks(to, rows)

    cdef take_routes(self, snap_listener_t* to, rows):
        cdef bytes routes = b"".join(row.routes.rows for row in rows if row.routes is not None)
        cdef bytes names = b"".join(row.routes.names for row in rows if row.routes is not None)
        cdef uint32_t first = 0
        cdef uint32_t off_names = 0
        cdef uint32_t i
        if len(routes) > limits.MAX_ROUTES * sizeof(snap_route_t):
            raise ValueError(f"{len(routes) // sizeof(snap_route_t)} routes; {limits.MAX_ROUTES} at most")
        self.parts.routes = <snap_route_t*>bytes_alloc(routes)
        self.parts.names = <uint8_t*>bytes_alloc(names)
        self.parts.n_routes, self.parts.n_names = len(routes) // sizeof(snap_route_t), len(names)
        for i, row in enumerate(rows):
            if row.routes is None:
                continue
            to[i].routes.first, to[i].routes.off_names = first, off_names
            to[i].routes.n_exact, to[i].routes.n_suffix = row.routes.n_exact, row.routes.n_suffix
            to[i].routes.n_names = len(row.routes.names)
            first += to[i].routes.n_exact + to[i].routes.n_suffix
            off_names += to[i].routes.n_names

    cdef take_blocks(self, snap_listener_t* to, rows):
        cdef uint32_t i
        blocks = []
        n_bytes = 0
        for i, row in enumerate(rows):
            if row.http is None or not row.http.block:
                continue
            to[i].http.off_block, to[i].http.n_block = n_bytes, len(row.http.block)
            block = row.http.block + bytes(-len(row.http.block) % 8)
            blocks.append(block)
            n_bytes += len(block)
            if n_bytes > SITE_MOST_BYTES:
                raise ValueError(f"routes of HTTP take more than {SITE_MOST_BYTES} bytes, bodies included")
        self.parts.blocks, self.parts.n_blocks = <uint8_t*>bytes_alloc(b"".join(blocks)), n_bytes

    cdef take_pools(self, rows):
        cdef snap_pool_t* to = <snap_pool_t*>rows_alloc(rows, sizeof(snap_pool_t))
        cdef uint32_t i
        self.parts.pools, self.parts.n_pools = to, len(rows)
        for i, row in enumerate(rows):
            pool_fill(&to[i], row)
        self.take_members(to, rows)

    cdef take_members(self, snap_pool_t* to, rows):
        cdef snap_member_t* members
        cdef uint32_t n = 0
        cdef uint32_t i
        of_pool = {row.id: row for row in rows}
        places = {row.id: place for place, row in enumerate(rows)}
        members = <snap_member_t*>rows_alloc([one for row in rows for one in row.members], sizeof(snap_member_t))
        self.parts.members = members
        for i, row in enumerate(rows):
            to[i].members.first, to[i].members.n = n, len(row.members)
            if len(row.members) > limits.MAX_OF_GROUP:
                raise ValueError(f"{len(row.members)} members of a group; {limits.MAX_OF_GROUP} at most")
            for pool, weight in row.members:
                if pool not in of_pool or of_pool[pool].members:
                    raise ValueError(f"member {pool} of group {row.id} is no pool with backends")
                to[i].wants_local |= of_pool[pool].key.kind == layout.KEY_DESTINATION
                to[i].heeds |= to[places[pool]].heeds
                members[n].group, members[n].pool, members[n].weight = row.id, pool, weight
                n += 1
        self.parts.n_members = n

    cdef take_tags(self, pools, backends):
        """What sticky cookies say of the backends of their pools; behind the servers' ids of UDP listeners."""
        cdef snap_pool_t* to = self.parts.pools
        cdef snap_cid_t* cids
        cdef uint32_t i
        cdef uint32_t n = self.parts.n_cids
        sticky = {row.id for row in pools if row.sticky is not None}
        mine = [row for row in backends if row.pool in sticky]
        if not mine:
            return
        cids = <snap_cid_t*>rows_alloc(mine + [None] * n, sizeof(snap_cid_t))
        memcpy(cids, self.parts.cids, n * sizeof(snap_cid_t))
        free(<void*>self.parts.cids)
        self.parts.cids = cids
        for i, pool in enumerate(pools):
            if pool.id not in sticky:
                continue
            tags = sorted((stick_tag(to[i].sticky.secret, row.node_hash), row.id) for row in mine if row.pool == pool.id)
            to[i].sticky.first_tag, to[i].sticky.n_tags = n, len(tags)
            for cids[n].id, cids[n].backend in tags:
                n += 1
        self.parts.n_cids = n

    cdef take_backends(self, rows):
        cdef snap_backend_t* to = <snap_backend_t*>rows_alloc(rows, sizeof(snap_backend_t))
        cdef snap_addr_t* addrs
        cdef uint32_t i
        self.parts.backends, self.parts.n_backends = to, len(rows)
        addrs = <snap_addr_t*>rows_alloc(rows, sizeof(snap_addr_t))
        self.parts.addrs = addrs
        for i, row in enumerate(rows):
            backend_fill(&to[i], &addrs[i], row)

    cdef take_sockets(self, rows):
        cdef snap_socket_t* to = <snap_socket_t*>rows_alloc(rows, sizeof(snap_socket_t))
        cdef uint32_t i
        self.parts.sockets, self.parts.n_sockets = to, len(rows)
        for i, row in enumerate(rows):
            socket_fill(&to[i], row)
