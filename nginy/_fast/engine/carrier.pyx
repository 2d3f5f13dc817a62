"""Carrier: the pools behind carry, within the bounds of runtime.buffers and runtime.pipes."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset
from nginy._fast.base.cdefs cimport ENOMEM, likely
from nginy._fast.base.limits cimport BUFFER_BYTES, LARGE_BYTES, PIPES_PER_UPKEEP, PIPE_BYTES, PIPE_RETRY_MS
from nginy._fast.engine.stats cimport count
from nginy._fast.engine.types cimport LEG_LARGE, LEG_PIPE, carrier_pipes_lent, leg_t, worker_t
from nginy._fast.mem.buffers cimport NO_BUFFER, buffers_close, buffers_give, buffers_open
from nginy._fast.mem.region cimport region_close, region_open
from nginy._fast.mem.slab cimport slab_at, slab_close, slab_give, slab_is_taken, slab_open, slab_take
from nginy._fast.net.pipe cimport pipe_close, pipe_open, pipe_t

cdef enum:
    PIPES_SHIFT = 12            # one chunk: a few bytes each


cdef int carrier_open(carrier_t* c, uint64_t buffers_bytes, uint32_t pipes_max) noexcept nogil:
    cdef uint32_t n_large = <uint32_t>(buffers_bytes // 4 // LARGE_BYTES)
    cdef uint32_t n = <uint32_t>((buffers_bytes - <uint64_t>n_large * LARGE_BYTES) // BUFFER_BYTES)
    c.spare = c.spare_large = c.spare_pipe = NO_BUFFER
    c.scratch = <uint8_t*>region_open(BUFFER_BYTES)
    if c.scratch == NULL or buffers_open(&c.buffers, n if n else 1, BUFFER_BYTES) < 0:
        return -ENOMEM
    if n_large and buffers_open(&c.large, n_large, LARGE_BYTES) < 0:
        return -ENOMEM
    return slab_open(&c.pipes, sizeof(pipe_t), 0, pipes_max, PIPES_SHIFT) if pipes_max else 0


cdef void carrier_close(carrier_t* c) noexcept nogil:
    cdef uint32_t i
    for i in range(c.pipes.n_touched):
        pipe_close(<pipe_t*>slab_at(&c.pipes, i))
    slab_close(&c.pipes)
    buffers_close(&c.buffers)
    buffers_close(&c.large)
    region_close(c.scratch, BUFFER_BYTES)
    memset(c, 0, sizeof(carrier_t))


cdef void carrier_settle(carrier_t* c) noexcept nogil:
    cdef uint32_t left = PIPES_PER_UPKEEP
    cdef uint32_t i
    cdef pipe_t* p
    if c.pipes_peak == 0 and c.spare_pipe != NO_BUFFER:
        slab_give(&c.pipes, c.spare_pipe)
        c.spare_pipe = NO_BUFFER
    for i in range(c.pipes.n_touched):
        if c.pipes_open <= c.pipes_peak or left == 0:
            break
        p = <pipe_t*>slab_at(&c.pipes, i)
        if p.write_fd > 0 and not slab_is_taken(&c.pipes, i):
            pipe_close(p)
            c.pipes_open -= 1
            left -= 1
    c.pipes_peak = <uint32_t>carrier_pipes_lent(c)


# An open, empty pipe into the spare. False: none is free, or the kernel gives none.
cdef bint pipe_at_hand(worker_t* w) noexcept nogil:
    cdef uint32_t idx
    cdef pipe_t* p
    if likely(w.carrier.spare_pipe != NO_BUFFER):
        return True
    if w.carrier.pipes.cap == 0:
        return False
    idx = slab_take(&w.carrier.pipes)
    if idx == NO_BUFFER:
        return False
    p = <pipe_t*>slab_at(&w.carrier.pipes, idx)
    if p.write_fd <= 0:
        if w.now_ms < w.carrier.pipes_retry_ms or pipe_open(p, PIPE_BYTES) < 0:
            if w.now_ms >= w.carrier.pipes_retry_ms:
                count(&w.row.worker.pipes_refused, 1)
                w.carrier.pipes_retry_ms = w.now_ms + PIPE_RETRY_MS
            slab_give(&w.carrier.pipes, idx)
            return False
        w.carrier.pipes_open += 1
    w.carrier.spare_pipe = idx
    return True


# A pipe with bytes left in it is closed, never lent again.
cdef void pipe_drop(worker_t* w, uint32_t idx, bint is_empty) noexcept nogil:
    if not is_empty:
        pipe_close(<pipe_t*>slab_at(&w.carrier.pipes, idx))
        w.carrier.pipes_open -= 1
    slab_give(&w.carrier.pipes, idx)


cdef void leg_give_buffer(worker_t* w, leg_t* leg) noexcept nogil:
    if leg.buffer == NO_BUFFER:
        return
    if leg.flags & LEG_PIPE:
        pipe_drop(w, leg.buffer, leg.head == leg.tail)
    else:
        buffers_give(&w.carrier.large if leg.flags & LEG_LARGE else &w.carrier.buffers, leg.buffer)
    leg.flags &= ~<uint32_t>(LEG_PIPE | LEG_LARGE)
    leg.buffer = NO_BUFFER
    leg.head = 0
    leg.tail = 0
