"""Seen: looked at anew for each choice, so that nothing is kept for a session between two of them."""

from libc.stdint cimport uint32_t
from nginy._fast.base.routing cimport PREREAD_HELLO
from nginy._fast.engine.types cimport FRONT, session_side, session_side_t, session_t, worker_t
from nginy._fast.net.sock cimport sock_peek
from nginy._fast.wire.tlshello cimport HELLO_MOST_BYTES, tlshello_read


cdef ssize_t seen_look(worker_t* w, const session_t* s) noexcept nogil:
    cdef const session_side_t* side = session_side(w, s)
    cdef uint32_t most = HELLO_MOST_BYTES if side.preread == PREREAD_HELLO else side.preread_bytes
    cdef ssize_t got = sock_peek(s.legs[FRONT].fd, w.carrier.scratch, most)
    w.seen.n_bytes = <uint32_t>got if got > 0 else 0
    w.seen.hello.n_name = 0
    w.seen.hello.n_alpn = 0
    if side.preread == PREREAD_HELLO:
        w.seen.is_enough = tlshello_read(w.carrier.scratch, w.seen.n_bytes, &w.seen.hello) != 0     # or cannot become one
    else:
        w.seen.is_enough = w.seen.n_bytes >= most
    return got
