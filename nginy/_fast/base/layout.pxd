# What control tells workers by shared memory: the snapshot.
# Both sides run the same build; LAYOUT_VERSION changes with any field.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from nginy._fast.base.caps cimport snap_caps_t
from nginy._fast.base.limits cimport KEY_SLICE_BYTES
from nginy._fast.base.routing cimport snap_members_t, snap_preread_t, snap_routes_t, snap_sites_t

cdef enum:
    LAYOUT_VERSION = 14
    SNAPSHOT_MAGIC = 0x4e475953
    NO_INDEX = 0x7fffffff       # an id or position that is absent
    NO_BOUND = 0x7fffffff       # a count without a bound
    VERDICT_DOWN = 2            # unknown 0, up 1
    STATE_MAINT = 2             # ready 0, drain 1
    CONGESTION_BYTES = 16       # TCP_CA_NAME_MAX, tcp(7)

cdef enum:                      # protocol_t
    PROTOCOL_TCP = 0
    PROTOCOL_UDP = 1
    PROTOCOL_HTTP = 2

cdef enum:                      # key_kind_t: what a client is known by, and what a choice goes by
    KEY_TUPLE = 0               # address and port
    KEY_SOURCE = 1              # address
    KEY_BYTES = 2               # a slice of the payload, or of the first bytes of a preread
    KEY_QUIC_CID = 3            # destination connection id (RFC 8999)
    KEY_DESTINATION = 4         # the address and port that the client asked
    KEY_SNI = 5                 # server name of a TLS hello
    KEY_LISTENER = 6            # the listener's name
    KEY_CONSTANT = 7            # the same for everybody
    KEY_SESSION = 8             # UDP: the key of the session; TCP, and where that is the tuple: the address
    KEY_HEADER = 9              # of a request, as those that follow: the value of the first field of a name
    KEY_COOKIE = 10             # the value of the first cookie of a name
    KEY_PATH = 11               # all of it, its first segments, or all with the query
    KEY_QUERY = 12              # the value of the first argument of a name
    KEY_HOST = 13               # in lower case, without port and a dot at its end
    KEY_COUNT = 14

cdef enum:                      # heed_t, bits
    HEED_REQUEST = 1            # the key is of a request
    HEED_STICKY = 2             # a cookie names the backend
    HEED_LOAD = 4               # responses tell of load

cdef enum:                      # sticky_kind_t
    STICKY_OFF = 0
    STICKY_INSERT = 1           # a cookie of our own
    STICKY_PREFIX = 2           # in front of what an application's cookie says

cdef enum:                      # same_site_t
    SAME_SITE_LAX = 0
    SAME_SITE_STRICT = 1
    SAME_SITE_NONE = 2

cdef enum:                      # check_kind_t: how an answer is told from a stray datagram
    CHECK_NONE = 0
    CHECK_DNS = 1               # id and question are those of the request (RFC 5452, section 9.1)

cdef enum:                      # proxy_out_t: PROXY protocol v2 towards backends
    PROXY_OFF = 0
    PROXY_FLOW = 1              # in front of a flow's first datagram
    PROXY_DATAGRAM = 2          # in front of every datagram

# ---- snapshot: one flat, sealed, checksummed block; offsets in bytes from its start; no pointers ----

cdef struct snap_header_t:
    uint32_t magic
    uint32_t version
    uint64_t length_bytes
    uint64_t checksum           # hash_bytes of the block with this field 0
    uint64_t gen
    uint32_t n_listeners
    uint32_t n_pools
    uint32_t n_tiers
    uint32_t n_backends
    uint32_t n_sockets
    uint32_t n_listener_at      # entries of the id -> position tables
    uint32_t n_pool_at
    uint32_t n_backend_at
    uint32_t off_listeners
    uint32_t off_pools
    uint32_t off_tiers
    uint32_t off_backends
    uint32_t off_addrs          # one per backend, same position
    uint32_t off_sockets
    uint32_t off_listener_at
    uint32_t off_pool_at
    uint32_t off_backend_at
    uint32_t n_nets
    uint32_t n_cids
    uint32_t off_nets
    uint32_t off_cids
    uint32_t off_meta           # control's own notes; workers never look
    uint32_t n_meta_bytes
    uint32_t drain_ms
    uint32_t is_access_log
    uint32_t heeds              # heed_t of all pools
    snap_sites_t sites

