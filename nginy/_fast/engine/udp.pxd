# UDP listeners of a worker: what a generation says of them, how they leave, what goes on beside the datagrams.
from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.engine.flows cimport udp_t
from nginy._fast.engine.types cimport listener_t, worker_t

# The UDP listeners of the snapshot that was just adopted: opened, tuned, or ended. 0, or -ENOMEM when some stay shut.
cdef int udp_adopt(worker_t* w) noexcept nogil

# A socket of a UDP listener is about to be served.
cdef void udp_socket(worker_t* w, listener_t* l, bint is_wildcard) noexcept nogil

# Whether this listener has its tables: else nobody would take its datagrams.
cdef bint udp_is_open(const worker_t* w, uint32_t listener) noexcept nogil

# No new flows from now on; those there are get until deadline_ms (0 = their own end).
cdef void udp_leave(worker_t* w, uint32_t listener, uint64_t deadline_ms) noexcept nogil
cdef void udp_leave_all(worker_t* w, uint64_t deadline_ms) noexcept nogil

# Poller event of an upstream socket.
cdef void udp_event(worker_t* w, uint64_t tag, uint32_t bits) noexcept nogil

# The flows' timer: expire some, and ask again when the next ones may be due.
cdef void udp_timer(worker_t* w, udp_t* u) noexcept nogil

# More flows are due than one step looks at: another step in every turn, until they are through.
cdef void udp_catch_up(worker_t* w) noexcept nogil

# One bounded step of what a reload or a drain asks for; udp_is_sweeping: there is more at once.
cdef void udp_step(worker_t* w) noexcept nogil

# End every flow with this reason.
cdef void udp_cut_all(worker_t* w, uint32_t reason) noexcept nogil

# Give all memory back, descriptors too.
cdef void udp_close(worker_t* w) noexcept nogil
