# What is known of the client of a TCP session, as policies want it.
from nginy._fast.engine.types cimport session_t, worker_t
from nginy._fast.policy.key cimport visit_t

# Holds as long as the session does not change; the local address is looked up when the session's pool wants it.
cdef void session_visit(worker_t* w, const session_t* s, visit_t* visit) noexcept nogil
