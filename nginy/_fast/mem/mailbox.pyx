"""Mailbox: questions and releases one way, answers the other, without a lock."""

from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.base.cdefs cimport ngy_fence_full, ngy_load64, ngy_load64_acquire, ngy_store64, ngy_store64_release
from nginy._fast.base.layout cimport LAYOUT_VERSION
from nginy._fast.base.letter cimport MAILBOX_MAGIC
from nginy._fast.base.limits cimport MAX_QUESTIONS, MAX_RELEASES


cdef uint64_t mailbox_bytes() noexcept nogil:
    return (sizeof(mailbox_t) + 4095) & ~<uint64_t>4095


cdef void mailbox_open(mailbox_t* box, uint64_t first) noexcept nogil:
    box.version = LAYOUT_VERSION
    box.first = first
    box.is_asleep = 1
    box.questions_tail = box.questions_head = first
    ngy_store64_release(&box.answers_tail, 0)
    box.magic = MAILBOX_MAGIC


cdef bint mailbox_is_sound(const mailbox_t* box) noexcept nogil:
    return box.magic == MAILBOX_MAGIC and box.version == LAYOUT_VERSION


# Entries between head and tail; what the other side wrote may be anything: more than fit counts as full.
cdef inline bint is_full(uint64_t tail, const uint64_t* head, uint32_t size) noexcept nogil:
    return tail - ngy_load64_acquire(head) >= size


# Whether entry `head` is there; a tail that is out of bounds is none.
cdef inline bint is_there(uint64_t head, const uint64_t* tail, uint32_t size) noexcept nogil:
    return ngy_load64_acquire(tail) - head - 1 < size


cdef question_t* question_room(mailbox_t* box, uint64_t tail) noexcept nogil:
    if is_full(tail, &box.questions_head, MAX_QUESTIONS):
        return NULL
    return &box.questions[tail & (MAX_QUESTIONS - 1)]


cdef void question_post(mailbox_t* box, uint64_t tail) noexcept nogil:
    ngy_store64_release(&box.questions_tail, tail + 1)


cdef const question_t* question_next(const mailbox_t* box, uint64_t head) noexcept nogil:
    if not is_there(head, &box.questions_tail, MAX_QUESTIONS):
        return NULL
    return &box.questions[head & (MAX_QUESTIONS - 1)]


cdef void question_done(mailbox_t* box, uint64_t head) noexcept nogil:
    ngy_store64_release(&box.questions_head, head + 1)


cdef bint answer_post(mailbox_t* box, uint64_t tail, const answer_t* answer) noexcept nogil:
    if is_full(tail, &box.answers_head, MAX_QUESTIONS):
        return False
    box.answers[tail & (MAX_QUESTIONS - 1)] = answer[0]
    ngy_store64_release(&box.answers_tail, tail + 1)
    return True


cdef bint answer_take(mailbox_t* box, uint64_t head, answer_t* out) noexcept nogil:
    if not is_there(head, &box.answers_tail, MAX_QUESTIONS):
        return False
    out[0] = box.answers[head & (MAX_QUESTIONS - 1)]
    ngy_store64_release(&box.answers_head, head + 1)
    return True


cdef bint release_post(mailbox_t* box, uint64_t tail, const release_t* release) noexcept nogil:
    if is_full(tail, &box.releases_head, MAX_RELEASES):
        return False
    box.releases[tail & (MAX_RELEASES - 1)] = release[0]
    ngy_store64_release(&box.releases_tail, tail + 1)
    return True


cdef bint release_is_there(const mailbox_t* box, uint64_t head) noexcept nogil:
    return is_there(head, &box.releases_tail, MAX_RELEASES)


cdef bint release_take(mailbox_t* box, uint64_t head, release_t* out) noexcept nogil:
    if not is_there(head, &box.releases_tail, MAX_RELEASES):
        return False
    out[0] = box.releases[head & (MAX_RELEASES - 1)]
    ngy_store64_release(&box.releases_head, head + 1)
    return True


# Each side writes its own word, then reads the other's: with a full fence between, one of the two sees the other.
cdef void mailbox_sleep(mailbox_t* box) noexcept nogil:
    ngy_store64(&box.is_asleep, 1)
    ngy_fence_full()


cdef void mailbox_rise(mailbox_t* box) noexcept nogil:
    ngy_store64(&box.is_asleep, 0)


cdef bint mailbox_is_asleep(const mailbox_t* box) noexcept nogil:
    ngy_fence_full()
    return ngy_load64(&box.is_asleep) != 0
