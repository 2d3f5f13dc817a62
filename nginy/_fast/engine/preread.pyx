"""Preread: wait until the first bytes say enough, or the client has nothing more to say, or the time is over."""

from libc.stdint cimport uint32_t
from nginy._fast.base.cdefs cimport EAGAIN
from nginy._fast.base.layout cimport snap_listener_t
from nginy._fast.base.routing cimport PREREAD_HELLO
from nginy._fast.base.status cimport REASON_CLIENT_GONE, REASON_PREREAD_TIMEOUT
from nginy._fast.engine.connect cimport connect_next
from nginy._fast.engine.relay cimport leg_note
from nginy._fast.engine.session cimport session_close
from nginy._fast.engine.types cimport FRONT, SESS_CONNECT, SESS_PREREAD, session_side, session_side_t, session_t, worker_t
from nginy._fast.mem.wheel cimport wheel_arm
from nginy._fast.net.poller cimport POLL_BROKEN, POLL_END, POLL_IN, POLL_URGENT
from nginy._fast.net.sock cimport sock_peek
from nginy._fast.wire.tlshello cimport HELLO_MOST_BYTES, tlshello_read, tlshello_t


cdef void preread_begin(worker_t* w, session_t* s, const snap_listener_t* listener) noexcept nogil:
    cdef session_side_t* side = session_side(w, s)
    side.preread = listener.preread.kind
    side.preread_bytes = listener.preread.n_bytes
    s.state = SESS_PREREAD
    wheel_arm(&w.wheel, &s.timer.node, w.now_ms + listener.preread.wait_ms)


# Whether n bytes say enough. What is no hello will not become one.
cdef bint is_enough(const session_side_t* side, const worker_t* w, uint32_t n) noexcept nogil:
    cdef tlshello_t hello
    if side.preread == PREREAD_HELLO:
        return tlshello_read(w.carrier.scratch, n, &hello) != 0
    return n >= side.preread_bytes


# is_last: the client has finished, or urgent data stands in the way of a look further. True when the preread is over.
cdef bint preread_look(worker_t* w, session_t* s, bint is_last) noexcept nogil:
    cdef const session_side_t* side = session_side(w, s)
    cdef uint32_t most = HELLO_MOST_BYTES if side.preread == PREREAD_HELLO else side.preread_bytes
    cdef ssize_t got = sock_peek(s.legs[FRONT].fd, w.carrier.scratch, most)
    if got < 0 and got != -EAGAIN:
        session_close(w, s, REASON_CLIENT_GONE)
        return True
    if got == 0:
        is_last = True
        if side.preread == PREREAD_HELLO:   # it came and went: no reason to trouble a backend
            session_close(w, s, REASON_CLIENT_GONE)
            return True
    if not is_last and not is_enough(side, w, <uint32_t>max(got, 0)):
        return False
    s.state = SESS_CONNECT
    connect_next(w, s)
    return True


cdef void preread_event(worker_t* w, session_t* s, uint32_t bits) noexcept nogil:
    leg_note(s, FRONT, bits)
    if bits & POLL_BROKEN:
        session_close(w, s, REASON_CLIENT_GONE)
    elif bits & (POLL_IN | POLL_END | POLL_URGENT):
        preread_look(w, s, bits & (POLL_END | POLL_URGENT) != 0)


cdef void preread_timer(worker_t* w, session_t* s) noexcept nogil:
    if not preread_look(w, s, False):       # after a gap of the clock bytes may wait that no event has told of yet
        session_close(w, s, REASON_PREREAD_TIMEOUT)
