# The ring of access records of HTTP: records of any length, whole and one after the other. One producer, one consumer.
from nginy._fast.base.board cimport request_record_t, request_ring_t

# A record with its texts, n_bytes a multiple of eight up to DRAFT_BYTES. False: there is no room.
cdef bint records_push(request_ring_t* ring, const request_record_t* r) noexcept nogil

# The oldest one, to `out`, which has room for DRAFT_BYTES. False: there is none. What cannot be a record empties the ring.
cdef bint records_take(request_ring_t* ring, request_record_t* out) noexcept nogil
