"""Preread: wait until the first bytes say enough, or the client has nothing more to say, or the time is over."""

from libc.stdint cimport uint16_t, uint32_t
from nginy._fast.base.cdefs cimport EAGAIN
from nginy._fast.base.layout cimport snap_listener_t
from nginy._fast.base.routing cimport PREREAD_HELLO
from nginy._fast.base.status cimport REASON_CLIENT_GONE, REASON_NO_ROUTE, REASON_PREREAD_TIMEOUT
from nginy._fast.engine.connect cimport connect_next
from nginy._fast.engine.relay cimport leg_note
from nginy._fast.engine.seen cimport seen_look
from nginy._fast.engine.session cimport session_close
from nginy._fast.engine.types cimport (
    FRONT, NO_POOL, SESS_CONNECT, SESS_PREREAD, session_side, session_side_t, session_t, worker_t,
)
from nginy._fast.mem.wheel cimport wheel_arm
from nginy._fast.net.poller cimport POLL_BROKEN, POLL_END, POLL_IN, POLL_URGENT
from nginy._fast.policy.route cimport route_find
from nginy._fast.policy.snapshot cimport snapshot_listener


cdef void preread_begin(worker_t* w, session_t* s, const snap_listener_t* listener) noexcept nogil:
    cdef session_side_t* side = session_side(w, s)
    side.preread = listener.preread.kind
    side.preread_bytes = listener.preread.n_bytes
    if listener.routes.n_exact + listener.routes.n_suffix:
        s.pool = NO_POOL        # until its name is known: without its listener it must not end at a foreign site
    s.state = SESS_PREREAD
    wheel_arm(&w.wheel, &s.timer.node, w.now_ms + listener.preread.wait_ms)


# The pool by the name that was seen, and on to its backends. Without its listener a session keeps the pool it came with,
# or, where names decide, is reset.
cdef void preread_done(worker_t* w, session_t* s) noexcept nogil:
    cdef const snap_listener_t* listener = snapshot_listener(&w.snapshot, s.listener)
    if listener != NULL:
        s.pool = <uint16_t>route_find(&w.snapshot, listener, w.seen.hello.name, w.seen.hello.n_name)
    if s.pool == NO_POOL:
        session_close(w, s, REASON_NO_ROUTE)
        return
    s.state = SESS_CONNECT
    w.seen.whose = s
    connect_next(w, s)
    w.seen.whose = NULL


# is_last: the client has finished, or urgent data stands in the way of a look further. True when the preread is over.
cdef bint preread_look(worker_t* w, session_t* s, bint is_last) noexcept nogil:
    cdef ssize_t got = seen_look(w, s)
    if got < 0 and got != -EAGAIN or got == 0 and session_side(w, s).preread == PREREAD_HELLO:
        session_close(w, s, REASON_CLIENT_GONE)     # one that came and went is no reason to trouble a backend
        return True
    if got != 0 and not is_last and not w.seen.is_enough:
        return False
    preread_done(w, s)
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
