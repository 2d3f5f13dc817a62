"""Rings and tables for Python programs: the same builders and look-ups that control and workers call."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_AsUnsignedLongLong
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from nginy._fast.policy cimport maglev as c_maglev, ring as c_ring
from nginy._fast.policy.bounded cimport BOUNDED_MOST, BOUNDED_UNIT, bounded_cap
from nginy._fast.policy.jump cimport jump_bucket
from nginy._fast.policy.maglev cimport (
    MAGLEV_PROBES, maglev_build, maglev_find, maglev_is_size, maglev_next, maglev_scratch, maglev_t,
)
from nginy._fast.policy.node cimport name_hash, node_t
from nginy._fast.policy.rendezvous cimport rendezvous_find, rendezvous_order, rendezvous_rank_t
from nginy._fast.policy.ring cimport (
    RING_KETAMA, RING_NGINX, RING_OWN, RING_POINTS_MOST, ring_bits, ring_build, ring_find, ring_hash, ring_index, ring_next,
    ring_point_t, ring_room, ring_t,
)

cdef enum:
    NO_NODE = 0xffffffff

KINDS = {None: RING_OWN, "nginx": RING_NGINX, "ketama": RING_KETAMA}
NODES_MOST = c_maglev.MAGLEV_NODES
WEIGHT_MOST = 65535
POINTS = c_ring.RING_POINTS
POINTS_MOST = c_ring.RING_POINTS_MOST
NAME_MOST = c_ring.RING_NAME_MOST
SIZE = c_maglev.MAGLEV_SIZE
SIZE_MOST = c_maglev.MAGLEV_SIZE_MOST
FACTOR_MOST = <double>BOUNDED_MOST / BOUNDED_UNIT
JUMP_MOST = 0x7fffffff


def is_size(number):
    """Whether a Maglev table may have so many slots: a prime up to SIZE_MOST."""
    return 0 < number <= SIZE_MOST and maglev_is_size(number)


cdef inline int key_read(object key, const uint8_t** at, Py_ssize_t* n_bytes) except -1:
    if isinstance(key, str):
        at[0] = <const uint8_t*>PyUnicode_AsUTF8AndSize(key, n_bytes)
    elif isinstance(key, bytes):
        at[0] = <const uint8_t*>PyBytes_AS_STRING(key)
        n_bytes[0] = PyBytes_GET_SIZE(key)
    else:
        raise TypeError(f"key {key!r} is neither text nor bytes")
    return 0


cdef class Walk


cdef class Table:
    """Nodes and what was built of them. Never changes; what reads it needs no lock.

    names: text of each node, no two equal.   weights: of each, 0..65535.
    """

    cdef readonly tuple names
    cdef dict places            # name -> position
    cdef list texts             # what the nodes' name pointers borrow from
    cdef node_t* nodes
    cdef uint32_t n
    cdef uint64_t weight_sum

    def __cinit__(self, names, weights, *_more):
        cdef Py_ssize_t n_bytes = 0
        cdef uint32_t i
        self.names = tuple(names)
        self.places = {name: i for i, name in enumerate(self.names)}
        self.texts = [name.encode() for name in self.names]
        self.n = <uint32_t>len(self.names)
        self.nodes = <node_t*>calloc(self.n + 1, sizeof(node_t))
        if self.nodes == NULL:
            raise MemoryError
        for i in range(self.n):
            key_read(self.texts[i], &self.nodes[i].name, &n_bytes)
            self.nodes[i].n_name = <uint32_t>n_bytes
            self.nodes[i].hash = name_hash(self.nodes[i].name, <uint32_t>n_bytes)
            self.nodes[i].weight = weights[i]
            self.nodes[i].index = i
            self.weight_sum += self.nodes[i].weight

    def __dealloc__(self):
        free(self.nodes)

    # What the table makes of a key.
    cdef uint64_t hash(self, const uint8_t* key, uint32_t n_bytes) noexcept:
        return name_hash(key, n_bytes)

    # The node of a key with this hash; of turn 0.
    cdef uint32_t find(self, uint64_t hash) noexcept:
        return NO_NODE

    # Candidate number `turn` of the key; may come again. NO_NODE after the last one.
    cdef uint32_t candidate(self, Walk walk) except? NO_NODE:
        return NO_NODE

    # Write how much of the table is each node's; returns how much there is.
    cdef uint64_t count(self, uint64_t* counts) noexcept:
        return 1

    def shares(self):
        """By position in `names`: what part of all hashes is a node's own, in 0..1; together 1."""
        cdef uint64_t* counts = <uint64_t*>calloc(self.n, sizeof(uint64_t))
        cdef uint64_t sum
        if counts == NULL:
            raise MemoryError
        sum = self.count(counts)
        found = [<double>counts[i] / <double>sum for i in range(self.n)]
        free(counts)
        return found

    # A weight too small for a single point or slot counts for nothing: nobody would ever be sent there.
    cdef int drop_absent(self) except -1:
        cdef uint64_t* counts = <uint64_t*>calloc(self.n, sizeof(uint64_t))
        cdef uint32_t i
        if counts == NULL:
            raise MemoryError
        self.count(counts)
        for i in range(self.n):
            if counts[i] == 0:
                self.weight_sum -= self.nodes[i].weight
                self.nodes[i].weight = 0
        free(counts)
        return 0


