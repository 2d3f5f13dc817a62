# Parts of the snapshot that say where a session goes before a backend of a pool is chosen. They change with LAYOUT_VERSION.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:                      # preread_kind_t: what is waited for before a backend is chosen
    PREREAD_OFF = 0
    PREREAD_BYTES = 1           # so many bytes
    PREREAD_HELLO = 2           # a TLS ClientHello, or what cannot be one

cdef struct snap_preread_t:
    uint32_t wait_ms            # that a client has for it
    uint16_t n_bytes            # PREREAD_BYTES
    uint8_t kind                # preread_kind_t
    uint8_t reserved

# ---- routes: from a server name to a pool ----

cdef struct snap_route_t:
    uint64_t hash               # hash_bytes of the name, seed 0; the routes of each kind are sorted by it
    uint32_t off_name           # in the listener's names
    uint32_t n_name             # bytes, lower case; of `*.example.org` what follows the asterisk and its dot
    uint32_t pool               # id
    uint32_t reserved

cdef struct snap_routes_t:      # of one listener; none: every session goes to its pool
    uint32_t first              # of its exact ones; those of suffixes follow
    uint32_t n_exact
    uint32_t n_suffix
    uint32_t off_names          # in the block's names
    uint32_t n_names            # bytes
    uint32_t reserved

# ---- groups: pools made of pools ----

cdef struct snap_member_t:
    uint32_t group              # pool id
    uint32_t pool               # id of a pool that is no group
    uint32_t weight
    uint32_t reserved

cdef struct snap_members_t:
    uint32_t first
    uint32_t n                  # 0 = a pool with backends of its own

cdef struct snap_sites_t:       # where these parts lie in the block
    uint32_t n_routes
    uint32_t n_names            # bytes
    uint32_t n_members
    uint32_t n_blocks           # bytes: routes of HTTP listeners, each one's a block of its own (policy/site)
    uint32_t off_routes
    uint32_t off_names
    uint32_t off_members
    uint32_t off_blocks
