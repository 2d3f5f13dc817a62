"""Records: in a ring of bytes; one that does not fit before its end begins anew at the front."""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy
from nginy._fast.base.board cimport request_record_t, request_ring_t
from nginy._fast.base.cdefs cimport ngy_load64_acquire, ngy_store64_release
from nginy._fast.base.limits cimport DRAFT_BYTES, REQUEST_RING_BYTES


cdef inline uint32_t place_of(uint64_t at) noexcept nogil:
    return <uint32_t>(at & (REQUEST_RING_BYTES - 1))


cdef bint records_push(request_ring_t* ring, const request_record_t* r) noexcept nogil:
    cdef uint64_t tail = ring.tail
    cdef uint32_t rest = REQUEST_RING_BYTES - place_of(tail)
    cdef uint32_t n_skip = rest if rest < r.n_bytes else 0
    if tail + n_skip + r.n_bytes - ngy_load64_acquire(&ring.head) > REQUEST_RING_BYTES:
        return False
    if n_skip:                  # eight bytes at least: room for a length of nothing
        (<uint32_t*>(ring.bytes + place_of(tail)))[0] = 0
        tail += n_skip
    memcpy(ring.bytes + place_of(tail), r, r.n_bytes)
    ngy_store64_release(&ring.tail, tail + r.n_bytes)
    return True


cdef bint records_take(request_ring_t* ring, request_record_t* out) noexcept nogil:
    cdef uint64_t head = ring.head
    cdef uint64_t tail = ngy_load64_acquire(&ring.tail)
    cdef uint32_t n
    if head == tail:
        return False
    n = (<const uint32_t*>(ring.bytes + place_of(head)))[0]
    if n == 0:
        head += REQUEST_RING_BYTES - place_of(head)
        n = (<const uint32_t*>(ring.bytes + place_of(head)))[0]
    # nothing is believed of memory that a broken worker may have written
    if (
        tail - head > REQUEST_RING_BYTES or n > tail - head or place_of(head) + n > REQUEST_RING_BYTES
        or not sizeof(request_record_t) <= n <= DRAFT_BYTES
    ):
        ngy_store64_release(&ring.head, tail)
        return False
    memcpy(out, ring.bytes + place_of(head), n)
    out.n_bytes = n
    ngy_store64_release(&ring.head, head + n)
    return True