cdef class RingTable(Table):
    """Points of a consistent-hash ring. kind: a value of KINDS.   per_unit: points for each unit of weight (kind 0)."""

    cdef ring_t ring
    cdef ring_point_t* points
    cdef uint32_t* starts
    cdef int kind

    def __init__(self, names, weights, int kind, uint32_t per_unit):
        cdef uint64_t room = ring_room(kind, self.nodes, self.n, per_unit)
        cdef ring_point_t* scratch
        self.kind = kind
        if room > RING_POINTS_MOST:
            raise ValueError(f"a ring of {room} points; {RING_POINTS_MOST} are possible: make the weights smaller")
        self.points = <ring_point_t*>malloc((room + 1) * sizeof(ring_point_t))
        scratch = <ring_point_t*>malloc((room + 1) * sizeof(ring_point_t))
        if self.points == NULL or scratch == NULL:
            free(scratch)
            raise MemoryError
        with nogil:
            self.ring.n_points = ring_build(kind, self.nodes, self.n, per_unit, self.points, scratch)
        free(scratch)
        self.index()

    cdef int index(self) except -1:
        if self.ring.n_points == 0:
            raise ValueError("no node has a point: the weights are too unequal for this kind of ring")
        self.ring.n_bits = ring_bits(self.ring.n_points)
        self.starts = <uint32_t*>malloc(((<uint64_t>1 << self.ring.n_bits) + 1) * sizeof(uint32_t))
        if self.starts == NULL:
            raise MemoryError
        ring_index(self.points, self.ring.n_points, self.ring.n_bits, self.starts)
        self.ring.points = self.points
        self.ring.starts = self.starts
        return self.drop_absent()

    def __dealloc__(self):
        free(self.points)
        free(self.starts)

    cdef uint64_t hash(self, const uint8_t* key, uint32_t n_bytes) noexcept:
        return ring_hash(self.kind, key, n_bytes)

    cdef uint32_t find(self, uint64_t hash) noexcept:
        return self.points[ring_find(&self.ring, <uint32_t>hash)].index

    cdef uint32_t candidate(self, Walk walk) except? NO_NODE:
        walk.at = ring_next(&self.ring, walk.at) if walk.turn else ring_find(&self.ring, <uint32_t>walk.hash)
        return self.points[walk.at].index if walk.turn < self.ring.n_points else NO_NODE

    cdef uint64_t count(self, uint64_t* counts) noexcept:
        cdef uint32_t i
        # a point owns what lies between the one before it and itself; the first one also what lies behind the last
        counts[self.points[0].index] = (<uint64_t>1 << 32) + self.points[0].hash - self.points[self.ring.n_points - 1].hash
        for i in range(1, self.ring.n_points):
            counts[self.points[i].index] += self.points[i].hash - self.points[i - 1].hash
        return <uint64_t>1 << 32

    def point(self, key):
        """(hash of the key, hash of the point that owns it)"""
        cdef const uint8_t* at = NULL
        cdef Py_ssize_t n_bytes = 0
        key_read(key, &at, &n_bytes)
        hash = ring_hash(self.kind, at, <uint32_t>n_bytes)
        return hash, self.points[ring_find(&self.ring, hash)].hash

    def packed(self):
        """Hashes and nodes of its points in order: two strings of bytes, uint32 each."""
        cdef bytearray hashes = bytearray(self.ring.n_points * sizeof(uint32_t))
        cdef bytearray nodes = bytearray(self.ring.n_points * sizeof(uint32_t))
        cdef uint32_t* to_hashes = <uint32_t*><char*>hashes
        cdef uint32_t* to_nodes = <uint32_t*><char*>nodes
        cdef uint32_t i
        for i in range(self.ring.n_points):
            to_hashes[i], to_nodes[i] = self.points[i].hash, self.points[i].index
        return bytes(hashes), bytes(nodes)

    @property
    def n_points(self):
        return self.ring.n_points


