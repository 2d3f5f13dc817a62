"""Shapes: nodes to tables, and tables to the block that workers read. Errors: ValueError, MemoryError."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy
from nginy._fast.base cimport limits
from nginy._fast.policy.maglev cimport MAGLEV_SIZE_MOST, maglev_build, maglev_is_size, maglev_scratch
from nginy._fast.policy.node cimport name_hash, node_t
from nginy._fast.policy.ring cimport (
    RING_POINTS, RING_POINTS_MOST, ring_bits, ring_build, ring_index, ring_point_t, ring_room,
)
from nginy._fast.policy.table cimport (
    TABLE_MAGIC, TABLE_MAGLEV, TABLE_MAP, TABLE_RING, TABLE_TIERS, TABLE_VERSION, table_checksum, table_entry_t,
    table_header_t, table_tier_t,
)

cdef enum:
    MAP_MOST = 1048576          # keys of one pool: 16 MiB

cdef struct shape_t:            # what a shape's bytes begin with; its arrays follow, each padded to 8 bytes
    uint32_t kind               # table_kind_t
    uint32_t n
    uint32_t n_bits
    uint32_t n_nodes


cdef uint64_t padded(uint64_t n_bytes):
    return (n_bytes + 7) & ~<uint64_t>7


cdef class Nodes:
    """Names and weights as C structs; the index of each is its position."""

    cdef node_t* nodes
    cdef uint32_t n
    cdef list kept
    cdef uint64_t weight_sum

    def __cinit__(self, list names, list weights):
        cdef uint32_t i
        cdef bytes name
        if len(names) != len(weights) or not 0 < len(names) <= limits.MAX_BACKENDS:
            raise ValueError(f"{len(names)} nodes with {len(weights)} weights; 1..{limits.MAX_BACKENDS}")
        self.kept = [text.encode() for text in names]
        self.n = len(names)
        self.nodes = <node_t*>calloc(self.n, sizeof(node_t))
        if self.nodes == NULL:
            raise MemoryError
        for i in range(self.n):
            name = self.kept[i]
            if not 0 <= weights[i] <= 65535:
                raise ValueError(f"weight {weights[i]} is not in 0..65535")
            self.nodes[i].name = <const uint8_t*>name
            self.nodes[i].n_name = len(name)
            self.nodes[i].hash = name_hash(self.nodes[i].name, self.nodes[i].n_name)
            self.nodes[i].weight = weights[i]
            self.nodes[i].index = i
            self.weight_sum += self.nodes[i].weight
        if self.weight_sum == 0:
            raise ValueError("every weight is 0: nobody could be chosen")

    def __dealloc__(self):
        free(self.nodes)


cdef bytes ring_shape(Nodes nodes, int ring):
    cdef uint64_t room = ring_room(ring, nodes.nodes, nodes.n, RING_POINTS)
    cdef ring_point_t* points
    cdef uint32_t n
    cdef shape_t head
    cdef uint8_t* to
    if room > RING_POINTS_MOST:
        raise ValueError(f"{room} points on one ring; {RING_POINTS_MOST} are possible: divide the weights")
    points = <ring_point_t*>malloc(2 * room * sizeof(ring_point_t))
    if points == NULL:
        raise MemoryError
    try:
        with nogil:
            n = ring_build(ring, nodes.nodes, nodes.n, RING_POINTS, points, points + room)
        if n == 0:
            raise ValueError("a ring without a point: all shares are too small")
        head.kind, head.n, head.n_bits, head.n_nodes = TABLE_RING, n, ring_bits(n), nodes.n
        shape = bytearray(
            sizeof(shape_t) + n * sizeof(ring_point_t) + padded(((<uint64_t>1 << head.n_bits) + 1) * sizeof(uint32_t))
        )
        to = shape
        memcpy(to, &head, sizeof(shape_t))
        memcpy(to + sizeof(shape_t), points, n * sizeof(ring_point_t))
        ring_index(points, n, head.n_bits, <uint32_t*>(to + sizeof(shape_t) + n * sizeof(ring_point_t)))
    finally:
        free(points)
    return bytes(shape)


cdef bytes maglev_shape(Nodes nodes, uint32_t size):
    cdef uint8_t* to
    cdef void* scratch
    cdef shape_t head
    cdef int status
    if not maglev_is_size(size):
        raise ValueError(f"{size} slots: a Maglev table needs a prime")
    shape = bytearray(sizeof(shape_t) + padded(size * sizeof(uint16_t)))
    to = shape
    head.kind, head.n, head.n_bits, head.n_nodes = TABLE_MAGLEV, size, 0, nodes.n
    memcpy(to, &head, sizeof(shape_t))
    scratch = malloc(maglev_scratch(nodes.n, size))
    if scratch == NULL:
        raise MemoryError
    with nogil:
        status = maglev_build(nodes.nodes, nodes.n, size, <uint16_t*>(to + sizeof(shape_t)), scratch)
    free(scratch)
    if status < 0:
        raise ValueError("no Maglev table of these nodes")
    return bytes(shape)


cdef bytes shape_build(str kind, list names, list weights, int ring, uint32_t size):
    nodes = Nodes(names, weights)
    if kind == "ring":
        return ring_shape(nodes, ring)
    if kind == "maglev":
        return maglev_shape(nodes, size)
    raise ValueError(f"there is no table {kind!r}")


# Points in order of their hashes, no two equal. -1: all are; else the first that is not.
cdef int64_t points_put(
    ring_point_t* points, const uint32_t* hashes, const uint32_t* nodes, uint32_t n, uint32_t n_nodes
) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        if nodes[i] >= n_nodes or (i and hashes[i] <= hashes[i - 1]):
            return i
        points[i].hash, points[i].index = hashes[i], nodes[i]
    return -1


cdef int64_t slots_put(uint16_t* slots, const uint32_t* nodes, uint32_t n, uint32_t n_nodes) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        if nodes[i] >= n_nodes:
            return i
        slots[i] = <uint16_t>nodes[i]
    return -1


cdef bytes own_build(str kind, bytes hashes, bytes nodes, uint32_t n_nodes):
    cdef const uint8_t* given_hashes = hashes
    cdef const uint8_t* given_nodes = nodes
    cdef uint32_t most = RING_POINTS_MOST if kind == "ring" else MAGLEV_SIZE_MOST
    cdef uint32_t n = <uint32_t>(len(nodes) // sizeof(uint32_t))
    cdef int64_t wrong
    cdef shape_t head
    cdef uint8_t* to
    if kind not in ("ring", "maglev") or len(hashes) != (len(nodes) if kind == "ring" else 0):
        raise ValueError(f"{len(hashes)} bytes of hashes are none of a table {kind!r}")
    if len(nodes) != n * sizeof(uint32_t) or not 0 < n <= most or not 0 < n_nodes <= limits.MAX_BACKENDS:
        raise ValueError(f"{n} entries of {n_nodes} nodes; 1..{most} of 1..{limits.MAX_BACKENDS} are possible")
    head.n, head.n_nodes = n, n_nodes
    head.kind, head.n_bits = TABLE_MAGLEV, 0
    if kind == "ring":
        head.kind, head.n_bits = TABLE_RING, ring_bits(n)
    shape = bytearray(sizeof(shape_t) + body_bytes(&head))
    to = shape
    memcpy(to, &head, sizeof(shape_t))
    to += sizeof(shape_t)
    with nogil:
        if head.kind == TABLE_RING:
            wrong = points_put(<ring_point_t*>to, <const uint32_t*>given_hashes, <const uint32_t*>given_nodes, n, n_nodes)
            ring_index(<ring_point_t*>to, n, head.n_bits, <uint32_t*>(to + n * sizeof(ring_point_t)))
        else:
            wrong = slots_put(<uint16_t*>to, <const uint32_t*>given_nodes, n, n_nodes)
    if wrong >= 0:
        raise ValueError(f"entry {wrong} is of no node, or out of order")
    return bytes(shape)


cdef bytes map_build(list hashes, list nodes, uint32_t n_nodes):
    cdef table_entry_t* entries
    cdef shape_t head
    cdef uint8_t* to
    cdef uint32_t i
    if len(hashes) != len(nodes) or not 0 < len(hashes) <= MAP_MOST or len(set(hashes)) != len(hashes):
        raise ValueError(f"{len(hashes)} keys for {len(nodes)} nodes; 1..{MAP_MOST}, each once")
    if not all(0 <= node < n_nodes for node in nodes):
        raise ValueError(f"a node that is not in 0..{n_nodes - 1}")
    shape = bytearray(sizeof(shape_t) + len(hashes) * sizeof(table_entry_t))
    to = shape
    head.kind, head.n, head.n_bits, head.n_nodes = TABLE_MAP, len(hashes), 0, n_nodes
    memcpy(to, &head, sizeof(shape_t))
    entries = <table_entry_t*>(to + sizeof(shape_t))
    for i, (key, node) in enumerate(sorted(zip(hashes, nodes))):
        entries[i].hash, entries[i].id = key, node
    return bytes(shape)


# ---- blocks ----

cdef uint64_t body_bytes(const shape_t* shape):
    if shape.kind == TABLE_RING:
        return shape.n * sizeof(ring_point_t) + padded(((<uint64_t>1 << shape.n_bits) + 1) * sizeof(uint32_t))
    if shape.kind == TABLE_MAP:
        return shape.n * sizeof(table_entry_t)
    return padded(shape.n * sizeof(uint16_t))


# Positions become backend ids.
cdef void name_nodes(uint8_t* body, const shape_t* shape, const uint32_t* ids) noexcept nogil:
    cdef ring_point_t* points = <ring_point_t*>body
    cdef uint16_t* slots = <uint16_t*>body
    cdef table_entry_t* entries = <table_entry_t*>body
    cdef uint32_t i
    if shape.kind == TABLE_RING:
        for i in range(shape.n):
            points[i].index = ids[points[i].index]
    elif shape.kind == TABLE_MAP:
        for i in range(shape.n):
            entries[i].id = ids[entries[i].id]
    else:
        for i in range(shape.n):
            slots[i] = <uint16_t>ids[slots[i]]


cdef put_part(uint8_t* block, table_tier_t* part, uint64_t off, uint32_t tier, bytes shape, ids):
    cdef shape_t head
    cdef const uint8_t* kept = shape
    cdef uint32_t i
    cdef uint32_t* numbers
    memcpy(&head, kept, sizeof(shape_t))
    if len(ids) != head.n_nodes or not all(0 <= id <= limits.MAX_BACKENDS for id in ids):
        raise ValueError(f"{len(ids)} backend ids for {head.n_nodes} nodes; each up to {limits.MAX_BACKENDS}")
    part.kind, part.tier, part.n, part.n_bits, part.off = head.kind, tier, head.n, head.n_bits, off
    part.off_starts = off + head.n * sizeof(ring_point_t) if head.kind == TABLE_RING else 0
    memcpy(block + off, kept + sizeof(shape_t), body_bytes(&head))
    numbers = <uint32_t*>malloc(head.n_nodes * sizeof(uint32_t))
    if numbers == NULL:
        raise MemoryError
    for i in range(head.n_nodes):
        numbers[i] = ids[i]
    name_nodes(block + off, &head, numbers)
    free(numbers)


cdef bytes table_pack(uint32_t pool, parts):
    cdef uint64_t off = sizeof(table_header_t) + len(parts) * sizeof(table_tier_t)
    cdef uint64_t n_bytes = off + sum({(id(shape), id(ids)): len(shape) - sizeof(shape_t) for _, shape, ids in parts}.values())
    cdef table_header_t* header
    cdef table_tier_t* tiers
    cdef uint8_t* block
    cdef uint32_t i
    if len(parts) > TABLE_TIERS:
        raise ValueError(f"{len(parts)} tiers; {TABLE_TIERS} are possible")
    packed = bytearray(n_bytes)
    block = packed
    header = <table_header_t*>block
    header.magic, header.version, header.length_bytes = TABLE_MAGIC, TABLE_VERSION, n_bytes
    header.pool, header.n_tiers = pool, len(parts)
    tiers = <table_tier_t*>(block + sizeof(table_header_t))
    placed = {}
    for i, (tier, shape, ids) in enumerate(parts):
        first = placed.setdefault((id(shape), id(ids)), i)
        if first != i:                  # several tiers look things up in one and the same
            tiers[i] = tiers[<uint32_t>first]
            tiers[i].tier = tier
            continue
        put_part(block, &tiers[i], off, tier, shape, ids)
        off += len(shape) - sizeof(shape_t)
    header.checksum = table_checksum(block, n_bytes)
    return bytes(packed)
