# What comes back from the policy process, and what is done when it does not.
from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.engine.types cimport worker_t

# A fresh mailbox and its bells (mailbox, questions, answers: taken over), or with n = 0 nobody to ask any more.
# Questions that wait in the one before are settled: their fallbacks choose.
cdef void mail_adopt(worker_t* w, const int* fds, int n) noexcept nogil
cdef void mail_close(worker_t* w) noexcept nogil

# The bell rang: up to ANSWERS_PER_EVENT answers, the rest in the next turn.
cdef void mail_event(worker_t* w) noexcept nogil

# Questions whose deadline is over.
cdef void mail_expire(worker_t* w) noexcept nogil

cdef inline bint mail_is_due(const worker_t* w) noexcept nogil:
    return w.mail.n_asked != 0 and w.now_ms >= w.mail.due_ms
