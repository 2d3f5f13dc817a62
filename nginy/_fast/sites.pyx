"""Sites: rows of Python packed to one block, and looked up as a worker does. Errors: ValueError."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from nginy._fast.base.limits cimport MAX_POOLS
from nginy._fast.mem.hash cimport hash_bytes
from nginy._fast.policy cimport site as layout
from nginy._fast.policy.site cimport (
    SITE_MAGIC, SITE_MOST_BYTES, SITE_NONE, SITE_VERSION, site_cond_t, site_find, site_found_t, site_hash, site_header_t,
    site_host_t, site_node_t, site_pattern_t, site_pick_t, site_pool, site_route_t, site_rules_t, site_share_t, site_slot_t,
    site_step, site_t, text_t,
)
from nginy._fast.policy.siteblock cimport site_checksum, site_lay, site_read
from nginy._fast.policy.target cimport location_write, target_make, target_t
from nginy._fast.wire cimport http1, http1write
from nginy._fast.wire.authority cimport authority_is_sound
from nginy._fast.wire.http1 cimport head_t, span_t
from nginy._fast.wire.http1write cimport edit_t

NO_ROUTE = layout.SITE_NO_ROUTE
UNCLEAR = layout.SITE_UNCLEAR
NONE = 0xffffffff     # SITE_NONE, which as an enum would be negative
BYTES_MOST = layout.SITE_MOST_BYTES
ROUTES_MOST = layout.SITE_MOST_ROUTES
AT_MOST = layout.SITE_MOST_AT
PATTERNS_MOST = layout.SITE_MOST_PATTERNS
STATES_MOST = layout.SITE_MOST_STATES
CONDS_MOST = layout.SITE_MOST_CONDS
PATH_MOST = layout.SITE_MOST_PATH
HOST_MOST = layout.SITE_MOST_HOST
ACTIONS = {"pool": layout.ACTION_POOL, "respond": layout.ACTION_RESPOND, "redirect": layout.ACTION_REDIRECT}
CONDS = {"method": layout.COND_METHOD, "header": layout.COND_HEADER, "query": layout.COND_QUERY}
EDITS = {"set": http1write.EDIT_SET, "add": http1write.EDIT_ADD, "remove": http1write.EDIT_REMOVE}
VARIABLES = {
    "client": http1write.VARIABLE_CLIENT, "request_id": http1write.VARIABLE_REQUEST_ID,
    "backend": http1write.VARIABLE_BACKEND, "host": http1write.VARIABLE_HOST, "method": http1write.VARIABLE_METHOD,
    "path": http1write.VARIABLE_PATH,
}
METHODS = {
    "GET": http1.METHOD_GET, "HEAD": http1.METHOD_HEAD, "POST": http1.METHOD_POST, "PUT": http1.METHOD_PUT,
    "DELETE": http1.METHOD_DELETE, "OPTIONS": http1.METHOD_OPTIONS, "PATCH": http1.METHOD_PATCH,
    "TRACE": http1.METHOD_TRACE, "CONNECT": http1.METHOD_CONNECT,
}


cdef uint32_t hash_of_host(bytes name):
    cdef uint64_t h = 0
    cdef uint8_t c
    for c in reversed(name):
        h = site_step(h, c)
    return site_hash(h)


cdef uint32_t hash_of_segment(bytes label):
    cdef uint64_t h = 0
    cdef uint8_t c
    for c in label[1:].partition(b"/")[0]:
        h = site_step(h, c)
    return site_hash(h)


cdef uint32_t slots_for(Py_ssize_t n):
    """A power of two, half of them free or more; none for nothing."""
    return 1 << (<int>(2 * n - 1).bit_length()) if n else 0


cdef slots_fill(site_slot_t* slots, uint32_t n_slots, list entries):
    """entries: (hash, index) of each."""
    cdef uint32_t h, index, at
    for at in range(n_slots):
        slots[at].index = SITE_NONE
    for h, index in entries:
        at = h & (n_slots - 1)
        while slots[at].index != SITE_NONE:
            at = (at + 1) & (n_slots - 1)
        slots[at].hash, slots[at].index = h, index


def pack_edit(uint8_t kind, bytes name, bytes value=b""):
    """An edit as workers read it. Errors: OverflowError for a name or a value that is too long."""
    cdef edit_t packed
    packed.kind, packed.n_name, packed.n_value = kind, len(name), len(value)
    return (<const uint8_t*>&packed)[:sizeof(edit_t)] + name + value


def is_authority(bytes text):
    """Whether it may stand in Host."""
    return 0 < len(text) <= layout.SITE_MOST_HOST and bool(authority_is_sound(text, <uint32_t>len(text), False))


cdef ids_of(rules):
    """An id for each of different rules: made of what they say, so that it means the same in each generation."""
    cdef uint32_t id
    cdef dict found = {}
    taken = set()
    for one in sorted(rules):
        said = b"".join(len(text).to_bytes(4, "little") + text for text in one)
        seed = 0
        while True:
            id = <uint32_t>hash_bytes(<const uint8_t*>said, len(said), seed)
            if id and id not in taken:
                break
            seed += 1
        taken.add(id)
        found[one] = id
    return found


cdef class Writer:
    """One block in the making."""

    cdef object parts
    cdef dict offsets           # of texts
    cdef bytearray texts
    cdef bytearray block
    cdef site_header_t header
    cdef site_t site
    cdef uint32_t n_moves       # written so far, as are these bytes
    cdef uint32_t n_bytes
    cdef dict rules             # Rules -> id

    def __cinit__(self, parts):
        self.parts, self.offsets, self.texts = parts, {}, bytearray()
        self.rules = ids_of({rules for rules in (parts.rules, *(route.rules for route in parts.routes)) if any(rules)})
        memset(&self.header, 0, sizeof(self.header))

    cdef text_t text(self, bytes given) except *:
        cdef text_t text
        off = self.offsets.get(given)
        if off is None:
            off = self.offsets[given] = len(self.texts)
            self.texts += given
            if len(self.texts) > SITE_MOST_BYTES:
                raise ValueError(f"routes with more than {SITE_MOST_BYTES} bytes of names, paths and bodies")
        text.off, text.n = off, len(given)
        return text

    def pack(self) -> bytes:
        cdef site_header_t* h = &self.header
        cdef uint64_t n_bytes
        self.gather()
        self.count()
        n_bytes = site_lay(&self.site, h, NULL)
        if n_bytes > SITE_MOST_BYTES:
            raise ValueError(f"routes of {n_bytes} bytes; {SITE_MOST_BYTES} at most")
        self.block = bytearray(n_bytes)
        h.magic, h.version, h.length_bytes = SITE_MAGIC, SITE_VERSION, n_bytes
        site_lay(&self.site, h, <uint8_t*>self.block)
        memcpy(<uint8_t*>self.block, h, sizeof(site_header_t))
        self.fill_hosts()
        self.fill_nodes()
        self.fill_picks()
        self.fill_patterns()
        self.fill_routes()
        self.fill_rules()
        memcpy(<void*>self.site.texts, <uint8_t*>self.texts, len(self.texts))
        h.checksum = site_checksum(<uint8_t*>self.block, n_bytes)
        memcpy(<uint8_t*>self.block, h, sizeof(site_header_t))
        return bytes(self.block)

    cdef gather(self):
        """All texts, so that their length is known."""
        for row in (*self.parts.hosts, *self.parts.nodes):
            self.text(row[0])
        for cond in self.parts.conds:
            self.text(cond.name)
            self.text(cond.value or b"")
        for route in self.parts.routes:
            for field in (route.put, route.lines, route.body, route.location, route.scheme, route.host, route.path):
                self.text(field)
        for rules in self.rules:
            for field in rules:
                self.text(field)

    cdef count(self):
        cdef site_header_t* h = &self.header
        parts = self.parts
        named = [host for host in parts.hosts if host.name]
        h.n_exact_slots = slots_for(sum(not host.is_suffix for host in named))
        h.n_suffix_slots = slots_for(sum(host.is_suffix for host in named))
        h.default_host = next((i for i, host in enumerate(parts.hosts) if not host.name), NONE)
        h.n_hosts, h.n_nodes, h.n_picks = len(parts.hosts), len(parts.nodes), len(parts.picks)
        h.n_node_slots = sum(slots_for(len(node.children)) for node in parts.nodes)
        h.n_conds, h.n_patterns, h.n_routes = len(parts.conds), len(parts.patterns), len(parts.routes)
        different = {pattern[:3] for pattern in parts.patterns}     # classes, ends, moves
        h.n_moves = sum(len(moves) // 2 for _classes, _ends, moves in different)
        h.n_bytes = sum(256 + len(ends) for _classes, ends, _moves in different)
        h.n_shares = sum(len(route.pools) for route in parts.routes if len(route.pools) > 1)
        h.n_texts = len(self.texts)
        h.n_rules, h.rules = len(self.rules), self.rules.get(self.parts.rules, 0)

    cdef fill_hosts(self):
        cdef site_host_t* host
        cdef list exact = []
        cdef list suffixes = []
        for i, row in enumerate(self.parts.hosts):
            host = <site_host_t*>&self.site.hosts[i]
            host.name = self.text(row.name)
            host.root, host.is_free = row.root, row.is_free
            host.first_pattern, host.n_patterns = row.first_pattern, row.n_patterns
            if row.name:
                (suffixes if row.is_suffix else exact).append((hash_of_host(row.name), i))
        slots_fill(<site_slot_t*>self.site.exact_slots, self.header.n_exact_slots, exact)
        slots_fill(<site_slot_t*>self.site.suffix_slots, self.header.n_suffix_slots, suffixes)

    cdef fill_nodes(self):
        cdef site_node_t* node
        cdef uint32_t first_slot = 0
        for i, row in enumerate(self.parts.nodes):
            node = <site_node_t*>&self.site.nodes[i]
            node.label = self.text(row.label)
            node.n_path, node.above = row.n_path, row.above
            node.exact.first, node.exact.n = row.exact
            node.below.first, node.below.n = row.below
            node.first_slot, node.n_slots = first_slot, slots_for(len(row.children))
            entries = [(hash_of_segment(self.parts.nodes[child].label), child) for child in row.children]
            slots_fill(<site_slot_t*>self.site.node_slots + first_slot, node.n_slots, entries)
            first_slot += node.n_slots

    cdef fill_picks(self):
        cdef site_pick_t* pick
        cdef site_cond_t* cond
        for i, row in enumerate(self.parts.picks):
            pick = <site_pick_t*>&self.site.picks[i]
            pick.route, pick.first_cond, pick.n_conds = row
        for i, row in enumerate(self.parts.conds):
            cond = <site_cond_t*>&self.site.conds[i]
            cond.kind, cond.mask, cond.has_value = row.kind, row.mask, row.value is not None
            cond.name, cond.value = self.text(row.name), self.text(row.value or b"")

    cdef fill_patterns(self):
        """Equal automata are written once."""
        cdef site_pattern_t* pattern
        cdef dict written = {}
        for i, row in enumerate(self.parts.patterns):
            pattern = <site_pattern_t*>&self.site.patterns[i]
            if row[:3] in written:
                pattern[0] = self.site.patterns[written[row[:3]]]
            else:
                self.fill_automaton(pattern, row)
                written[row[:3]] = i
            pattern.place.first, pattern.place.n = row.place

    cdef fill_automaton(self, site_pattern_t* pattern, row):
        cdef bytes moves = row.moves
        cdef bytes states = row.classes + row.ends
        memcpy(<void*>(self.site.moves + self.n_moves), <const uint8_t*>moves, len(moves))
        memcpy(<void*>(self.site.bytes + self.n_bytes), <const uint8_t*>states, len(states))
        pattern.first_move, pattern.off_classes, pattern.off_ends = self.n_moves, self.n_bytes, self.n_bytes + 256
        pattern.n_states, pattern.n_classes = len(row.ends), row.n_classes
        self.n_moves += len(moves) // 2
        self.n_bytes += len(states)

    cdef fill_routes(self):
        cdef site_route_t* route
        cdef uint32_t first_share = 0
        for i, row in enumerate(self.parts.routes):
            route = <site_route_t*>&self.site.routes[i]
            route.action, route.number, route.status, route.is_cut = row.kind, row.number, row.status, row.is_cut
            route.put, route.lines, route.body = self.text(row.put), self.text(row.lines), self.text(row.body)
            route.location, route.scheme = self.text(row.location), self.text(row.scheme)
            route.host, route.path = self.text(row.host), self.text(row.path)
            route.rules = self.rules.get(row.rules, 0)
            first_share = self.fill_pools(route, row.pools, first_share)

    cdef fill_rules(self):
        cdef site_rules_t* rules
        for i, (row, id) in enumerate(sorted(self.rules.items(), key=lambda entry: entry[1])):
            rules = <site_rules_t*>&self.site.rules[i]
            rules.id = id
            rules.request, rules.response = self.text(row.request), self.text(row.response)
            rules.host = self.text(row.host)

    cdef uint32_t fill_pools(self, site_route_t* route, pools, uint32_t at) except? 0:
        cdef site_share_t* share
        if any(not 0 <= pool < MAX_POOLS for pool, _weight in pools):
            raise ValueError(f"a pool id of {pools} is not in 0..{MAX_POOLS - 1}")
        route.first_share = at
        if len(pools) == 1:
            route.pool = pools[0][0]
            return at
        for pool, weight in pools:
            share = <site_share_t*>&self.site.shares[at]
            route.weight_sum += weight
            share.pool, share.end = pool, route.weight_sum
            at += 1
        route.n_shares = len(pools)
        return at


def pack(parts) -> bytes:
    """One block of nginy.site.parts. Their indices are looked at when it is read. Errors: ValueError for too much."""
    return Writer(parts).pack()


cdef class Request:
    """The head of a request that somebody imagines. headers: (name, value) of each. Errors: ValueError for too long a one."""

    def __cinit__(self, bytes host=b"", bytes path=b"/", bytes query=b"", method="GET", headers=()):
        memset(&self.head, 0, sizeof(head_t))
        self.bytes = b""
        self.head.method = METHODS.get(method, http1.METHOD_OTHER)
        self.head.method_name = self.span(method.encode())
        self.head.host = self.span(host)
        self.head.path = self.span(path)
        self.bytes += b"?" if query else b""
        self.head.query, self.head.has_query = self.span(query), len(query) > 0
        if len(headers) > http1.HEAD_MOST_FIELDS:
            raise ValueError(f"{len(headers)} headers; {http1.HEAD_MOST_FIELDS} at most")
        for i, (name, value) in enumerate(headers):
            self.head.fields[i].name, self.head.fields[i].value = self.span(name), self.span(value)
            self.head.fields[i].kind = http1.FIELD_COOKIE if name.lower() == b"cookie" else http1.FIELD_OTHER
        self.head.n_fields = len(headers)

    cdef span_t span(self, bytes given) except *:
        cdef span_t span
        span.at, span.n = len(self.bytes), len(given)
        self.bytes += given
        if len(self.bytes) > http1.HEAD_MOST_BYTES:
            raise ValueError(f"a request of more than {http1.HEAD_MOST_BYTES} bytes")
        return span


cdef class Site:
    """A view of a block, which it keeps. Errors: ValueError for one that is not sound."""

    def __cinit__(self, bytes block):
        self.block = block
        if site_read(&self.site, <const uint8_t*>block, len(block)) < 0:
            raise ValueError("the block of a site points outside itself, or is not whole")

    def find(self, Request request) -> tuple:
        """(route, bytes of the path that its own path stands for), or (-NO_ROUTE or -UNCLEAR, 0)."""
        cdef site_found_t found
        cdef int answer = site_find(&self.site, <const uint8_t*>request.bytes, &request.head, &found)
        if answer < 0:
            return answer, 0
        return found.route, found.n_matched

    def pool(self, uint32_t route, uint64_t turn=0) -> int:
        """The pool id that a route goes to at this turn. Errors: ValueError for a route that is not there."""
        if route >= self.site.header.n_routes:
            raise ValueError(f"route {route} of {self.site.header.n_routes}")
        return site_pool(&self.site, &self.site.routes[route], turn)

    def target(self, Request request) -> bytes:
        """The path that a backend gets. Errors: ValueError for a request without a route."""
        cdef site_found_t found = self.found(request)
        cdef target_t target
        target_make(&self.site, &found, <const uint8_t*>request.bytes, &request.head, &target)
        return target.put[:target.n_put] + request.bytes[target.at : target.at + target.n]

    def location(self, Request request, bint is_tls=False, uint32_t room=8192):
        """Where a redirect leads; None where it does not fit. Errors: ValueError for a request without a route."""
        cdef site_found_t found = self.found(request)
        cdef bytearray to = bytearray(room)
        cdef int n = location_write(
            &self.site, &found, <const uint8_t*>request.bytes, &request.head, is_tls, <uint8_t*>to, room)
        return None if n < 0 else bytes(to[:n])

    cdef site_found_t found(self, Request request) except *:
        cdef site_found_t found
        if site_find(&self.site, <const uint8_t*>request.bytes, &request.head, &found) < 0:
            raise ValueError("no route")
        return found
