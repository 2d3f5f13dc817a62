"""Ring: points are made, sorted and thinned out once, off the hot path; a look-up reads one start and a point or two."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy, memset
from nginy._fast.mem.hash cimport hash_mix
from nginy._fast.policy.crc32 cimport CRC32_BEGIN, crc32_add, crc32_add_word, crc32_of
from nginy._fast.policy.md5 cimport md5_digest
from nginy._fast.policy.node cimport name_hash, node_t

cdef enum:
    BITS_MOST = 20              # of an index: 4 MiB
    UNIX_PREFIX = 5             # bytes of "unix:"
    KETAMA_DIGESTS = 40         # for each node of mean weight; four points each
    NUMBER_BYTES = 12           # '-', a number of 32 bits, NUL
    RADIX = 256


cdef uint32_t weighted_nodes(const node_t* nodes, uint32_t n, uint64_t* weight_sum) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t n_weighted = 0
    weight_sum[0] = 0
    for i in range(n):
        weight_sum[0] += nodes[i].weight
        n_weighted += nodes[i].weight != 0
    return n_weighted


cdef uint64_t ring_room(int kind, const node_t* nodes, uint32_t n, uint32_t per_unit) noexcept nogil:
    cdef uint64_t weight_sum
    cdef uint32_t n_weighted = weighted_nodes(nodes, n, &weight_sum)
    return <uint64_t>n_weighted * KETAMA_DIGESTS * 4 if kind == RING_KETAMA else weight_sum * per_unit


cdef uint32_t fill_own(const node_t* nodes, uint32_t n, uint32_t per_unit, ring_point_t* points) noexcept nogil:
    cdef uint32_t i, _point
    cdef uint32_t n_points = 0
    cdef uint64_t h
    for i in range(n):
        h = nodes[i].hash
        for _point in range(nodes[i].weight * per_unit):     # a greater weight adds points and moves none
            h += <uint64_t>0x9e3779b97f4a7c15
            points[n_points].hash = <uint32_t>(hash_mix(h) >> 32)
            points[n_points].index = i
            n_points += 1
    return n_points


cdef bint is_unix(const uint8_t* name, uint32_t n) noexcept nogil:
    return (
        n >= UNIX_PREFIX and name[0] | 32 == c'u' and name[1] | 32 == c'n' and name[2] | 32 == c'i'
        and name[3] | 32 == c'x' and name[4] == c':'
    )


# Where the digits of the port begin; n + 1 when there is no ':' before digits alone at the end.
cdef uint32_t port_at(const uint8_t* name, uint32_t n) noexcept nogil:
    cdef uint32_t at = n
    while at > 0 and c'0' <= name[at - 1] <= c'9':
        at -= 1
    return at if at > 0 and name[at - 1] == c':' else n + 1


# The state after host, NUL, port: all points of a node begin with it.
cdef uint32_t nginx_base(const node_t* node) noexcept nogil:
    cdef const uint8_t* name = node.name
    cdef uint32_t n = node.n_name
    cdef uint8_t nul = 0
    cdef uint32_t port, state
    if is_unix(name, n):
        name += UNIX_PREFIX
        n -= UNIX_PREFIX
        port = n + 1
    else:
        port = port_at(name, n)
    state = crc32_add(<uint32_t>CRC32_BEGIN, name, port - 1)
    state = crc32_add(state, &nul, 1)
    return crc32_add(state, name + port, n - port) if port <= n else state


cdef uint32_t fill_nginx(const node_t* nodes, uint32_t n, ring_point_t* points) noexcept nogil:
    cdef uint32_t i, _point, base
    cdef uint32_t n_points = 0
    cdef uint32_t hash
    for i in range(n):
        if nodes[i].weight == 0:
            continue
        base = nginx_base(&nodes[i])
        hash = 0
        for _point in range(nodes[i].weight * RING_POINTS):
            hash = ~crc32_add_word(base, hash)
            points[n_points].hash = hash
            points[n_points].index = i
            n_points += 1
    return n_points


cdef uint32_t fill_ketama(const node_t* nodes, uint32_t n, ring_point_t* points) noexcept nogil:
    cdef char text[RING_NAME_MOST + NUMBER_BYTES]
    cdef uint32_t words[4]
    cdef uint32_t n_points = 0
    cdef uint32_t i, j, k, n_name
    cdef int n_number
    cdef float share
    cdef uint64_t weight_sum
    cdef uint32_t n_weighted = weighted_nodes(nodes, n, &weight_sum)
    for i in range(n):
        n_name = nodes[i].n_name if nodes[i].n_name < RING_NAME_MOST else <uint32_t>RING_NAME_MOST
        memcpy(text, nodes[i].name, n_name)
        share = <float>nodes[i].weight / <float>weight_sum
        # single precision before the cut, as libketama: some nodes lose a digest by it
        for j in range(<uint32_t><float>(<double>share * <double>KETAMA_DIGESTS * <double><float>n_weighted)):
            n_number = snprintf(text + n_name, NUMBER_BYTES, "-%u", j)
            md5_digest(<uint8_t*>text, n_name + <uint32_t>n_number, words)
            for k in range(4):
                points[n_points].hash = words[k]
                points[n_points].index = i
                n_points += 1
    return n_points


# By hash, equals in the order they came: four passes of eight bits, there and back.
cdef void sort(ring_point_t* points, uint32_t n_points, ring_point_t* scratch) noexcept nogil:
    cdef uint32_t ends[4][RADIX]
    cdef uint32_t i, turn, digit, sum, n
    cdef ring_point_t* source = points
    cdef ring_point_t* target = scratch
    cdef ring_point_t* swap
    memset(ends, 0, sizeof(ends))
    for i in range(n_points):
        for turn in range(4):
            ends[turn][points[i].hash >> (8 * turn) & 255] += 1
    for turn in range(4):
        sum = 0
        for digit in range(RADIX):
            n = ends[turn][digit]
            ends[turn][digit] = sum
            sum += n
        for i in range(n_points):
            digit = source[i].hash >> (8 * turn) & 255
            target[ends[turn][digit]] = source[i]
            ends[turn][digit] += 1
        swap = source
        source = target
        target = swap


# One of equal points stays; the survivors' positions become the nodes' indexes.
cdef uint32_t thin(int kind, const node_t* nodes, ring_point_t* points, uint32_t n_points) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t n = 0
    for i in range(n_points):
        if n == 0 or points[n - 1].hash != points[i].hash:
            points[n] = points[i]
            n += 1
        elif kind == RING_OWN and nodes[points[i].index].hash < nodes[points[n - 1].index].hash:
            points[n - 1] = points[i]
    for i in range(n):
        points[i].index = nodes[points[i].index].index
    return n


cdef uint32_t ring_build(
    int kind, const node_t* nodes, uint32_t n, uint32_t per_unit, ring_point_t* points, ring_point_t* scratch
) noexcept nogil:
    cdef uint32_t n_points
    if kind == RING_NGINX:
        n_points = fill_nginx(nodes, n, points)
    elif kind == RING_KETAMA:
        n_points = fill_ketama(nodes, n, points)
    else:
        n_points = fill_own(nodes, n, per_unit, points)
    sort(points, n_points, scratch)
    return thin(kind, nodes, points, n_points)


cdef uint32_t ring_bits(uint32_t n_points) noexcept nogil:
    cdef uint32_t n_bits = 1
    while n_bits < BITS_MOST and n_points >> (n_bits + 1):
        n_bits += 1
    return n_bits


cdef void ring_index(const ring_point_t* points, uint32_t n_points, uint32_t n_bits, uint32_t* starts) noexcept nogil:
    cdef uint32_t bucket
    cdef uint32_t at = 0
    for bucket in range(<uint32_t>1 << n_bits):
        while at < n_points and points[at].hash >> (32 - n_bits) < bucket:
            at += 1
        starts[bucket] = at
    starts[<uint32_t>1 << n_bits] = n_points


cdef uint32_t ring_hash(int kind, const uint8_t* key, uint32_t n_bytes) noexcept nogil:
    cdef uint32_t words[4]
    if kind == RING_NGINX:
        return crc32_of(key, n_bytes)
    if kind == RING_KETAMA:
        md5_digest(key, n_bytes, words)
        return words[0]
    return <uint32_t>(name_hash(key, n_bytes) >> 32)
