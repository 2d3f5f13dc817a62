# Consistent-hash rings: points on a circle of 32 bits, each of a node; a key belongs to the first point at or behind its hash.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from nginy._fast.policy.node cimport node_t

cdef enum:                      # ring_kind_t
    RING_OWN = 0                # upper halves of mixed 64-bit hashes; order of nodes does not matter
    RING_NGINX = 1              # `hash … consistent`: CRC-32 of host, NUL, port and the point before; so Cache::Memcached::Fast
    RING_KETAMA = 2             # libketama: MD5 of name, '-' and number, four points of each digest

cdef enum:
    RING_POINTS = 160           # for each unit of weight unless told; libketama: for each node of mean weight
    RING_POINTS_MOST = 16777216     # of one ring: 128 MiB
    RING_NAME_MOST = 1024       # bytes of a node's name in a ketama ring

cdef struct ring_point_t:
    uint32_t hash
    uint32_t index              # the node's

cdef struct ring_t:             # a view
    const ring_point_t* points  # borrowed; by hash, no two equal, at least one
    const uint32_t* starts      # borrowed; [b] = first point whose upper n_bits are b or more; 2**n_bits + 1 of them
    uint32_t n_points
    uint32_t n_bits             # 1..20

# Points that a ring of these nodes has at most; per_unit is RING_POINTS for the other programs' kinds.
cdef uint64_t ring_room(int kind, const node_t* nodes, uint32_t n, uint32_t per_unit) noexcept nogil

# Write the points, sorted, no two equal; of equal ones the first node's stays (as in nginx), in our own the lower hash's.
# points, scratch: ring_room of them. Returns how many are left.
cdef uint32_t ring_build(
    int kind, const node_t* nodes, uint32_t n, uint32_t per_unit, ring_point_t* points, ring_point_t* scratch
) noexcept nogil

# Bits of the index for so many points: one or two points to a start.
cdef uint32_t ring_bits(uint32_t n_points) noexcept nogil

# Write the index: 2**n_bits + 1 starts.
cdef void ring_index(const ring_point_t* points, uint32_t n_points, uint32_t n_bits, uint32_t* starts) noexcept nogil

# What a key's bytes are on a ring of this kind.
cdef uint32_t ring_hash(int kind, const uint8_t* key, uint32_t n_bytes) noexcept nogil

# Position of the first point at or behind a hash.
cdef inline uint32_t ring_find(const ring_t* r, uint32_t hash) noexcept nogil:
    cdef uint32_t bucket = hash >> (32 - r.n_bits)
    cdef uint32_t low = r.starts[bucket]
    cdef uint32_t high = r.starts[bucket + 1]
    cdef uint32_t mid
    while low < high:
        mid = (low + high) >> 1
        if r.points[mid].hash < hash:
            low = mid + 1
        else:
            high = mid
    return low if low < r.n_points else 0

# The next point round the circle: candidates of a key in order, n_points of them before they come again.
cdef inline uint32_t ring_next(const ring_t* r, uint32_t at) noexcept nogil:
    return at + 1 if at + 1 < r.n_points else 0
