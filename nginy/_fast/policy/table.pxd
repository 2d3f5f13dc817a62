# Published tables: what a choice by key looks up, built by control, one sealed block per pool, shared by all workers.
# Entries name backends by id, so that a table outlives generations; whoever is not usable is passed over.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from nginy._fast.policy.ring cimport ring_point_t

cdef enum:
    TABLE_MAGIC = 0x4e475954
    TABLE_VERSION = 1
    TABLE_TIERS = 256

cdef enum:                      # table_kind_t
    TABLE_RING = 1              # ring_point_t[n], then uint32 starts[2**n_bits + 1]; index = backend id
    TABLE_MAGLEV = 2            # uint16[n], backend ids
    TABLE_MAP = 3               # table_entry_t[n], by hash

cdef struct table_header_t:
    uint32_t magic
    uint32_t version
    uint64_t length_bytes
    uint64_t checksum           # hash_bytes of the block with this field 0
    uint32_t pool               # id
    uint32_t n_tiers            # table_tier_t[n_tiers] behind the header

cdef struct table_tier_t:
    uint32_t kind               # table_kind_t
    uint32_t tier               # which tier of the pool
    uint32_t n
    uint32_t n_bits             # of a ring's index
    uint64_t off                # bytes from the start of the block
    uint64_t off_starts         # of a ring's index

cdef struct table_entry_t:
    uint64_t hash               # of the key
    uint32_t id                 # backend id
    uint32_t reserved

cdef struct table_t:            # a view; base NULL = none
    const uint8_t* base
    uint64_t length_bytes
    bint is_borrowed
    const table_header_t* header
    const table_tier_t* tiers

# The checksum a block must carry in its header.
cdef uint64_t table_checksum(const uint8_t* block, uint64_t n_bytes) noexcept nogil

# Look at a block in memory. 0, or -refusal_t; nothing of t is usable then.
cdef int table_read(table_t* t, const uint8_t* block, uint64_t n_bytes) noexcept nogil

# Map and verify a sealed descriptor (not consumed). 0, or -refusal_t with nothing held.
cdef int table_open(table_t* t, int fd) noexcept nogil
cdef void table_close(table_t* t) noexcept nogil

# A tier's part of one kind; NULL when the table has none.
cdef inline const table_tier_t* table_tier(const table_t* t, uint32_t tier, uint32_t kind) noexcept nogil:
    cdef uint32_t i
    if t.base == NULL:
        return NULL
    for i in range(t.header.n_tiers):
        if t.tiers[i].tier == tier and t.tiers[i].kind == kind:
            return &t.tiers[i]
    return NULL