cdef class MaglevTable(Table):
    """Slots of a Maglev table. size: maglev_is_size."""

    cdef maglev_t table
    cdef uint16_t* slots

    def __init__(self, names, weights, uint32_t size):
        cdef void* scratch = malloc(maglev_scratch(self.n, size))
        cdef int status
        self.slots = <uint16_t*>malloc(size * sizeof(uint16_t))
        if scratch == NULL or self.slots == NULL:
            free(scratch)
            raise MemoryError
        with nogil:
            status = maglev_build(self.nodes, self.n, size, self.slots, scratch)
        free(scratch)
        if status < 0:
            raise ValueError(f"no Maglev table of {size} slots for {self.n} nodes")
        self.table.slots = self.slots
        self.table.size = size
        self.drop_absent()

    def __dealloc__(self):
        free(self.slots)

    cdef uint32_t find(self, uint64_t hash) noexcept:
        return maglev_find(&self.table, hash)

    cdef uint32_t candidate(self, Walk walk) except? NO_NODE:
        return maglev_next(&self.table, walk.hash, walk.turn) if walk.turn < MAGLEV_PROBES + self.table.size else NO_NODE

    cdef uint64_t count(self, uint64_t* counts) noexcept:
        cdef uint32_t i
        for i in range(self.table.size):
            counts[self.slots[i]] += 1
        return self.table.size

    def packed(self):
        """The node of each slot, uint32 each."""
        cdef bytearray nodes = bytearray(self.table.size * sizeof(uint32_t))
        cdef uint32_t* to = <uint32_t*><char*>nodes
        cdef uint32_t i
        for i in range(self.table.size):
            to[i] = self.slots[i]
        return bytes(nodes)

    def slot_nodes(self):
        """The node of each slot, as its position in `names`."""
        return [self.slots[i] for i in range(self.table.size)]


cdef class RendezvousTable(Table):
    """Nodes alone: each look-up asks all of them."""

    cdef uint32_t find(self, uint64_t hash) noexcept:
        return rendezvous_find(self.nodes, self.n, hash)

    cdef uint32_t candidate(self, Walk walk) except? NO_NODE:
        if walk.turn == 0:
            walk.ranks = <rendezvous_rank_t*>malloc(self.n * sizeof(rendezvous_rank_t))
            if walk.ranks == NULL:
                raise MemoryError
            walk.n_ranks = rendezvous_order(self.nodes, self.n, walk.hash, walk.ranks)
        return walk.ranks[walk.turn].at if walk.turn < walk.n_ranks else NO_NODE

    cdef uint64_t count(self, uint64_t* counts) noexcept:
        cdef uint32_t i
        for i in range(self.n):
            counts[i] = self.nodes[i].weight
        return self.weight_sum


cdef class Walk:
    """Iterator over the distinct nodes of a key, in order. Goes on with its table when the ring gets another."""

    cdef Table table
    cdef uint64_t hash
    cdef uint32_t turn
    cdef uint32_t at            # on a ring: the point of the last turn
    cdef uint8_t* seen          # by node
    cdef uint32_t n_left        # nodes with a weight that have not been named
    cdef rendezvous_rank_t* ranks
    cdef uint32_t n_ranks

    def __dealloc__(self):
        free(self.seen)
        free(self.ranks)

    def __iter__(self):
        return self

    cdef uint32_t step(self) except? NO_NODE:
        cdef uint32_t node = self.table.candidate(self)
        self.turn += 1
        return node

    def __next__(self):
        cdef uint32_t node
        while self.n_left:
            node = self.step()
            if node == NO_NODE:
                break
            if not self.seen[node]:
                self.seen[node] = 1
                self.n_left -= 1
                return self.table.names[node]
        raise StopIteration


