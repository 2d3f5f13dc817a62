# What comes back from the policy process, and what is done when it does not.
from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.engine.types cimport worker_t

# A fresh mailbox and its bells (mailbox, questions, answers: taken over), or with n = 0 nobody to ask any more.
# The one before is let go of at once. Questions that wait in it are settled first, some in each turn: their fallbacks choose.
cdef void mail_adopt(worker_t* w, const int* fds, int n) noexcept nogil
cdef void mail_change(worker_t* w) noexcept nogil
cdef void mail_close(worker_t* w) noexcept nogil

# While is_behind, which the bell sets: up to ANSWERS_PER_TURN answers, the rest in the next turn.
cdef void mail_take(worker_t* w) noexcept nogil

# Questions whose deadline is over, up to ANSWERS_PER_TURN of them.
cdef void mail_expire(worker_t* w) noexcept nogil

cdef inline bint mail_is_due(const worker_t* w) noexcept nogil:
    return w.mail.n_asked != 0 and w.now_ms >= w.mail.due_ms
