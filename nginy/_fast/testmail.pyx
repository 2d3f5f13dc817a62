"""The worker's side of a mailbox in front of pytest and of benchmarks: posts, takes, and measures. Not in wheels."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from nginy._fast.base.cdefs cimport ngy_load64, ngy_store64
from nginy._fast.base.letter cimport QUESTION_TEXT_BYTES, answer_t, mailbox_t, question_t, release_t
from nginy._fast.base.limits cimport MAX_QUESTIONS
from nginy._fast.mem.clock cimport clock_us
from nginy._fast.mem.mailbox cimport (
    answer_take, mailbox_bytes, mailbox_is_asleep, question_post, question_room, release_post,
)
from nginy._fast.mem.region cimport region_close, region_map
from nginy._fast.net.sock cimport sock_ring

cdef extern from "poll.h" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    int c_poll "poll"(pollfd* fds, unsigned long n, int timeout_ms)
    enum:
        POLLIN

cdef extern from "unistd.h" nogil:
    ssize_t c_read "read"(int fd, void* to, size_t n)


cdef class Poster:
    """Stands where a worker would, on one mailbox. The descriptors stay the caller's."""

    cdef mailbox_t* box
    cdef int question_bell
    cdef int answer_bell
    cdef uint64_t tail
    cdef uint64_t n_answers
    cdef uint64_t n_releases
    cdef readonly uint64_t key_hash     # of the answer that was taken last

    def __cinit__(self, int box, int question_bell, int answer_bell):
        self.box = <mailbox_t*>region_map(box, mailbox_bytes(), True)
        if self.box == NULL:
            raise MemoryError
        self.question_bell = question_bell
        self.answer_bell = answer_bell
        self.tail = ngy_load64(&self.box.questions_tail)
        self.n_answers = ngy_load64(&self.box.answers_head)
        self.n_releases = ngy_load64(&self.box.releases_tail)

    def __dealloc__(self):
        region_close(self.box, mailbox_bytes())

    def post(
        self, int pool=0, *, int attempt=0, uint64_t visit=0, deadline_s=10.0, bytes ip=b"\x7f\0\0\1", int port=1000,
        bytes name=b"", bytes received=b"", bytes alpn=b"",
    ):
        """The ticket, or None when the ring is full."""
        cdef question_t* q = question_room(self.box, self.tail)
        if q == NULL:
            return None
        if len(name) + len(alpn) + len(received) > QUESTION_TEXT_BYTES or len(name) > 255:
            raise ValueError("too long")
        memset(q, 0, sizeof(question_t))
        q.ticket = self.tail
        q.visit = visit if visit else self.tail
        q.due_us = clock_us() + <uint64_t>(deadline_s * 1e6)
        q.pool = pool
        q.attempt = <uint8_t>attempt
        q.family = 4 if len(ip) == 4 else 6
        memcpy(q.ip, <const char*>ip, len(ip))
        q.port = port
        q.n_name = <uint8_t>len(name)
        q.n_alpn = <uint8_t>len(alpn)
        q.n_bytes = len(received)
        memcpy(q.text, <const char*>name, len(name))
        memcpy(&q.text[q.n_name], <const char*>alpn, len(alpn))
        memcpy(&q.text[q.n_name + q.n_alpn], <const char*>received, len(received))
        question_post(self.box, self.tail)
        self.tail += 1
        return self.tail - 1

    def ring(self):
        sock_ring(self.question_bell)

    def is_bell_wanted(self):
        """Whether a worker would ring for what it has posted."""
        return mailbox_is_asleep(self.box)

    def take(self):
        """The next answer as (ticket, visit, pool, backend, kind), or None."""
        cdef answer_t a
        if not answer_take(self.box, self.n_answers, &a):
            return None
        self.n_answers += 1
        self.key_hash = a.key_hash
        return a.ticket, a.visit, a.pool, a.backend, a.kind

    def release(self, uint64_t visit, int backend=0, *, int pool=0, int kind=0, int code=0, bint is_last=False):
        """False when the ring is full."""
        cdef release_t r
        memset(&r, 0, sizeof(release_t))
        r.visit, r.backend, r.pool, r.kind, r.code, r.is_last = visit, backend, pool, kind, code, is_last
        if not release_post(self.box, self.n_releases, &r):
            return False
        self.n_releases += 1
        return True

    def spoil(self, uint64_t tail):
        """Write nonsense where the policy process looks for the end of the questions."""
        ngy_store64(&self.box.questions_tail, tail)

    def drive(self, uint32_t n, double per_second, uint32_t burst, uint32_t pool):
        """Ask n times at this rate, `burst` at once, without Python. -> (microseconds of each answered one, unanswered,
        refused for want of room, seconds it took). It waits for answers up to a second after the last question."""
        cdef uint64_t* asked_us = <uint64_t*>calloc(MAX_QUESTIONS, sizeof(uint64_t))
        cdef uint32_t* took_us = <uint32_t*>calloc(n, sizeof(uint32_t))
        cdef uint32_t n_refused = 0
        cdef uint32_t n_answered = 0
        cdef uint64_t took
        if asked_us == NULL or took_us == NULL or not burst:
            raise MemoryError
        with nogil:
            took = drive(self, n, per_second, burst, pool, asked_us, took_us, &n_refused, &n_answered)
        times = [took_us[i] for i in range(n_answered)]
        free(asked_us)
        free(took_us)
        return times, n - n_refused - n_answered, n_refused, took / 1e6


