"""Relay: what follows from the flags of both legs."""

from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.base.cdefs cimport EAGAIN, unlikely
from nginy._fast.base.limits cimport READS_PER_EVENT, TURN_BYTES
from nginy._fast.base.status cimport (
    REASON_BACK_RESET, REASON_CLOSED, REASON_DRAIN_DEADLINE, REASON_FRONT_RESET, REASON_HALF_CLOSE_TIMEOUT, REASON_IDLE,
)
from nginy._fast.engine.carry cimport ALL_BYTES, leg_finish, leg_flush, leg_move
from nginy._fast.engine.session cimport queue_push, session_close
from nginy._fast.engine.types cimport (
    BACK, FRONT, LEG_BROKEN, LEG_COPY, LEG_CROSSED, LEG_EAGER, LEG_EOF, LEG_FINISHED, LEG_LAST, LEG_READABLE, LEG_TLS,
    LEG_WRITABLE, QUEUE_READY, SESS_EXCHANGE, SESS_RELAY, leg_t, session_t, worker_t,
)
from nginy._fast.mem.buffers cimport NO_BUFFER
from nginy._fast.mem.wheel cimport wheel_arm
from nginy._fast.net.poller cimport POLL_BROKEN, POLL_END, POLL_IN, POLL_OUT, POLL_URGENT
from nginy._fast.net.sock cimport sock_keepalive


cdef void leg_note(session_t* s, int side, uint32_t bits) noexcept nogil:
    cdef leg_t* leg = &s.legs[side]
    if bits & POLL_IN:
        leg.flags |= LEG_READABLE
    if bits & POLL_OUT:
        leg.flags |= LEG_WRITABLE
        if unlikely(leg.flags & LEG_CROSSED):
            leg.flags = leg.flags & ~<uint32_t>LEG_CROSSED | LEG_READABLE
    if unlikely(bits & (POLL_END | POLL_BROKEN | POLL_URGENT)):
        leg.flags |= LEG_READABLE | LEG_EAGER
        if bits & POLL_URGENT:  # ends a receive early, and a splice never passes it
            leg.flags |= LEG_COPY
        if bits & POLL_END and not (bits & POLL_BROKEN or leg.flags & LEG_COPY):
            leg.flags |= LEG_LAST
        if bits & POLL_BROKEN:
            leg.flags |= LEG_WRITABLE
            if side == FRONT and leg.flags & LEG_EOF:   # finished before, gone now; a backend's answer may be under way
                leg.flags |= LEG_BROKEN


# One direction. True when the budget ended before the bytes did.
cdef bint relay_step(worker_t* w, session_t* s, int side) noexcept nogil:
    cdef leg_t* src = &s.legs[side]
    cdef leg_t* dst = &s.legs[1 - side]
    cdef uint64_t moved = 0
    cdef uint32_t _turn
    for _turn in range(READS_PER_EVENT):
        if src.buffer != NO_BUFFER and not leg_flush(w, s, side):
            if not dst.flags & LEG_WRITABLE:
                return False
            continue            # a pipe that was drained in part
        if src.flags & (LEG_READABLE | LEG_EOF) != LEG_READABLE or dst.flags & (LEG_WRITABLE | LEG_BROKEN) != LEG_WRITABLE:
            return False
        moved += leg_move(w, s, side, ALL_BYTES)
        if moved >= TURN_BYTES:
            break
    if src.buffer != NO_BUFFER and not leg_flush(w, s, side):
        return dst.flags & LEG_WRITABLE != 0
    return src.flags & LEG_READABLE != 0


# Whether this leg's end has been carried out: the session may be over then.
cdef bint leg_is_done(const session_t* s, int side) noexcept nogil:
    return s.legs[side].flags & LEG_EOF != 0 and s.legs[side].buffer == NO_BUFFER


# One direction is over, the other goes on: tell the other leg, and watch the rest with the half-close time.
cdef void pass_half_close(worker_t* w, session_t* s, int side) noexcept nogil:
    cdef leg_t* dst = &s.legs[1 - side]
    cdef int status
    if dst.flags & (LEG_FINISHED | LEG_BROKEN):
        return
    status = leg_finish(w, s, 1 - side)
    if status == -EAGAIN:       # the next chance to send says it
        dst.flags &= ~<uint32_t>LEG_WRITABLE
        return
    dst.flags |= LEG_FINISHED
    if status < 0:
        dst.flags |= LEG_BROKEN | LEG_READABLE | LEG_EAGER
    if w.now_ms + s.half_close_ms < s.timer.node.deadline_ms:
        wheel_arm(&w.wheel, &s.timer.node, w.now_ms + s.half_close_ms)


# TLS has a last word of its own, and a leg that is full takes it later.
cdef bint is_last_word_due(worker_t* w, session_t* s) noexcept nogil:
    cdef bint is_due = False
    cdef int side
    for side in range(2):
        if s.legs[side].flags & LEG_TLS:
            pass_half_close(w, s, 1 - side)
            is_due |= not s.legs[side].flags & (LEG_FINISHED | LEG_BROKEN)
    return is_due