cdef Walk walk_open(Table table, object key):
    cdef const uint8_t* at = NULL
    cdef Py_ssize_t n_bytes = 0
    cdef Walk walk = Walk.__new__(Walk)
    cdef uint32_t i
    key_read(key, &at, &n_bytes)
    walk.table = table
    walk.hash = table.hash(at, <uint32_t>n_bytes)
    walk.seen = <uint8_t*>calloc(table.n + 1, 1)
    if walk.seen == NULL:
        raise MemoryError
    for i in range(table.n):
        walk.n_left += table.nodes[i].weight != 0
    return walk


cdef Table NOBODY = Table((), ())


cdef class Lookup:
    """What has a table and answers from it. The table is swapped whole; readers see the old one or the new one."""

    cdef Table table

    def __cinit__(self, *_others, **_named):
        self.table = NOBODY

    def __getitem__(self, key):
        cdef const uint8_t* at = NULL
        cdef Py_ssize_t n_bytes = 0
        cdef Table table = self.table
        cdef uint32_t node
        key_read(key, &at, &n_bytes)
        node = table.find(table.hash(at, <uint32_t>n_bytes))
        if node == NO_NODE:
            raise KeyError(key)
        return table.names[node]

    def candidates(self, key):
        """The nodes that would serve this key: its own, then who comes when that is gone, and so on; no node twice.

        Nodes of weight 0 are not among them. The iterator is not disturbed by changes. TypeError: neither text nor bytes.
        """
        return walk_open(self.table, key)

    def distribution(self):
        """Node -> what part of all keys is its own, in 0..1; together 1. Exact: arcs and slots are counted, no keys drawn."""
        return dict(zip(self.table.names, self.table.shares()))

    def _adopt(self, Table table not None):
        self.table = table

    @property
    def _table(self):
        return self.table


cdef uint32_t factor_read(object factor) except 0:
    if not isinstance(factor, (int, float)):
        raise TypeError(f"factor {factor!r} is no number")
    if not 1 <= factor <= FACTOR_MOST:
        raise ValueError(f"factor {factor} is not in 1..{FACTOR_MOST}: 1.25 lets nobody hold more than 1.25 times the mean")
    return <uint32_t>(factor * BOUNDED_UNIT + 1e-6)


