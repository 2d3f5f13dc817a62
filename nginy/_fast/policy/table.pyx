"""Table: nothing of a block is believed before its seal, length, checksum and every offset have been checked."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from nginy._fast.base.cdefs cimport F_GET_SEALS, F_SEAL_SHRINK, F_SEAL_WRITE, c_fcntl, c_fstat, c_stat
from nginy._fast.base.limits cimport MAX_POOLS
from nginy._fast.base.status cimport REFUSAL_BOUNDS, REFUSAL_CHECKSUM, REFUSAL_HEADER, REFUSAL_MAP, REFUSAL_SEAL
from nginy._fast.mem.hash cimport hash_bytes
from nginy._fast.mem.region cimport region_close, region_map
from nginy._fast.policy.ring cimport ring_point_t

cdef enum:
    INDEX_BITS = 20             # of a ring's index at most


cdef uint64_t table_checksum(const uint8_t* block, uint64_t n_bytes) noexcept nogil:
    cdef table_header_t header
    cdef uint64_t h
    memcpy(&header, block, sizeof(header))
    header.checksum = 0
    h = hash_bytes(<uint8_t*>&header, sizeof(header), TABLE_MAGIC)
    return hash_bytes(block + sizeof(header), n_bytes - sizeof(header), h)


cdef uint64_t item_bytes(uint32_t kind) noexcept nogil:
    if kind == TABLE_RING:
        return sizeof(ring_point_t)
    if kind == TABLE_MAGLEV:
        return sizeof(uint16_t)
    return sizeof(table_entry_t) if kind == TABLE_MAP else 0


cdef bint part_fits(const table_t* t, uint64_t off, uint64_t n, uint64_t each) noexcept nogil:
    return off % 8 == 0 and off <= t.length_bytes and n <= (t.length_bytes - off) // each


# A look-up may only read points that are there.
cdef bint index_fits(const table_t* t, const table_tier_t* part) noexcept nogil:
    cdef const uint32_t* starts = <const uint32_t*>(t.base + part.off_starts)
    cdef uint32_t i
    if not 1 <= part.n_bits <= INDEX_BITS or not part_fits(t, part.off_starts, (<uint64_t>1 << part.n_bits) + 1, 4):
        return False
    for i in range((<uint32_t>1 << part.n_bits) + 1):
        if starts[i] > part.n:
            return False
    return True


cdef bint parts_fit(const table_t* t) noexcept nogil:
    cdef uint32_t i
    cdef const table_tier_t* part
    for i in range(t.header.n_tiers):
        part = &t.tiers[i]
        if part.n == 0 or item_bytes(part.kind) == 0 or not part_fits(t, part.off, part.n, item_bytes(part.kind)):
            return False
        if part.kind == TABLE_RING and not index_fits(t, part):
            return False
    return True


cdef int table_read(table_t* t, const uint8_t* block, uint64_t n_bytes) noexcept nogil:
    memset(t, 0, sizeof(table_t))
    if n_bytes < sizeof(table_header_t):
        return -REFUSAL_HEADER
    t.header = <const table_header_t*>block
    t.length_bytes = n_bytes
    t.is_borrowed = True
    t.tiers = <const table_tier_t*>(block + sizeof(table_header_t))
    if t.header.magic != TABLE_MAGIC or t.header.version != TABLE_VERSION or t.header.length_bytes != n_bytes:
        return -REFUSAL_HEADER
    if t.header.checksum != table_checksum(block, n_bytes):
        return -REFUSAL_CHECKSUM
    if t.header.pool >= MAX_POOLS or t.header.n_tiers > TABLE_TIERS:
        return -REFUSAL_BOUNDS
    t.base = block
    if (
        not part_fits(t, sizeof(table_header_t), t.header.n_tiers, sizeof(table_tier_t)) or not parts_fit(t)
    ):
        t.base = NULL
        return -REFUSAL_BOUNDS
    return 0


cdef int table_open(table_t* t, int fd) noexcept nogil:
    cdef c_stat st
    cdef int seals = c_fcntl(fd, F_GET_SEALS)
    cdef int status
    cdef void* base
    memset(t, 0, sizeof(table_t))
    if seals < 0 or seals & (F_SEAL_WRITE | F_SEAL_SHRINK) != (F_SEAL_WRITE | F_SEAL_SHRINK):
        return -REFUSAL_SEAL
    if c_fstat(fd, &st) < 0 or st.st_size <= 0:
        return -REFUSAL_MAP
    base = region_map(fd, <uint64_t>st.st_size, False)
    if base == NULL:
        return -REFUSAL_MAP
    status = table_read(t, <const uint8_t*>base, <uint64_t>st.st_size)
    if status < 0:
        region_close(base, <uint64_t>st.st_size)
        memset(t, 0, sizeof(table_t))
        return status
    t.is_borrowed = False
    return 0


cdef void table_close(table_t* t) noexcept nogil:
    if t.base != NULL and not t.is_borrowed:
        region_close(<void*>t.base, t.length_bytes)
    memset(t, 0, sizeof(table_t))
