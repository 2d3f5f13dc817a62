# The rings of a mailbox. Who puts in keeps its own tail, who takes out its own head; what the other side has written is
# believed only within the ring's bounds. One thread on each side.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from nginy._fast.base.letter cimport answer_t, mailbox_t, question_t, release_t

# Size of the region; a fresh one whose first ticket is `first`, and whether a region is one of this build.
cdef uint64_t mailbox_bytes() noexcept nogil
cdef void mailbox_open(mailbox_t* box, uint64_t first) noexcept nogil
cdef bint mailbox_is_sound(const mailbox_t* box) noexcept nogil

# The worker: room for the question `tail`, NULL when all is taken; then send it.
cdef question_t* question_room(mailbox_t* box, uint64_t tail) noexcept nogil
cdef void question_post(mailbox_t* box, uint64_t tail) noexcept nogil

# The policy process: the question `head`, NULL when there is none; then let go of it.
cdef const question_t* question_next(const mailbox_t* box, uint64_t head) noexcept nogil
cdef void question_done(mailbox_t* box, uint64_t head) noexcept nogil

# The policy process: False when the ring is full. The worker: False when there is none.
cdef bint answer_post(mailbox_t* box, uint64_t tail, const answer_t* answer) noexcept nogil
cdef bint answer_take(mailbox_t* box, uint64_t head, answer_t* out) noexcept nogil

# The worker: False when the ring is full. The policy process: False when there is none.
cdef bint release_post(mailbox_t* box, uint64_t tail, const release_t* release) noexcept nogil
cdef bint release_is_there(const mailbox_t* box, uint64_t head) noexcept nogil
cdef bint release_take(mailbox_t* box, uint64_t head, release_t* out) noexcept nogil

# The policy process: it waits for its bell from now on, or looks by itself. What was posted before the worker could know is
# there when it looks once more after sleeping.
cdef void mailbox_sleep(mailbox_t* box) noexcept nogil
cdef void mailbox_rise(mailbox_t* box) noexcept nogil

# The worker: whether the bell has to be rung for what it has posted.
cdef bint mailbox_is_asleep(const mailbox_t* box) noexcept nogil