# A broken leg whose last words are passed on, or cannot be: both are broken, or the client is gone while the backend
# takes nothing. A backend that is gone is still waited for: its answer is worth it.
cdef bint is_lost(const session_t* s, int side) noexcept nogil:
    cdef uint32_t other = s.legs[1 - side].flags
    if not s.legs[side].flags & LEG_BROKEN:
        return False
    return other & LEG_BROKEN != 0 or leg_is_done(s, side) or (side == FRONT and not other & LEG_WRITABLE)


# half_close: off. One side has ended and all that the other has said so far is passed on.
cdef bint is_over_for_both(const session_t* s, bint is_front_done, bint is_back_done) noexcept nogil:
    cdef const leg_t* other = &s.legs[BACK if is_front_done else FRONT]
    if not is_front_done and not is_back_done:
        return False
    return other.buffer == NO_BUFFER and not other.flags & LEG_READABLE


# Decide what follows from the flags of both legs. True while the session lives.
cdef bint relay_settle(worker_t* w, session_t* s) noexcept nogil:
    cdef int side
    cdef bint is_front_done = leg_is_done(s, FRONT)
    cdef bint is_back_done = leg_is_done(s, BACK)
    for side in range(2):
        if is_lost(s, side):
            session_close(w, s, REASON_FRONT_RESET if side == FRONT else REASON_BACK_RESET)
            return False
    if is_front_done and is_back_done or (not s.is_half_close and is_over_for_both(s, is_front_done, is_back_done)):
        if unlikely((s.legs[FRONT].flags | s.legs[BACK].flags) & LEG_TLS) and is_last_word_due(w, s):
            return True
        session_close(w, s, REASON_CLOSED)
        return False
    if is_front_done:
        pass_half_close(w, s, FRONT)
    if is_back_done:
        pass_half_close(w, s, BACK)
    return True


cdef void relay_run(worker_t* w, session_t* s) noexcept nogil:
    cdef bint has_more = relay_step(w, s, FRONT)
    has_more |= relay_step(w, s, BACK)
    if unlikely(s.legs[FRONT].flags & LEG_BROKEN and not s.legs[FRONT].flags & LEG_EOF):
        has_more |= relay_step(w, s, FRONT)     # found broken by the step above: read the rest of it
    if relay_settle(w, s) and has_more:
        queue_push(&w.ready, s, QUEUE_READY)


cdef void relay_begin(worker_t* w, session_t* s) noexcept nogil:
    cdef uint64_t wait_ms = s.idle_ms
    s.state = SESS_RELAY
    s.active_ms = w.now_ms
    s.legs[BACK].flags |= LEG_WRITABLE
    if s.keepalive_s and s.keepalive_s * <uint64_t>500 < wait_ms:
        wait_ms = s.keepalive_s * <uint64_t>500
    wheel_arm(&w.wheel, &s.timer.node, w.now_ms + wait_ms)
    if s.cut_ms:
        relay_cut_at(w, s, s.cut_ms)
    relay_run(w, s)


cdef void relay_cut_at(worker_t* w, session_t* s, uint64_t deadline_ms) noexcept nogil:
    s.cut_ms = deadline_ms
    if (s.state == SESS_RELAY or s.state == SESS_EXCHANGE) and deadline_ms < s.timer.node.deadline_ms:
        wheel_arm(&w.wheel, &s.timer.node, deadline_ms)


cdef bint relay_is_cut(worker_t* w, session_t* s) noexcept nogil:
    if s.cut_ms == 0 or s.cut_ms > w.now_ms:
        return False
    session_close(w, s, REASON_DRAIN_DEADLINE)
    return True


cdef void relay_look(session_t* s) noexcept nogil:
    s.legs[FRONT].flags |= LEG_READABLE
    s.legs[BACK].flags |= LEG_READABLE


cdef void relay_arm(worker_t* w, session_t* s, uint64_t due_ms) noexcept nogil:
    wheel_arm(&w.wheel, &s.timer.node, s.cut_ms if s.cut_ms and s.cut_ms < due_ms else due_ms)


cdef void relay_timer(worker_t* w, session_t* s) noexcept nogil:
    cdef bint is_half = (s.legs[FRONT].flags | s.legs[BACK].flags) & LEG_EOF != 0
    cdef uint64_t due_ms = s.active_ms + (s.half_close_ms if is_half else s.idle_ms)
    cdef uint32_t gen = s.gen
    if relay_is_cut(w, s):
        return
    if due_ms <= w.now_ms:
        relay_look(s)
        relay_run(w, s)
        if s.gen != gen:
            return
        due_ms = s.active_ms + (s.half_close_ms if is_half else s.idle_ms)
    if due_ms <= w.now_ms:
        session_close(w, s, REASON_HALF_CLOSE_TIMEOUT if is_half else REASON_IDLE)
        return
    if s.keepalive_s:           # only a connection that lasts pays these two calls; the front inherits them
        sock_keepalive(s.legs[BACK].fd, s.keepalive_s)
        s.keepalive_s = 0
    relay_arm(w, s, due_ms)
