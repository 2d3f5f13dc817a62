"""Carry: the smallest that fits the traffic. Small messages pass through a buffer; a direction that fills its buffer
twice in a row is bulk and is spliced, or takes a large buffer where it cannot be; when it gets small, back again."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from nginy._fast.base.cdefs cimport EAGAIN, ECONNRESET, EINVAL, EPIPE, likely, unlikely
from nginy._fast.base.limits cimport BUFFER_BYTES, FULL_READS, PIPE_BYTES, SMALL_SEND_BYTES, SPLICE_LEAST
from nginy._fast.engine.carrier cimport leg_give_buffer, pipe_at_hand
from nginy._fast.engine.stats cimport count, stats_moved
from nginy._fast.engine.tls cimport tls_finish, tls_peek, tls_recv, tls_send
from nginy._fast.engine.types cimport (
    BACK, FRONT, LEG_BROKEN, LEG_COPY, LEG_EAGER, LEG_EOF, LEG_FRESH, LEG_HTTP, LEG_LARGE, LEG_LAST, LEG_NAGLE, LEG_PIPE,
    LEG_READABLE, LEG_TLS, LEG_WRITABLE, carrier_pipes_lent, leg_t, session_t, worker_t,
)
from nginy._fast.mem.buffers cimport NO_BUFFER, buffers_at, buffers_t, buffers_take
from nginy._fast.mem.slab cimport slab_at
from nginy._fast.net.pipe cimport pipe_drain, pipe_fill, pipe_t
from nginy._fast.net.sock cimport sock_finish, sock_nodelay, sock_peek, sock_recv, sock_send, sock_skip
from nginy._fast.policy.choose cimport chooser_spent


# ---- one receive, one send ----

# The first bytes in one direction: how long the backend took, from the client's request or, when it speaks first, from the
# connection on.
cdef void first_sent(worker_t* w, session_t* s, int side) noexcept nogil:
    if s.legs[FRONT].flags & LEG_HTTP:      # whose responses are timed one by one
        return
    if side == BACK:
        chooser_spent(&w.chooser, s.backend, w.now_us - s.attempt_us if w.now_us > s.attempt_us else 0, w.now_ms)
    s.attempt_us = w.now_us


cdef inline void sent_note(worker_t* w, session_t* s, int side, ssize_t n) noexcept nogil:
    if unlikely(w.chooser.is_timed and s.bytes[side] == 0):
        first_sent(w, s, side)
    s.bytes[side] += <uint64_t>n
    s.active_ms = w.now_ms
    stats_moved(w, s, side, <uint64_t>n)


cdef void leg_sent(worker_t* w, session_t* s, int side, ssize_t n) noexcept nogil:
    sent_note(w, s, side, n)


# What a receive says about the leg: got > 0 bytes of `room` asked for, or 0 or -errno.
cdef void leg_received(leg_t* src, ssize_t got, ssize_t room) noexcept nogil:
    if likely(got > 0):
        if got < room:          # drained; and the last bytes, when the end of them was announced before
            if src.flags & LEG_LAST:
                src.flags = src.flags & ~<uint32_t>LEG_READABLE | LEG_EOF
            elif not src.flags & LEG_EAGER:
                src.flags &= ~<uint32_t>LEG_READABLE
        return
    src.flags &= ~<uint32_t>LEG_READABLE
    if got == 0:
        src.flags |= LEG_EOF
    elif got != -EAGAIN:
        src.flags |= LEG_EOF | LEG_BROKEN


cdef inline ssize_t recv_now(worker_t* w, session_t* s, int side, uint8_t* to, ssize_t room) noexcept nogil:
    cdef leg_t* src = &s.legs[side]
    cdef ssize_t got
    if unlikely(src.flags & LEG_TLS):
        return tls_recv(w, s, side, to, <size_t>room)
    got = sock_recv(src.fd, to, <size_t>room)
    leg_received(src, got, room)
    return got


cdef ssize_t leg_recv(worker_t* w, session_t* s, int side, uint8_t* to, ssize_t room) noexcept nogil:
    return recv_now(w, s, side, to, room)


cdef inline ssize_t put_now(worker_t* w, session_t* s, int side, const uint8_t* from_, size_t n) noexcept nogil:
    if unlikely(s.legs[side].flags & LEG_TLS):
        return tls_send(w, s, side, from_, n)
    return sock_send(s.legs[side].fd, from_, n)


cdef ssize_t leg_put(worker_t* w, session_t* s, int side, const uint8_t* from_, size_t n) noexcept nogil:
    return put_now(w, s, side, from_, n)


cdef int leg_finish(worker_t* w, session_t* s, int side) noexcept nogil:
    if unlikely(s.legs[side].flags & LEG_TLS):
        return tls_finish(w, s, side)
    return sock_finish(s.legs[side].fd)


# Look at bytes without taking them.
cdef ssize_t leg_peek(worker_t* w, session_t* s, int side, uint8_t* to, ssize_t room) noexcept nogil:
    cdef ssize_t got
    if unlikely(s.legs[side].flags & LEG_TLS):
        return tls_peek(w, s, side, to, <size_t>room)
    got = sock_peek(s.legs[side].fd, to, <size_t>room)
    if got <= 0:
        leg_received(&s.legs[side], got, room)
    return got


# Take what was looked at.
cdef ssize_t leg_skip(worker_t* w, session_t* s, int side, size_t n) noexcept nogil:
    if unlikely(s.legs[side].flags & LEG_TLS):
        return tls_recv(w, s, side, w.carrier.scratch, n)
    return sock_skip(s.legs[side].fd, w.carrier.scratch, n)


# A send was refused with -errno. True when the other side is gone: what it said before is still read.
cdef bint leg_refused(leg_t* dst, ssize_t error) noexcept nogil:
    dst.flags &= ~<uint32_t>LEG_WRITABLE
    if error == -EAGAIN:
        return False
    dst.flags |= LEG_BROKEN | LEG_READABLE | LEG_EAGER
    if error != -EPIPE and error != -ECONNRESET:
        dst.flags |= LEG_EOF    # not the peer's doing: it may go on for ever, we do not
    return True


# Nagle's algorithm is left on for one small send: nothing is in flight yet, so that one never waits, and a session with
# one short request never pays for turning it off.
cdef void leg_hurry(leg_t* dst, size_t n) noexcept nogil:
    if dst.flags & LEG_FRESH and n <= SMALL_SEND_BYTES:
        dst.flags = dst.flags & ~<uint32_t>LEG_FRESH | LEG_NAGLE
        return
    dst.flags &= ~<uint32_t>(LEG_FRESH | LEG_NAGLE)
    sock_nodelay(dst.fd)


# From this side's bytes to the other leg: bytes taken, 0 = none for now, -1 = the other side is gone.
cdef ssize_t leg_send(worker_t* w, session_t* s, int side, const uint8_t* at, size_t n) noexcept nogil:
    cdef leg_t* dst = &s.legs[1 - side]
    cdef ssize_t sent
    if unlikely(dst.flags & (LEG_FRESH | LEG_NAGLE)):
        leg_hurry(dst, n)
    sent = put_now(w, s, 1 - side, at, n)
    if unlikely(sent < 0):
        return -1 if leg_refused(dst, sent) else 0
    sent_note(w, s, side, sent)
    if <size_t>sent < n:        # a partial send means the kernel's room is used up
        dst.flags &= ~<uint32_t>LEG_WRITABLE
    return sent


cdef void leg_keep(leg_t* src, uint32_t* spare, uint32_t kind, ssize_t sent, ssize_t got) noexcept nogil:
    src.buffer = spare[0]
    src.flags |= kind
    src.head = <uint32_t>sent
    src.tail = <uint32_t>got
    spare[0] = NO_BUFFER


# ---- three ways, and one without ----

# Every buffer is lent: look at the bytes, send them, and take from the socket only what went. Holds nothing, so slow
# readers that hold all buffers stop nobody; it costs one more call.
cdef uint64_t move_unbuffered(worker_t* w, session_t* s, int side, uint32_t most) noexcept nogil:
    cdef leg_t* src = &s.legs[side]
    cdef ssize_t room = min(most, <uint32_t>BUFFER_BYTES)
    cdef ssize_t got = leg_peek(w, s, side, w.carrier.scratch, room)
    cdef ssize_t sent
    if got <= 0:
        return 0
    count(&w.row.worker.unbuffered, 1)
    sent = leg_send(w, s, side, w.carrier.scratch, <size_t>got)
    if sent <= 0:
        return 0
    if leg_skip(w, s, side, <size_t>sent) != sent:  # they were there: only a broken socket gives fewer
        src.flags |= LEG_EOF | LEG_BROKEN
        return 0
    if sent == got and not src.flags & LEG_TLS:
        leg_received(src, got, room)
    return <uint64_t>sent


cdef uint64_t move_copied(
    worker_t* w, session_t* s, int side, buffers_t* pool, uint32_t* spare, uint32_t kind, uint32_t most
) noexcept nogil:
    cdef leg_t* src = &s.legs[side]
    cdef ssize_t room = min(most, pool.blocks.item_bytes)
    cdef uint8_t* at = buffers_at(pool, spare[0])
    cdef ssize_t got = recv_now(w, s, side, at, room)
    cdef ssize_t sent
    if unlikely(got <= 0):
        return 0
    if got < BUFFER_BYTES:
        s.n_full[side] = 0
    elif s.n_full[side] < FULL_READS:
        s.n_full[side] += 1
    sent = leg_send(w, s, side, at, <size_t>got)
    if unlikely(sent < got and sent >= 0):
        leg_keep(src, spare, kind, sent, got)
    return <uint64_t>sent if sent > 0 else 0


cdef uint64_t move_spliced(worker_t* w, session_t* s, int side, uint32_t most) noexcept nogil:
    cdef leg_t* src = &s.legs[side]
    cdef leg_t* dst = &s.legs[1 - side]
    cdef const pipe_t* p = <const pipe_t*>slab_at(&w.carrier.pipes, w.carrier.spare_pipe)
    cdef uint32_t room = min(most, <uint32_t>PIPE_BYTES)
    cdef ssize_t got = pipe_fill(p, src.fd, room)
    cdef ssize_t sent
    if 0 < got < SPLICE_LEAST:
        s.n_full[side] = 0      # small by now
    if got <= 0:
        if got == -EINVAL:      # this socket cannot: it is readable still
            src.flags |= LEG_COPY
        else:
            leg_received(src, got, room)
        return 0
    if unlikely(dst.flags & (LEG_FRESH | LEG_NAGLE)):
        leg_hurry(dst, <size_t>got)
    leg_keep(src, &w.carrier.spare_pipe, LEG_PIPE, 0, got)
    sent = pipe_drain(p, dst.fd, <uint32_t>got)
    return spliced(w, s, side, sent)


# What a drain of the leg's pipe says. A short one leaves the other leg writable: only EAGAIN means that there is no room.
cdef uint64_t spliced(worker_t* w, session_t* s, int side, ssize_t sent) noexcept nogil:
    cdef leg_t* src = &s.legs[side]
    cdef uint32_t idx = src.buffer
    if unlikely(sent < 0):
        if leg_refused(&s.legs[1 - side], sent):
            leg_give_buffer(w, src)     # these bytes have no taker any more
        elif carrier_pipes_lent(&w.carrier) > w.carrier.pipes_peak:
            w.carrier.pipes_peak = <uint32_t>carrier_pipes_lent(&w.carrier)
        return 0
    leg_sent(w, s, side, sent)
    count(&w.row.worker.spliced_bytes, <uint64_t>sent)
    src.head += <uint32_t>sent
    if src.head < src.tail:
        return <uint64_t>sent
    if w.carrier.spare_pipe == NO_BUFFER:
        w.carrier.spare_pipe = idx      # lent once more without a way through the slab
        src.buffer = NO_BUFFER
        src.flags &= ~<uint32_t>LEG_PIPE
        src.head = src.tail = 0
    else:
        leg_give_buffer(w, src)
    if w.carrier.pipes_peak == 0:
        w.carrier.pipes_peak = 1
    return <uint64_t>sent


cdef bint spare_at_hand(worker_t* w) noexcept nogil:
    if unlikely(w.carrier.spare == NO_BUFFER):
        w.carrier.spare = buffers_take(&w.carrier.buffers)
    return w.carrier.spare != NO_BUFFER


cdef uint64_t leg_move(worker_t* w, session_t* s, int side, uint32_t most) noexcept nogil:
    if s.n_full[side] >= FULL_READS:
        if s.is_splice and not (s.legs[0].flags | s.legs[1].flags) & LEG_COPY and pipe_at_hand(w):
            return move_spliced(w, s, side, most)
        if w.carrier.spare_large == NO_BUFFER and w.carrier.large.blocks.cap:
            w.carrier.spare_large = buffers_take(&w.carrier.large)
        if w.carrier.spare_large != NO_BUFFER:
            return move_copied(w, s, side, &w.carrier.large, &w.carrier.spare_large, LEG_LARGE, most)
    if unlikely(not spare_at_hand(w)):
        return move_unbuffered(w, s, side, most)
    return move_copied(w, s, side, &w.carrier.buffers, &w.carrier.spare, 0, most)


cdef bint leg_flush(worker_t* w, session_t* s, int side) noexcept nogil:
    cdef leg_t* src = &s.legs[side]
    cdef ssize_t sent
    if not s.legs[1 - side].flags & LEG_WRITABLE:
        return False
    if src.flags & LEG_PIPE:
        sent = pipe_drain(<const pipe_t*>slab_at(&w.carrier.pipes, src.buffer), s.legs[1 - side].fd, src.tail - src.head)
        spliced(w, s, side, sent)
        return src.buffer == NO_BUFFER
    sent = leg_send(
        w, s, side,
        buffers_at(&w.carrier.large if src.flags & LEG_LARGE else &w.carrier.buffers, src.buffer) + src.head,
        src.tail - src.head,
    )
    if unlikely(sent < 0):
        leg_give_buffer(w, src)     # these bytes have no taker any more
        return True
    src.head += <uint32_t>sent
    if src.head < src.tail:
        return False
    leg_give_buffer(w, src)
    return True
