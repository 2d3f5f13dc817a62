# A site: where the requests of one HTTP listener go. One flat block, made by control, without pointers: hosts, and for each
# a radix tree over the segments of paths, patterns, and what each route does. Nothing is allocated by a look-up.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from nginy._fast.wire.http1 cimport head_t

cdef enum:
    SITE_MAGIC = 0x4e475953
    SITE_VERSION = 2
    SITE_NONE = 0xffffffff      # no such index
    SITE_MOST_BYTES = 268435456     # of a block
    SITE_MOST_ROUTES = 65536
    SITE_MOST_AT = 256          # routes at one place, told apart by their conditions
    SITE_MOST_PATTERNS = 64     # of one host
    SITE_MOST_STATES = 4096     # of a pattern's automaton, the dead one included
    SITE_MOST_CONDS = 16        # of one route
    SITE_MOST_PATH = 4096       # bytes of a route's path
    SITE_MOST_HOST = 255        # bytes of a host

cdef enum:                      # site_find: what is no route
    SITE_NO_ROUTE = 1           # 404
    SITE_UNCLEAR = 2            # 400: two readers could take the path for different ones

cdef enum:                      # site_action_t
    ACTION_POOL = 1             # forward to a pool, or to one of several by weight
    ACTION_RESPOND = 2
    ACTION_REDIRECT = 3

cdef enum:                      # site_cond_kind_t
    COND_METHOD = 1             # mask: 1 << http_method_t; name: others, each with a space behind it
    COND_HEADER = 2             # name: in lower case; value: of one of its lines
    COND_QUERY = 3              # name, value: decoded

cdef struct text_t:             # bytes in the block
    uint32_t off                # from the beginning of its texts
    uint32_t n

cdef struct site_cond_t:
    uint8_t kind                # site_cond_kind_t
    uint8_t has_value           # equals; else: is present
    uint16_t mask
    text_t name
    text_t value

cdef struct site_pick_t:        # a route at one place, and when it is for a request; in declared order
    uint32_t route
    uint32_t first_cond
    uint32_t n_conds            # all of them must fit

cdef struct site_place_t:       # a run of picks
    uint32_t first
    uint32_t n

cdef struct site_node_t:        # of the tree: a path that ends where a segment ends
    text_t label                # from its parent's path to its own; begins with a slash; the root has none
    uint32_t first_slot         # of its children, by hash of their labels' first segments
    uint32_t n_slots            # power of two, half of them free or more; 0 = no children
    site_place_t exact          # for this path alone
    site_place_t below          # for it and whatever follows after a slash
    uint32_t above              # index of the nearest node over it with a `below`
    uint32_t n_path             # bytes of the whole path

cdef struct site_slot_t:        # of a hash table with linear probing
    uint32_t hash
    uint32_t index              # of a node or host; SITE_NONE = free

cdef struct site_pattern_t:     # an automaton over bytes; state 0 is dead, 1 the beginning
    uint32_t off_classes        # in the bytes: class of each of 256 bytes
    uint32_t off_ends           # in the bytes: for each state whether a path may end in it
    uint32_t first_move         # moves[first_move + state * n_classes + class] is the next state
    uint16_t n_states
    uint16_t n_classes          # 1..256
    site_place_t place

cdef struct site_host_t:
    text_t name                 # lower case; of `*.example.org` what follows the asterisk and its dot
    uint32_t root               # node
    uint32_t first_pattern
    uint32_t n_patterns         # in declared order
    uint32_t is_free            # no route asks for more of a path than its slash: any path goes, as it came

cdef struct site_share_t:       # a pool among several
    uint32_t pool               # id
    uint32_t end                # of its part of the weights; starts where the one before ends

cdef struct site_rules_t:       # what is changed in heads; the block's are sorted by id
    uint32_t id                 # made of what they say, so that it means the same in each generation; never 0
    text_t request              # edits (wire/http1write), one behind another
    text_t response
    text_t host                 # in place of the Host that came; empty: that one goes on

cdef struct site_route_t:       # what is done; 84 bytes
    uint8_t action              # site_action_t
    uint8_t is_cut              # what the route's path matched is taken off the front of the path
    uint16_t status             # respond, redirect
    uint32_t number             # as declared, from 0
    uint32_t pool               # id, with one pool
    uint32_t first_share        # with several
    uint32_t n_shares
    uint32_t weight_sum
    text_t put                  # in front of the path
    text_t lines                # respond: header lines, each with CR LF
    text_t body                 # respond
    text_t location             # redirect: as it is, or empty: made of the three
    text_t scheme               # redirect: these, or empty: as the client's
    text_t host
    text_t path
    uint32_t rules              # id; 0 = none

cdef struct site_header_t:
    uint32_t magic
    uint32_t version
    uint64_t length_bytes
    uint64_t checksum           # hash_bytes of the block with this field 0
    uint32_t default_host       # index, or SITE_NONE
    uint32_t n_exact_slots      # hosts by name; powers of two, or 0
    uint32_t n_suffix_slots     # hosts that end so
    uint32_t n_hosts
    uint32_t n_nodes
    uint32_t n_node_slots
    uint32_t n_picks
    uint32_t n_conds
    uint32_t n_patterns
    uint32_t n_moves            # uint16 each
    uint32_t n_shares
    uint32_t n_routes
    uint32_t n_bytes            # of automata
    uint32_t n_texts            # bytes
    uint32_t n_rules
    uint32_t rules              # id of those for requests without a route; 0 = none
    # The parts follow in this order, each at a multiple of eight bytes.

cdef struct site_t:             # a view of a block that somebody else keeps
    const site_header_t* header
    const site_slot_t* exact_slots
    const site_slot_t* suffix_slots
    const site_host_t* hosts
    const site_node_t* nodes
    const site_slot_t* node_slots
    const site_pick_t* picks
    const site_cond_t* conds
    const site_pattern_t* patterns
    const uint16_t* moves
    const site_share_t* shares
    const site_route_t* routes
    const uint8_t* bytes
    const uint8_t* texts
    const site_rules_t* rules

cdef struct site_found_t:
    uint32_t route              # index
    uint32_t n_matched          # bytes of the path as it came that the route's own path stands for; a pattern: none

# The route of a request whose head was read at p: 0, or -SITE_NO_ROUTE, -SITE_UNCLEAR. Looks at nothing beyond the head.
cdef int site_find(const site_t* site, const uint8_t* p, const head_t* head, site_found_t* found) noexcept nogil

# The pool of a route that has some; turn: any number, such as a random one, for those that have several.
cdef uint32_t site_pool(const site_t* site, const site_route_t* route, uint64_t turn) noexcept nogil

# The rules with this id; NULL = there are none.
cdef const site_rules_t* site_rules(const site_t* site, uint32_t id) noexcept nogil

# The hash of hosts (from their last byte to their first) and of segments: a step for each byte, and then the end.
cdef inline uint64_t site_step(uint64_t h, uint8_t c) noexcept nogil:
    return ((h << 5) | (h >> 59)) ^ c

cdef inline uint32_t site_hash(uint64_t h) noexcept nogil:
    h *= <uint64_t>0x9e3779b97f4a7c15
    return <uint32_t>(h >> 32) ^ <uint32_t>h

# What tells this site from other ones: its checksum, but never 0, which says that there are no routes.
cdef inline uint64_t site_sum(const site_t* site) noexcept nogil:
    return site.header.checksum if site.header.checksum else 1
