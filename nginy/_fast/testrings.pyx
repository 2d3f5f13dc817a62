"""Puts the parts of rings in front of pytest and pytest-benchmark. Not in wheels."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from nginy._fast.mem.hash cimport hash_mix
from nginy._fast.policy.bounded cimport bounded_cap
from nginy._fast.policy.crc32 cimport crc32_of
from nginy._fast.policy.jump cimport jump_bucket
from nginy._fast.policy.maglev cimport maglev_build, maglev_find, maglev_scratch, maglev_t
from nginy._fast.policy.md5 cimport md5_digest
from nginy._fast.policy.node cimport node_t
from nginy._fast.policy.rendezvous cimport rendezvous_cost, rendezvous_find
from nginy._fast.policy.ring cimport (
    RING_OWN, ring_bits, ring_build, ring_find, ring_hash, ring_index, ring_point_t, ring_room, ring_t,
)


def crc32(text: bytes) -> int:
    return crc32_of(<const uint8_t*>text, len(text))


def md5(text: bytes) -> bytes:
    cdef uint32_t words[4]
    md5_digest(<const uint8_t*>text, <uint32_t>len(text), words)
    return (<uint8_t*>words)[:16]


def cost(key: int, node: int) -> int:
    """rendezvous_cost of two hashes."""
    return rendezvous_cost(key, node)


def cap(total: int, weight: int, weight_sum: int, factor: int) -> int:
    return bounded_cap(total, weight, weight_sum, factor)


cdef class Tables:
    """A ring and a Maglev table of n nodes of weight 1, for benchmarks: nothing between two look-ups but a mix of 64 bits.

    Each look-up's hash depends on the answer of the one before, so that they do not overlap as look-ups of a worker do not.
    """

    cdef node_t* nodes
    cdef ring_point_t* points
    cdef ring_point_t* scratch
    cdef uint32_t* starts
    cdef uint16_t* slots
    cdef void* maglev_memory
    cdef uint32_t n
    cdef ring_t ring
    cdef maglev_t maglev

    def __cinit__(self, uint32_t n, uint32_t size=65537):
        cdef uint32_t i
        self.n = n
        self.nodes = <node_t*>calloc(n, sizeof(node_t))
        for i in range(n):
            self.nodes[i].hash = hash_mix(i + 1)
            self.nodes[i].weight = 1
            self.nodes[i].index = i
        room = ring_room(RING_OWN, self.nodes, n, 160)
        self.points = <ring_point_t*>malloc(room * sizeof(ring_point_t))
        self.scratch = <ring_point_t*>malloc(room * sizeof(ring_point_t))
        self.starts = <uint32_t*>malloc((2 * room + 3) * sizeof(uint32_t))
        self.slots = <uint16_t*>malloc(size * sizeof(uint16_t))
        self.maglev_memory = malloc(maglev_scratch(n, size))
        self.maglev.slots = self.slots
        self.maglev.size = size
        self.build_ring()
        self.build_maglev()

    def __dealloc__(self):
        free(self.nodes)
        free(self.points)
        free(self.scratch)
        free(self.starts)
        free(self.slots)
        free(self.maglev_memory)

    def build_ring(self):
        self.ring.n_points = ring_build(RING_OWN, self.nodes, self.n, 160, self.points, self.scratch)
        self.ring.n_bits = ring_bits(self.ring.n_points)
        self.ring.points = self.points
        self.ring.starts = self.starts
        ring_index(self.points, self.ring.n_points, self.ring.n_bits, self.starts)
        return self.ring.n_points

    def build_maglev(self):
        return maglev_build(self.nodes, self.n, self.maglev.size, self.slots, self.maglev_memory)

    def find_on_ring(self, uint32_t steps):
        cdef uint64_t hash = 1
        cdef uint32_t _turn
        for _turn in range(steps):
            hash = hash_mix(hash + self.points[ring_find(&self.ring, <uint32_t>(hash >> 32))].index + 1)
        return hash

    def hash_and_find_on_ring(self, int kind, key: bytes, uint32_t steps):
        """With the hash of the key's bytes, as that kind of ring has it. Not counted on for what is found: kinds differ."""
        cdef uint8_t text[64]
        cdef uint32_t n_bytes = <uint32_t>min(len(key), 64)
        cdef uint32_t _turn, i
        cdef uint32_t found = 0
        for i in range(n_bytes):
            text[i] = key[i]
        for _turn in range(steps):
            text[0] = <uint8_t>(text[0] + found + 1)
            found = self.points[ring_find(&self.ring, ring_hash(kind, text, n_bytes))].index
        return found

    def find_in_maglev(self, uint32_t steps):
        cdef uint64_t hash = 1
        cdef uint32_t _turn
        for _turn in range(steps):
            hash = hash_mix(hash + maglev_find(&self.maglev, hash) + 1)
        return hash

    def find_by_rendezvous(self, uint32_t steps):
        cdef uint64_t hash = 1
        cdef uint32_t _turn
        for _turn in range(steps):
            hash = hash_mix(hash + rendezvous_find(self.nodes, self.n, hash) + 1)
        return hash

    def jump(self, uint32_t steps):
        cdef uint64_t hash = 1
        cdef uint32_t _turn
        for _turn in range(steps):
            hash = hash_mix(hash + jump_bucket(hash, self.n) + 1)
        return hash

    def mix_alone(self, uint32_t steps):
        """What the loops above spend besides."""
        cdef uint64_t hash = 1
        cdef uint32_t _turn
        for _turn in range(steps):
            hash = hash_mix(hash + <uint32_t>(hash & 1023) + 1)
        return hash
