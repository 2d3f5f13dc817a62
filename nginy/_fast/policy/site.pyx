"""Site: host, then exact path, patterns, and prefixes from the longest on; every step uses up bytes of the request."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp
from nginy._fast.policy.conds cimport conds_fit
from nginy._fast.policy.readings cimport (
    READING_MOST, reading_bytes, reading_is_open, reading_lenient, reading_strict,
)
from nginy._fast.wire.http1 cimport head_t

cdef enum:
    SLASH = 0x2f
    DOT = 0x2e

cdef struct reach_t:            # how far a path leads into the tree
    uint32_t node
    uint32_t n                  # bytes of the path that led there


# The host that a name with this hash is, among n_slots; SITE_NONE: no such.
cdef uint32_t host_among(
    const site_t* s, const site_slot_t* slots, uint32_t n_slots, uint32_t h, const uint8_t* name, uint32_t n
) noexcept nogil:
    cdef uint32_t at = h & (n_slots - 1)
    cdef const site_host_t* host
    while slots[at].index != SITE_NONE:
        if slots[at].hash == h:
            host = &s.hosts[slots[at].index]
            if host.name.n == n and memcmp(s.texts + host.name.off, name, n) == 0:
                return slots[at].index
        at = (at + 1) & (n_slots - 1)
    return SITE_NONE


# Without its port and the dot at its end.
cdef uint32_t bare_bytes(const uint8_t* p, uint32_t n) noexcept nogil:
    cdef uint32_t i = n
    while i > 0 and 0x30 <= p[i - 1] <= 0x39:
        i -= 1
    if i > 0 and p[i - 1] == b':':      # in an IPv6 address a bracket stands before it
        n = i - 1
    return n - 1 if n > 1 and p[n - 1] == DOT else n


# From the last byte to the first, so that one pass has the hash of every suffix.
cdef uint32_t host_find(const site_t* s, const uint8_t* p, uint32_t n) noexcept nogil:
    cdef uint8_t name[SITE_MOST_HOST]
    cdef uint32_t found = s.header.default_host
    cdef uint32_t i, got
    cdef uint64_t h = 0
    cdef uint8_t c
    n = bare_bytes(p, n)
    if n > SITE_MOST_HOST:
        return found
    i = n
    while i > 0:
        i -= 1
        c = p[i]
        c |= (0x41 <= c <= 0x5a) << 5
        name[i] = c
        if c == DOT and s.header.n_suffix_slots and i > 0:
            got = host_among(s, s.suffix_slots, s.header.n_suffix_slots, site_hash(h), name + i + 1, n - i - 1)
            found = got if got != SITE_NONE else found
        h = site_step(h, c)
    if s.header.n_exact_slots:
        got = host_among(s, s.exact_slots, s.header.n_exact_slots, site_hash(h), name, n)
        found = got if got != SITE_NONE else found
    return found


# The child whose label begins a path of n bytes and ends where one of its segments does; SITE_NONE: none.
cdef inline uint32_t child_find(
    const site_t* s, const site_node_t* node, uint32_t h, const uint8_t* p, uint32_t n
) noexcept nogil:
    cdef const site_slot_t* slots = s.node_slots + node.first_slot
    cdef const text_t* label
    cdef uint32_t at = h & (node.n_slots - 1)
    while slots[at].index != SITE_NONE:
        if slots[at].hash == h:
            label = &s.nodes[slots[at].index].label
            if label.n <= n and memcmp(s.texts + label.off, p, label.n) == 0 and (label.n == n or p[label.n] == SLASH):
                return slots[at].index
        at = (at + 1) & (node.n_slots - 1)
    return SITE_NONE


cdef void reach_far(const site_t* s, uint32_t root, const uint8_t* p, uint32_t n, reach_t* reach) noexcept nogil:
    cdef const site_node_t* node = &s.nodes[root]
    cdef uint32_t end, child
    cdef uint64_t h
    reach.node = root
    reach.n = 0
    while reach.n < n and node.n_slots:
        h = 0
        end = reach.n + 1
        while end < n and p[end] != SLASH:
            h = site_step(h, p[end])
            end += 1
        child = child_find(s, node, site_hash(h), p + reach.n, n - reach.n)
        if child == SITE_NONE:
            return
        node = &s.nodes[child]
        reach.node = child
        reach.n += node.label.n


cdef bint place_find(
    const site_t* s, const site_place_t* place, const uint8_t* p, const head_t* head, uint32_t* route
) noexcept nogil:
    cdef const site_pick_t* pick
    cdef uint32_t i
    for i in range(place.first, place.first + place.n):
        pick = &s.picks[i]
        if pick.n_conds == 0 or conds_fit(s, pick, p, head):
            route[0] = pick.route
            return True
    return False


cdef bint pattern_fits(const site_t* s, const site_pattern_t* pattern, const uint8_t* path, uint32_t n) noexcept nogil:
    cdef const uint8_t* classes = s.bytes + pattern.off_classes
    cdef uint32_t state = 1
    cdef uint32_t i
    for i in range(n):
        state = s.moves[pattern.first_move + state * pattern.n_classes + classes[path[i]]]
        if state == 0:
            return False
    return s.bytes[pattern.off_ends + state]


# The route of one reading of the path; found.n_matched counts bytes of the reading. False: none.
cdef bint path_find(
    const site_t* s, const site_host_t* host, const uint8_t* path, uint32_t n, const uint8_t* p, const head_t* head,
    site_found_t* found
) noexcept nogil:
    cdef reach_t reach
    cdef uint32_t i
    reach_far(s, host.root, path, n, &reach)
    found.n_matched = n
    if reach.n == n and n and place_find(s, &s.nodes[reach.node].exact, p, head, &found.route):
        return True
    found.n_matched = 0
    for i in range(host.first_pattern, host.first_pattern + host.n_patterns):
        if pattern_fits(s, &s.patterns[i], path, n) and place_find(s, &s.patterns[i].place, p, head, &found.route):
            return True
    i = reach.node
    while i != SITE_NONE:
        if place_find(s, &s.nodes[i].below, p, head, &found.route):
            found.n_matched = s.nodes[i].n_path
            return True
        i = s.nodes[i].above
    return False


# A path with two readings: both have to lead to one route, or both to none.
cdef int open_find(
    const site_t* s, const site_host_t* host, const uint8_t* p, const head_t* head, site_found_t* found
) noexcept nogil:
    cdef uint8_t reading[READING_MOST]
    cdef site_found_t other
    cdef const uint8_t* path = p + head.path.at
    cdef int n
    cdef bint is_found, is_other
    n = reading_lenient(path, head.path.n, reading)
    if n < 0:
        return -SITE_UNCLEAR
    is_other = path_find(s, host, reading, <uint32_t>n, p, head, &other)
    n = reading_strict(path, head.path.n, reading)
    if n < 0:
        return -SITE_UNCLEAR
    is_found = path_find(s, host, reading, <uint32_t>n, p, head, found)
    if is_found != is_other or (is_found and found.route != other.route):
        return -SITE_UNCLEAR
    if not is_found:
        return -SITE_NO_ROUTE
    found.n_matched = reading_bytes(path, head.path.n, found.n_matched)
    return 0


cdef int site_find(const site_t* site, const uint8_t* p, const head_t* head, site_found_t* found) noexcept nogil:
    cdef const site_host_t* host
    cdef const uint8_t* path = p + head.path.at
    cdef uint32_t i = site.header.default_host
    if site.header.n_exact_slots or site.header.n_suffix_slots:
        i = host_find(site, p + head.host.at, head.host.n)
    if i == SITE_NONE:
        return -SITE_NO_ROUTE
    host = &site.hosts[i]
    if head.path.n and path[0] != SLASH:
        return -SITE_UNCLEAR
    if not host.is_free and reading_is_open(path, head.path.n):
        return open_find(site, host, p, head, found)
    return 0 if path_find(site, host, path, head.path.n, p, head, found) else -SITE_NO_ROUTE


cdef uint32_t site_pool(const site_t* site, const site_route_t* route, uint64_t turn) noexcept nogil:
    cdef uint32_t low, high, mid, at
    if route.n_shares == 0:
        return route.pool
    at = <uint32_t>(turn % route.weight_sum)
    low = route.first_share
    high = route.first_share + route.n_shares - 1
    while low < high:
        mid = (low + high) // 2
        if site.shares[mid].end <= at:
            low = mid + 1
        else:
            high = mid
    return site.shares[low].pool


cdef const site_rules_t* site_rules(const site_t* site, uint32_t id) noexcept nogil:
    cdef uint32_t low = 0
    cdef uint32_t high = site.header.n_rules
    cdef uint32_t mid
    while low < high:
        mid = (low + high) // 2
        if site.rules[mid].id < id:
            low = mid + 1
        else:
            high = mid
    return &site.rules[low] if low < site.header.n_rules and site.rules[low].id == id else NULL
