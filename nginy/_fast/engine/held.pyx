"""Held: datagrams that wait for the answer of a policy in Python."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy
from nginy._fast.base.limits cimport BUFFER_BYTES, DATAGRAM_BATCH
from nginy._fast.engine.flows cimport datagram_t, flow_t
from nginy._fast.engine.types cimport worker_t
from nginy._fast.mem.buffers cimport NO_BUFFER, buffers_at, buffers_give, buffers_take

cdef struct mark_t:                 # in front of each
    uint32_t n_bytes
    uint32_t segment
    uint32_t n
    uint32_t reserved


cdef bint held_open(worker_t* w, flow_t* f) noexcept nogil:
    if w.mail.n_held >= w.carrier.buffers.blocks.cap // 2:  # sessions need buffers too
        return False
    f.held = buffers_take(&w.carrier.buffers)
    f.held_bytes = f.n_held = 0
    if f.held == NO_BUFFER:
        return False
    w.mail.n_held += 1
    return True


cdef void held_close(worker_t* w, flow_t* f) noexcept nogil:
    if f.held == NO_BUFFER:
        return
    buffers_give(&w.carrier.buffers, f.held)
    f.held = NO_BUFFER
    w.mail.n_held -= 1


cdef bint held_add(worker_t* w, flow_t* f, const datagram_t* d) noexcept nogil:
    cdef uint8_t* to = buffers_at(&w.carrier.buffers, f.held) + f.held_bytes
    cdef mark_t mark
    if f.n_held == DATAGRAM_BATCH or d.n_bytes > BUFFER_BYTES - sizeof(mark_t):
        return False
    if f.held_bytes + sizeof(mark_t) + d.n_bytes > BUFFER_BYTES:
        return False
    mark.n_bytes = d.n_bytes
    mark.segment = d.segment
    mark.n = d.n
    mark.reserved = 0
    memcpy(to, &mark, sizeof(mark_t))
    memcpy(to + sizeof(mark_t), d.at, d.n_bytes)
    f.held_bytes += <uint32_t>sizeof(mark_t) + d.n_bytes
    f.n_held += 1
    return True


cdef uint32_t held_read(const worker_t* w, const flow_t* f, datagram_t* out) noexcept nogil:
    cdef uint8_t* at = buffers_at(&w.carrier.buffers, f.held)
    cdef mark_t mark
    cdef uint32_t i
    for i in range(f.n_held):
        memcpy(&mark, at, sizeof(mark_t))
        out[i].at = at + sizeof(mark_t)
        out[i].n_bytes = mark.n_bytes
        out[i].segment = mark.segment
        out[i].n = <uint16_t>mark.n
        out[i].next = <uint16_t>(i + 1)
        at += sizeof(mark_t) + mark.n_bytes
    if f.n_held:
        out[f.n_held - 1].next = DATAGRAM_BATCH
    return f.n_held


cdef uint32_t held_count(const worker_t* w, const flow_t* f) noexcept nogil:
    cdef datagram_t all[DATAGRAM_BATCH]
    cdef uint32_t i
    cdef uint32_t n = 0
    for i in range(held_read(w, f, all)):
        n += all[i].n
    return n