cdef struct snap_key_t:         # what to take as a key
    uint8_t kind                # key_kind_t
    uint8_t ring                # ring_kind_t: of another program, then its text is hashed as there, so that it lands there
    uint8_t cid_bytes           # KEY_QUIC_CID: length of connection ids in short headers
    uint8_t n_value             # bytes of `value`
    uint16_t offset             # KEY_BYTES: where the slice begins; KEY_PATH: so many segments, 0 = all
    uint16_t n_bytes            # KEY_BYTES: 1 to KEY_SLICE_BYTES; KEY_PATH: 1 = and the query
    uint8_t value[KEY_SLICE_BYTES]  # KEY_CONSTANT; KEY_HEADER, KEY_COOKIE, KEY_QUERY: the name

cdef struct snap_udp_t:         # what only a UDP listener has; zero otherwise
    uint32_t flows_max          # entries of its table, per worker
    uint32_t requests           # client datagrams after which a new flow begins; 0 = never
    uint32_t responses          # expected per client datagram; NO_BOUND = not known
    uint32_t server_offset      # of a server's id in connection ids
    uint32_t server_bytes       # length of that id, at most 8; 0 = servers encode none
    uint32_t source_flows       # live flows per client address and worker; 0 = no bound
    uint32_t source_rate        # new flows per second and client address, per worker; 0 = no bound
    uint32_t flow_rate          # new flows per second, per worker; 0 = no bound
    uint32_t datagram_rate      # from clients, per second and worker; 0 = no bound
    uint64_t bandwidth          # bytes from clients per second and worker; 0 = no bound
    uint32_t first_net          # of the networks whose PROXY headers are believed
    uint32_t n_nets
    uint32_t first_cid          # of the servers' ids (KEY_QUIC_CID), sorted by id
    uint32_t n_cids
    snap_key_t key              # what a client is known by: KEY_TUPLE, KEY_SOURCE, KEY_BYTES, KEY_QUIC_CID
    uint8_t check               # check_kind_t
    uint8_t is_reuse            # upstream sockets serve further flows once all answers are there
    uint8_t reserved[6]

cdef struct snap_net_t:         # a network: address in network order, IPv4 mapped into IPv6
    uint8_t address[16]
    uint32_t n_bits             # 0 to 128
    uint32_t reserved

cdef struct snap_cid_t:         # a server's id in connection ids, or a backend's tag in sticky cookies
    uint64_t id                 # its bytes, the first one highest
    uint32_t backend            # backend id
    uint32_t reserved

cdef struct snap_http_t:        # what only an HTTP listener has; zero otherwise
    uint32_t head_ms            # for the whole head of a request, from its first byte on
    uint32_t kept_ms            # between two requests
    uint32_t response_ms        # without a byte of the response
    uint32_t requests           # per connection; 0 = no bound
    uint32_t off_block          # of its routes, from the beginning of all blocks
    uint32_t n_block            # bytes; 0 = no routes: all goes to its pool

cdef struct snap_listener_t:
    uint32_t id
    uint32_t pool               # pool id; NO_INDEX: only what has a route is served
    uint32_t connect_ms
    uint32_t idle_ms
    uint32_t half_close_ms
    uint32_t max_sessions       # over all workers; 0 = no cap
    uint32_t keepalive_s        # 0 = off
    uint32_t drain_ms           # what sessions get once the listener is gone; 0 = no deadline of its own
    uint8_t retries
    uint8_t is_half_close
    uint8_t is_splice           # bulk may be moved by splice(2)
    uint8_t is_deferred         # TCP_DEFER_ACCEPT: the client's first bytes are there when it is accepted
    uint32_t protocol           # protocol_t
    uint64_t name_hash          # equal on every machine that has a listener of this name
    snap_preread_t preread
    snap_routes_t routes
    snap_udp_t udp
    snap_http_t http
    snap_caps_t caps
    uint32_t handshake_ms       # TLS: for the whole handshake; 0 = clients speak in the clear
    uint32_t reserved