cdef class BoundedLoad:
    """Keys keep their nodes as long as no node holds more than `factor` times its part of what all of them hold.

        servers = BoundedLoad(Ring(["a:1", "b:1", "c:1"]), factor=1.25)
        node = servers.choose("client 7")       # holds one more now
        servers.release(node)                   # and one less

    When m are held, `choose` gives the next to the key's first candidate that holds less than ceil(factor * (m + 1) * weight /
    sum of weights); there always is one. factor: 1 to 65.535, cut to three digits behind the point. loads: what nodes hold to
    begin with. The ring, table or rendezvous set may change meanwhile; what nodes hold that have left does not count any more,
    and is known until it is released. One thread at a time. O(1) choices typically, O(nodes) when nearly all are full.
    Source: Mirrokni, Thorup, Zadimoghaddam, 2016.
    """

    cdef readonly Lookup lookup
    cdef Table table            # of the last choice
    cdef uint32_t* held         # by node of that table
    cdef readonly uint64_t total
    cdef uint32_t milli         # factor in BOUNDED_UNIT
    cdef dict leaving           # name -> what a node that has left still holds

    def __cinit__(self, Lookup lookup not None, factor=1.25, loads=None):
        self.lookup = lookup
        self.milli = factor_read(factor)
        self.leaving = dict(loads or {})
        self.adopt()

    def __dealloc__(self):
        free(self.held)

    # Carry what is held over to the look-up's table.
    cdef int adopt(self) except -1:
        cdef Table table = self.lookup.table
        cdef uint32_t* held
        cdef uint32_t i
        if table is self.table:
            return 0
        held = <uint32_t*>calloc(table.n + 1, sizeof(uint32_t))
        if held == NULL:
            raise MemoryError
        loads = self.every_load()
        self.total = 0
        for i in range(table.n):
            held[i] = loads.pop(table.names[i], 0)
            self.total += held[i]
        free(self.held)
        self.held = held
        self.table = table
        self.leaving = loads
        return 0

    cdef dict every_load(self):
        loads = dict(self.leaving)
        if self.table is not None:
            loads.update({self.table.names[i]: self.held[i] for i in range(self.table.n) if self.held[i]})
        return loads

    cdef uint64_t bound(self, uint32_t node) noexcept:
        return bounded_cap(self.total, self.table.nodes[node].weight, self.table.weight_sum, self.milli)

    def choose(self, key):
        """The node for this key, which holds one more from now on. TypeError: key is neither text nor bytes."""
        cdef Walk walk
        cdef uint32_t node
        self.adopt()
        walk = walk_open(self.table, key)
        node = walk.step()
        while node != NO_NODE and self.held[node] >= self.bound(node):
            node = walk.step()
        if node == NO_NODE:
            raise RuntimeError("no node has room: the look-up has no nodes")
        self.held[node] += 1
        self.total += 1
        return self.table.names[node]

    def release(self, node):
        """The node holds one less. KeyError: it holds nothing."""
        self.adopt()
        if self.leaving.get(node):
            self.leaving[node] -= 1
            return
        i = self.table.places.get(node)
        if i is None or not self.held[<uint32_t>i]:
            raise KeyError(f"node {node!r} holds nothing")
        self.held[<uint32_t>i] -= 1
        self.total -= 1

    def cap(self, node):
        """How many the node may hold when one more is to be placed now. KeyError: unknown node."""
        self.adopt()
        return self.bound(self.table.places[node])

    @property
    def factor(self):
        return <double>self.milli / BOUNDED_UNIT

    @property
    def loads(self):
        """Node -> how many it holds; those that hold nothing are left out."""
        self.adopt()
        return {name: n for name, n in self.every_load().items() if n}

    def __repr__(self):
        return f"BoundedLoad({self.lookup!r}, {self.factor}, {self.loads!r})"

    def __eq__(self, other):
        if not isinstance(other, BoundedLoad):
            return NotImplemented
        return (self.lookup, self.factor, self.loads) == (other.lookup, other.factor, other.loads)

    __hash__ = None

    def __reduce__(self):
        return type(self), (self.lookup, self.factor, self.loads)


cdef class Jump:
    """Jump hash: `Jump(n)[integer]` is a bucket in 0..n - 1. With n + 1 buckets only keys of the new one move.

    n: 1 to JUMP_MOST buckets; their numbers are all there is to them, so that only the last one can be taken away. Integers are
    taken modulo 2**64, so -1 is 2**64 - 1 as in Guava. Immutable. TypeError: no integer. ValueError: n, or more than 64 bits.
    Source: Lamping and Veach, 2014; equal to the reference and to Guava's consistentHash.
    """

    cdef readonly uint32_t n

    def __cinit__(self, n):
        if not isinstance(n, int):
            raise TypeError(f"{n!r} buckets: write a whole number")
        if not 1 <= n <= JUMP_MOST:
            raise ValueError(f"{n} buckets; 1 to {JUMP_MOST} are possible")
        self.n = n

    def __getitem__(self, number):
        cdef int is_beyond = 0
        cdef long long word
        if not isinstance(number, int):
            raise TypeError(f"{number!r} is no integer: hash names first, or use Ring, Maglev or Rendezvous")
        word = PyLong_AsLongLongAndOverflow(number, &is_beyond)
        if is_beyond and not 0 <= number < 1 << 64:
            raise ValueError(f"{number} does not fit 64 bits")
        return jump_bucket(PyLong_AsUnsignedLongLong(number) if is_beyond else <uint64_t>word, self.n)

    def __len__(self):
        return self.n

    def __iter__(self):
        return iter(range(self.n))

    def __eq__(self, other):
        return self.n == (<Jump>other).n if isinstance(other, Jump) else NotImplemented

    def __hash__(self):
        return hash((Jump, self.n))

    def __repr__(self):
        return f"Jump({self.n})"

    def __reduce__(self):
        return type(self), (self.n,)
