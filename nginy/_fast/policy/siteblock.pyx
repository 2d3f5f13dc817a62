"""Blocks of sites: every index, offset and length is looked at once, so that look-ups need not."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from nginy._fast.base.limits cimport MAX_POOLS
from nginy._fast.base.status cimport REFUSAL_BOUNDS, REFUSAL_CHECKSUM, REFUSAL_HEADER
from nginy._fast.mem.hash cimport hash_bytes
from nginy._fast.policy.site cimport (
    ACTION_POOL, ACTION_REDIRECT, COND_METHOD, COND_QUERY, SITE_MAGIC, SITE_MOST_AT, SITE_MOST_BYTES, SITE_MOST_CONDS,
    SITE_MOST_HOST, SITE_MOST_PATH, SITE_MOST_PATTERNS, SITE_MOST_ROUTES, SITE_MOST_STATES, SITE_NONE, SITE_VERSION,
    site_cond_t, site_header_t, site_host_t, site_node_t, site_pattern_t, site_pick_t, site_place_t, site_route_t,
    site_rules, site_rules_t, site_share_t, site_slot_t, site_t, text_t,
)
from nginy._fast.wire.authority cimport authority_is_sound
from nginy._fast.wire.edits cimport edits_are_sound


cdef inline const uint8_t* part(const uint8_t* base, uint64_t* at, uint64_t n_bytes) noexcept nogil:
    cdef uint64_t begin = at[0]
    at[0] = (begin + n_bytes + 7) & ~<uint64_t>7
    return base + begin if base != NULL else NULL


cdef uint64_t site_lay(site_t* site, const site_header_t* h, const uint8_t* base) noexcept nogil:
    cdef uint64_t at = (sizeof(site_header_t) + 7) & ~<uint64_t>7
    site.header = h
    site.exact_slots = <const site_slot_t*>part(base, &at, <uint64_t>h.n_exact_slots * sizeof(site_slot_t))
    site.suffix_slots = <const site_slot_t*>part(base, &at, <uint64_t>h.n_suffix_slots * sizeof(site_slot_t))
    site.hosts = <const site_host_t*>part(base, &at, <uint64_t>h.n_hosts * sizeof(site_host_t))
    site.nodes = <const site_node_t*>part(base, &at, <uint64_t>h.n_nodes * sizeof(site_node_t))
    site.node_slots = <const site_slot_t*>part(base, &at, <uint64_t>h.n_node_slots * sizeof(site_slot_t))
    site.picks = <const site_pick_t*>part(base, &at, <uint64_t>h.n_picks * sizeof(site_pick_t))
    site.conds = <const site_cond_t*>part(base, &at, <uint64_t>h.n_conds * sizeof(site_cond_t))
    site.patterns = <const site_pattern_t*>part(base, &at, <uint64_t>h.n_patterns * sizeof(site_pattern_t))
    site.moves = <const uint16_t*>part(base, &at, <uint64_t>h.n_moves * sizeof(uint16_t))
    site.shares = <const site_share_t*>part(base, &at, <uint64_t>h.n_shares * sizeof(site_share_t))
    site.routes = <const site_route_t*>part(base, &at, <uint64_t>h.n_routes * sizeof(site_route_t))
    site.bytes = part(base, &at, h.n_bytes)
    site.texts = part(base, &at, h.n_texts)
    site.rules = <const site_rules_t*>part(base, &at, <uint64_t>h.n_rules * sizeof(site_rules_t))
    return at


cdef uint64_t site_checksum(const uint8_t* block, uint64_t n_bytes) noexcept nogil:
    cdef site_header_t header
    cdef uint64_t h
    memcpy(&header, block, sizeof(header))
    header.checksum = 0
    h = hash_bytes(<uint8_t*>&header, sizeof(header), SITE_MAGIC)
    return hash_bytes(block + sizeof(header), n_bytes - sizeof(header), h)


cdef inline bint is_run(uint32_t first, uint32_t n, uint32_t n_all) noexcept nogil:
    return first <= n_all and n <= n_all - first


cdef inline bint is_text(const site_t* s, const text_t* text) noexcept nogil:
    return is_run(text.off, text.n, s.header.n_texts)


cdef inline bint is_place(const site_t* s, const site_place_t* place) noexcept nogil:
    return place.n <= SITE_MOST_AT and is_run(place.first, place.n, s.header.n_picks)


# A search in it ends: it has a free slot, and every other names something that is there.
cdef bint are_slots(const site_slot_t* slots, uint32_t n, uint32_t n_all) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t n_free = 0
    for i in range(n):
        if slots[i].index == SITE_NONE:
            n_free += 1
        elif slots[i].index >= n_all:
            return False
    return n & (n - 1) == 0 and n_free > 0


cdef bint hosts_are_sound(const site_t* s) noexcept nogil:
    cdef const site_host_t* host
    cdef uint32_t i
    if s.header.default_host != SITE_NONE and s.header.default_host >= s.header.n_hosts:
        return False
    if s.header.n_exact_slots and not are_slots(s.exact_slots, s.header.n_exact_slots, s.header.n_hosts):
        return False
    if s.header.n_suffix_slots and not are_slots(s.suffix_slots, s.header.n_suffix_slots, s.header.n_hosts):
        return False
    for i in range(s.header.n_hosts):
        host = &s.hosts[i]
        if not is_text(s, &host.name) or host.root >= s.header.n_nodes:
            return False
        if s.nodes[host.root].n_path:           # what a path matched is never longer than the path
            return False
        if host.n_patterns > SITE_MOST_PATTERNS or not is_run(host.first_pattern, host.n_patterns, s.header.n_patterns):
            return False
    return True


# `above` leads to a node before this one, and a label uses up a byte at least, so that every walk ends.
cdef bint nodes_are_sound(const site_t* s) noexcept nogil:
    cdef const site_node_t* node
    cdef uint32_t i
    for i in range(s.header.n_nodes):
        node = &s.nodes[i]
        if not is_text(s, &node.label) or node.n_path > SITE_MOST_PATH or node.label.n > node.n_path:
            return False
        if not is_place(s, &node.exact) or not is_place(s, &node.below):
            return False
        if node.above != SITE_NONE and (node.above >= i or s.nodes[node.above].n_path >= node.n_path):
            return False
        if node.n_slots == 0:
            continue
        if not is_run(node.first_slot, node.n_slots, s.header.n_node_slots):
            return False
        if not are_slots(s.node_slots + node.first_slot, node.n_slots, s.header.n_nodes):
            return False
    return children_are_sound(s)


cdef bint children_are_sound(const site_t* s) noexcept nogil:
    cdef const site_node_t* node
    cdef const site_node_t* child
    cdef uint32_t i, k
    for i in range(s.header.n_nodes):
        node = &s.nodes[i]
        for k in range(node.first_slot, node.first_slot + node.n_slots):
            if s.node_slots[k].index == SITE_NONE:
                continue
            child = &s.nodes[s.node_slots[k].index]
            if child.label.n == 0 or child.n_path != node.n_path + child.label.n:
                return False
    return True


cdef bint patterns_are_sound(const site_t* s) noexcept nogil:
    cdef const site_pattern_t* pattern
    cdef uint64_t n
    cdef uint32_t i, k
    for i in range(s.header.n_patterns):
        pattern = &s.patterns[i]
        n = <uint64_t>pattern.n_states * pattern.n_classes
        if not 2 <= pattern.n_states <= SITE_MOST_STATES or not 1 <= pattern.n_classes <= 256:
            return False
        if not is_run(pattern.first_move, <uint32_t>n, s.header.n_moves) or not is_place(s, &pattern.place):
            return False
        if not is_run(pattern.off_classes, 256, s.header.n_bytes):
            return False
        if not is_run(pattern.off_ends, pattern.n_states, s.header.n_bytes):
            return False
        for k in range(<uint32_t>n):
            if s.moves[pattern.first_move + k] >= pattern.n_states:
                return False
        for k in range(256):
            if s.bytes[pattern.off_classes + k] >= pattern.n_classes:
                return False
    return True


cdef bint picks_are_sound(const site_t* s) noexcept nogil:
    cdef const site_cond_t* c
    cdef uint32_t i
    for i in range(s.header.n_picks):
        if s.picks[i].route >= s.header.n_routes or s.picks[i].n_conds > SITE_MOST_CONDS:
            return False
        if not is_run(s.picks[i].first_cond, s.picks[i].n_conds, s.header.n_conds):
            return False
    for i in range(s.header.n_conds):
        c = &s.conds[i]
        if not COND_METHOD <= c.kind <= COND_QUERY or not is_text(s, &c.name) or not is_text(s, &c.value):
            return False
    return True


# Ends of weights rise up to the sum.
cdef bint are_shares(const site_t* s, const site_route_t* route) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t end = 0
    if not is_run(route.first_share, route.n_shares, s.header.n_shares):
        return False
    for i in range(route.first_share, route.first_share + route.n_shares):
        if s.shares[i].end <= end or s.shares[i].pool >= MAX_POOLS:
            return False
        end = s.shares[i].end
    return end == route.weight_sum


cdef bint routes_are_sound(const site_t* s) noexcept nogil:
    cdef const site_route_t* route
    cdef uint32_t i
    for i in range(s.header.n_routes):
        route = &s.routes[i]
        if not ACTION_POOL <= route.action <= ACTION_REDIRECT or not are_shares(s, route):
            return False
        if route.action == ACTION_POOL and route.n_shares == 0 and route.pool >= MAX_POOLS:
            return False
        if not is_text(s, &route.put) or not is_text(s, &route.lines) or not is_text(s, &route.body):
            return False
        if not is_text(s, &route.location) or not is_text(s, &route.scheme) or not is_text(s, &route.host):
            return False
        if not is_text(s, &route.path) or route.lines.n > SITE_MOST_LINES:
            return False
    return s.header.n_routes <= SITE_MOST_ROUTES


# Nobody but control writes them, yet a head that says two things would be the worst that a worker can do.
cdef bint rules_are_sound(const site_t* s) noexcept nogil:
    cdef const site_rules_t* rules
    cdef uint32_t i
    for i in range(s.header.n_rules):
        rules = &s.rules[i]
        if rules.id == 0 or i and rules.id <= s.rules[i - 1].id:
            return False
        if not is_text(s, &rules.request) or not edits_are_sound(s.texts + rules.request.off, rules.request.n):
            return False
        if not is_text(s, &rules.response) or not edits_are_sound(s.texts + rules.response.off, rules.response.n):
            return False
        if not is_text(s, &rules.host) or rules.host.n > SITE_MOST_HOST:
            return False
        if rules.host.n and not authority_is_sound(s.texts + rules.host.off, rules.host.n, False):
            return False
    for i in range(s.header.n_routes):
        if s.routes[i].rules and site_rules(s, s.routes[i].rules) == NULL:
            return False
    return s.header.rules == 0 or site_rules(s, s.header.rules) != NULL


cdef int site_read(site_t* site, const uint8_t* block, uint64_t n_bytes) noexcept nogil:
    cdef const site_header_t* h = <const site_header_t*>block
    memset(site, 0, sizeof(site_t))
    if not sizeof(site_header_t) <= n_bytes <= SITE_MOST_BYTES:
        return -REFUSAL_HEADER
    if h.magic != SITE_MAGIC or h.version != SITE_VERSION or h.length_bytes != n_bytes:
        return -REFUSAL_HEADER
    if h.checksum != site_checksum(block, n_bytes):
        return -REFUSAL_CHECKSUM
    if site_lay(site, h, block) != n_bytes:
        return -REFUSAL_BOUNDS
    if (
        not hosts_are_sound(site) or not nodes_are_sound(site) or not picks_are_sound(site)
        or not patterns_are_sound(site) or not routes_are_sound(site) or not rules_are_sound(site)
    ):
        memset(site, 0, sizeof(site_t))
        return -REFUSAL_BOUNDS
    return 0