cdef struct snap_sticky_t:      # sticky cookies of a pool
    uint64_t secret[2]          # of the hash with a key that signs them
    uint32_t max_age_s          # 0 = as long as the client is open
    uint32_t first_tag          # of its backends, sorted, among the servers' ids
    uint32_t n_tags
    uint8_t kind                # sticky_kind_t
    uint8_t same_site           # same_site_t
    uint8_t is_secure
    uint8_t n_name
    uint8_t name[KEY_SLICE_BYTES]

cdef struct snap_pool_t:
    uint32_t id
    uint32_t policy             # policy_kind_t
    uint32_t first_tier
    uint32_t n_tiers
    uint8_t is_on_down_reset
    uint8_t is_quickack         # acknowledge the backend's SYN at once, not with the first bytes
    uint8_t is_fastopen         # the client's first bytes travel with the SYN
    uint8_t proxy_out           # proxy_out_t (UDP)
    uint8_t congestion[CONGESTION_BYTES]    # TCP_CONGESTION of the back leg, padded with zeros; empty = the system's
    uint8_t is_transparent      # UDP: backends see the client's own address as the source (IP_TRANSPARENT)
    uint8_t wants_local         # a choice may go by the address that the client asked
    uint8_t has_map             # keys that a published table names come before the policy
    uint8_t asks_key            # the class in Python is asked for a key, which `policy` goes by; else for a backend
    uint32_t deadline_ms        # a class in Python is asked first and has so long, `policy` is its fallback; 0 = none is.
    # Of a group: the longest deadline of its members.
    snap_key_t key              # what a choice by key goes by
    uint32_t slow_ms            # slow start: how long a backend that came back is held back; 0 = not at all
    uint16_t slow_least         # thousandths of the choices that it gets at first
    uint16_t factor             # bounded load: thousandths of the mean
    uint32_t low_ms             # jump_load: reported load that is always accepted
    uint32_t high_ms            # jump_load: from here on only one choice in ten is
    uint32_t kept               # HTTP: connections at rest, per backend and worker
    uint32_t kept_idle_ms       # how long one may rest
    uint32_t kept_age_ms        # older ones are not kept; 0 = no bound
    uint32_t saturated          # hash_preserve: sessions per unit of weight; 0 = max_conns alone
    uint32_t reserved_too
    snap_members_t members      # of a group, which has no backends of its own
    uint32_t heeds              # heed_t: what of an exchange matters here; of a group: of all its members
    uint32_t n_load_name        # HEED_LOAD: bytes of the name of the field that tells of load
    snap_sticky_t sticky
    uint8_t load_name[KEY_SLICE_BYTES]

cdef struct snap_tier_t:
    uint32_t first              # position of the first backend
    uint32_t n
    uint64_t weight_sum         # of the usable ones
    uint64_t share_sum          # of all
    uint32_t is_equal           # all usable weights are the same
    uint32_t reserved

cdef struct snap_backend_t:
    uint32_t id
    uint32_t pool               # pool id
    uint32_t weight
    uint32_t max_conns          # over all workers; 0 = no cap
    uint64_t weight_end         # running sum within the tier, usable ones only
    uint8_t is_usable           # ready, not down, weight > 0
    uint8_t state
    uint8_t verdict
    uint8_t tier
    uint32_t reserved
    uint64_t share_end          # running sum within the tier, whoever is usable
    uint64_t node_hash          # of its address as text: equal on every machine
    uint64_t since_ms           # monotonic; when it came up or was added, 0 = long ago

cdef struct snap_addr_t:
    uint32_t len_bytes          # 4 bytes, so that the sockaddr behind it is aligned
    uint8_t bytes[112]          # as connect(2) takes it; sockaddr_un is the longest, 110

cdef struct snap_socket_t:
    uint32_t sock_id
    uint32_t listener           # listener id
    uint32_t slot
    uint32_t is_wildcard        # UDP: bound to all addresses, so that the one that was asked has to answer