cdef void answers_gather(
    Poster p, const uint64_t* asked_us, uint32_t* took_us, uint32_t n, uint32_t* n_answered
) noexcept nogil:
    cdef answer_t a
    cdef uint64_t now = clock_us()
    while answer_take(p.box, p.n_answers, &a):
        p.n_answers += 1
        if n_answered[0] < n:
            took_us[n_answered[0]] = <uint32_t>(now - asked_us[a.ticket & (MAX_QUESTIONS - 1)])
            n_answered[0] += 1


cdef void one_post(Poster p, uint32_t pool, uint64_t* asked_us, uint32_t* n_refused) noexcept nogil:
    cdef question_t* q = question_room(p.box, p.tail)
    if q == NULL:
        n_refused[0] += 1
        return
    memset(q, 0, 80)
    q.ticket = q.visit = p.tail
    q.pool = pool
    q.family = 4
    q.port = <uint32_t>p.tail & 0xffff
    asked_us[p.tail & (MAX_QUESTIONS - 1)] = clock_us()
    q.due_us = asked_us[p.tail & (MAX_QUESTIONS - 1)] + 10000000
    question_post(p.box, p.tail)
    p.tail += 1


# Microseconds it took to have all that will be answered.
cdef uint64_t drive(
    Poster p, uint32_t n, double per_second, uint32_t burst, uint32_t pool, uint64_t* asked_us, uint32_t* took_us,
    uint32_t* n_refused, uint32_t* n_answered,
) noexcept nogil:
    cdef uint64_t begin = clock_us()
    cdef uint64_t count = 0
    cdef uint64_t now, due, word
    cdef pollfd bell
    cdef uint32_t _turn
    bell.fd = p.answer_bell
    bell.events = POLLIN
    while True:
        now = clock_us()
        due = begin + <uint64_t>(count * 1e6 / per_second)
        if count < n and now >= due:
            for _turn in range(burst):
                if count < n:
                    one_post(p, pool, asked_us, n_refused)
                    count += 1
            if mailbox_is_asleep(p.box):
                sock_ring(p.question_bell)
        answers_gather(p, asked_us, took_us, n, n_answered)
        if count == n and (n_answered[0] + n_refused[0] >= n or now > due + 1000000):
            return clock_us() - begin
        # asleep until an answer or the next question, as a worker is
        if c_poll(&bell, 1, 0 if count < n and due <= now + 1000 else 1) > 0:
            c_read(p.answer_bell, &word, 8)
