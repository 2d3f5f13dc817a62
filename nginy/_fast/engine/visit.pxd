# What is known of the client of a TCP session, as policies want it.
from nginy._fast.engine.types cimport session_t, worker_t
from nginy._fast.policy.key cimport visit_t

# Holds until bytes of a session are moved or looked at; the local address is looked up when the session's pool wants it.
cdef void session_visit(worker_t* w, const session_t* s, visit_t* visit) noexcept nogil
