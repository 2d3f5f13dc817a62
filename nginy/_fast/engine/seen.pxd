# A session's first bytes as they stand in the kernel, in w.carrier.scratch, and what they say, in w.seen.
from libc.stdint cimport uint32_t
from nginy._fast.engine.types cimport session_t, worker_t

# Look: how many there are, at most what the preread wants, with w.seen about them; 0 = the client finished without any;
# -EAGAIN = none yet; other -errno = the connection is broken. Holds until another session is looked at or bytes are moved.
cdef ssize_t seen_look(worker_t* w, const session_t* s) noexcept nogil
