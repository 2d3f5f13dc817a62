"""Body: a length is a bound on what is received, so nothing behind it is touched; chunks are read, and written again."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memcpy, memset
from nginy._fast.base.cdefs cimport unlikely
from nginy._fast.base.limits cimport BUFFER_BYTES, BUFFER_WAIT_MS, HEAD_BYTES
from nginy._fast.engine.carry cimport ALL_BYTES, leg_keep, leg_move, leg_recv, leg_send, spare_at_hand
from nginy._fast.engine.exchanges cimport EXCHANGE_KEPT, EXCHANGE_LINK_KEPT, EXCHANGE_OLD, body_t, exchange_t
from nginy._fast.engine.stats cimport count
from nginy._fast.engine.types cimport FRONT, LEG_BROKEN, LEG_EOF, leg_t, session_t, worker_t
from nginy._fast.mem.buffers cimport NO_BUFFER, buffers_at, buffers_take
from nginy._fast.mem.wheel cimport wheel_arm
from nginy._fast.wire.chunk cimport chunk_open, chunk_pass
from nginy._fast.wire.http1 cimport BODY_CHUNKED, BODY_LENGTH, BODY_NONE, head_t


cdef void body_begin(body_t* b, const head_t* head) noexcept nogil:
    memset(b, 0, sizeof(body_t))
    b.kind = head.body
    b.left = head.body_bytes
    chunk_open(&b.chunk)
    b.is_done = head.body == BODY_NONE or (head.body == BODY_LENGTH and head.body_bytes == 0)


cdef int body_pass(body_t* b, uint8_t* p, uint32_t n, bint is_bare, uint32_t* n_out) noexcept nogil:
    cdef int used
    n_out[0] = 0
    if b.is_done or n == 0:
        return 0
    if b.kind == BODY_CHUNKED:
        used = chunk_pass(&b.chunk, p, n, is_bare, n_out)
        b.is_done = used >= 0 and b.chunk.is_done
        return used
    if b.kind == BODY_LENGTH:
        if n > b.left:
            n = <uint32_t>b.left
        b.left -= n
        b.is_done = b.left == 0
    n_out[0] = n
    return <int>n


# What came after the message's end.
cdef void rest_keep(worker_t* w, exchange_t* x, int side, const uint8_t* from_, uint32_t n) noexcept nogil:
    if n == 0:
        return
    if side != FRONT:
        x.flags &= ~<uint32_t>EXCHANGE_LINK_KEPT
        return
    if x.head == NO_BUFFER:
        x.head = buffers_take(&w.http.heads)
        x.head_at = x.head_end = x.body_at = 0
    if x.head == NO_BUFFER or x.head_end + n > HEAD_BYTES:
        x.flags &= ~<uint32_t>EXCHANGE_KEPT     # no room for another request: this one is the last
        return
    memcpy(buffers_at(&w.http.heads, x.head) + x.head_end, from_, n)
    x.head_end += <uint16_t>n


cdef int chunks_move(worker_t* w, session_t* s, exchange_t* x, int side) noexcept nogil:
    cdef leg_t* src = &s.legs[side]
    # what follows a request must fit the head buffer
    cdef ssize_t room = HEAD_BYTES if side == FRONT else BUFFER_BYTES
    cdef uint32_t n_out = 0
    cdef uint8_t* to
    cdef ssize_t got, sent
    cdef int used
    if unlikely(not spare_at_hand(w)):          # the bytes stay where they are
        count(&w.row.worker.unbuffered, 1)
        wheel_arm(&w.wheel, &s.timer.node, w.now_ms + BUFFER_WAIT_MS)
        return BODY_WAITS
    to = buffers_at(&w.carrier.buffers, w.carrier.spare)
    got = leg_recv(w, s, side, to, room)
    if got <= 0:
        return 0
    used = body_pass(&x.body[side], to, <uint32_t>got, side != FRONT and x.flags & EXCHANGE_OLD != 0, &n_out)
    if used < 0:
        return used
    rest_keep(w, x, side, to + used, <uint32_t>(got - used))
    if n_out == 0:
        return 0
    sent = leg_send(w, s, side, to, n_out)
    if 0 <= sent < n_out:
        leg_keep(src, &w.carrier.spare, 0, sent, n_out)
    return 0


cdef int body_move(worker_t* w, session_t* s, exchange_t* x, int side) noexcept nogil:
    cdef body_t* b = &x.body[side]
    cdef leg_t* src = &s.legs[side]
    cdef uint32_t most = ALL_BYTES
    cdef uint64_t got
    if b.kind == BODY_CHUNKED:
        return chunks_move(w, s, x, side)
    if b.kind == BODY_LENGTH and b.left < most:
        most = <uint32_t>b.left
    got = leg_move(w, s, side, most)
    if src.buffer != NO_BUFFER:
        got += src.tail - src.head
    if b.kind == BODY_LENGTH:
        b.left -= got
        b.is_done = b.left == 0
    elif src.flags & (LEG_EOF | LEG_BROKEN) == LEG_EOF:     # until the end, which is there
        b.is_done = True
    return 0
