"""The policy process's side of the mailboxes: questions as objects, answers and bells; and what control makes and watches."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy
from nginy._fast.base.cdefs cimport (
    AF_INET, AF_INET6, MADV_DONTFORK, MFD_ALLOW_SEALING, MFD_CLOEXEC, c_ftruncate, c_madvise, c_memfd_create, errno,
    ngy_load32, ngy_load64, ngy_store64,
)
from nginy._fast.base cimport layout, letter, limits
from nginy._fast.base.board cimport board_shared_t
from nginy._fast.base.letter cimport (
    ANSWER_BACKEND, ANSWER_KEY, ANSWER_NONE, ANSWER_RAISED, ANSWER_WRONG, RELEASE_ATTEMPT, RELEASE_SESSION, RELEASE_UNUSED,
    answer_t, mailbox_t, question_t, release_t,
)
from nginy._fast.mem.clock cimport clock_us
from nginy._fast.mem.mailbox cimport (
    answer_post, mailbox_bytes, mailbox_is_sound, mailbox_open, mailbox_rise, mailbox_sleep, question_done, question_next,
    release_is_there, release_take,
)
from nginy._fast.mem.region cimport region_close, region_map
from nginy._fast.net.sock cimport sock_ring
from nginy._fast.policy.key cimport key_hash_in, key_t

import fcntl
import os

cdef extern from "arpa/inet.h":
    const char* inet_ntop(int family, const void* address, char* text, uint32_t n_bytes)

cdef enum:
    PAGE = 4096
    ADDRESS_BYTES = 46          # INET6_ADDRSTRLEN

MAX_QUESTIONS = limits.MAX_QUESTIONS
MAX_RELEASES = limits.MAX_RELEASES
NONE = ANSWER_NONE
RAISED = ANSWER_RAISED
WRONG = ANSWER_WRONG
ATTEMPT = RELEASE_ATTEMPT
SESSION = RELEASE_SESSION
UNUSED = RELEASE_UNUSED


def mailbox_create(first: int) -> int:
    """A fresh mailbox in anonymous shared memory. first: ticket of its first question; never used again by another one.

    Returns its descriptor, close-on-exec. Errors: OSError, MemoryError.
    """
    cdef void* box = NULL
    cdef int fd
    if not 0 < first < 1 << 63:
        raise ValueError(f"a first ticket of {first}")
    fd = c_memfd_create(b"nginy-mailbox", MFD_CLOEXEC | MFD_ALLOW_SEALING)
    if fd < 0:
        raise OSError(errno, f"mailbox: {os.strerror(errno)}")
    if c_ftruncate(fd, mailbox_bytes()) == 0:
        box = region_map(fd, mailbox_bytes(), True)
    if box == NULL:
        os.close(fd)
        raise MemoryError("no room for a mailbox")
    mailbox_open(<mailbox_t*>box, first)
    region_close(box, mailbox_bytes())
    # its size is nobody's to change: a worker that finds its mailbox shorter would be ended by the kernel
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return fd


cdef object address_text(int family, const uint8_t* ip):
    cdef char text[ADDRESS_BYTES]
    if inet_ntop(AF_INET if family == 4 else AF_INET6, ip, text, ADDRESS_BYTES) == NULL:
        return ""
    return (<bytes>text).decode("ascii")


cdef object place_text(int family, const uint8_t* ip, int port):
    if family == 4:
        return f"{address_text(family, ip)}:{port}"
    return f"[{address_text(family, ip)}]:{port}" if family == 6 else ""


cdef class Question:
    """What a policy is asked: the visit that needs a backend. Read by attribute, made into Python objects only then."""

    cdef question_t q
    cdef readonly uint32_t slot     # of the worker that asks
    cdef readonly object listener   # name of the listener, "" when it is not known
    cdef readonly bint is_answered

    @property
    def pool(self):
        return self.q.pool

    @property
    def attempt(self):
        return self.q.attempt

    @property
    def visit(self):
        """Equal in all questions of one visit, and in its releases; never used for another one."""
        return self.q.visit

    @property
    def due_s(self):
        """When nobody waits any more, on the clock of time.monotonic()."""
        return self.q.due_us / 1e6

    @property
    def is_late(self):
        return clock_us() > self.q.due_us

    @property
    def source(self):
        return place_text(self.q.family, self.q.ip, self.q.port)

    @property
    def source_ip(self):
        return address_text(self.q.family, self.q.ip) if self.q.family else ""

    @property
    def source_port(self):
        return self.q.port

    @property
    def destination(self):
        return place_text(self.q.local_family, self.q.local_ip, self.q.local_port)

    @property
    def server_name(self):
        cdef const char* text = <const char*>self.q.text
        return text[:self.q.n_name].decode("ascii", "replace")

    @property
    def alpn(self):
        cdef uint32_t n = min(<uint32_t>self.q.n_alpn, <uint32_t>(letter.QUESTION_TEXT_BYTES - self.q.n_name))
        cdef bytes names = PyBytes_FromStringAndSize(<const char*>&self.q.text[self.q.n_name], n)
        found = []
        while names:
            found.append(names[1:names[0] + 1].decode("ascii", "replace"))
            names = names[names[0] + 1:]
        return tuple(found)

    @property
    def first_bytes(self):
        cdef uint32_t at = min(<uint32_t>self.q.n_name + self.q.n_alpn, <uint32_t>letter.QUESTION_TEXT_BYTES)
        cdef uint32_t n = min(<uint32_t>self.q.n_bytes, letter.QUESTION_TEXT_BYTES - at)
        return PyBytes_FromStringAndSize(<const char*>&self.q.text[at], n)

    def __repr__(self):
        return f"<Question {self.q.attempt} of {self.source or 'a unix client'} to {self.listener}>"


cdef struct desk_t:                 # one worker's mailbox, as this side keeps it
    mailbox_t* box                  # mapped
    uint64_t n_questions            # taken
    uint64_t n_answers              # posted
    uint64_t n_releases             # taken
    int bell                        # of answers; owned
    bint is_answered                # since it was rung last


cdef class Mailroom:
    """All mailboxes of one policy process, for one thread. mailboxes: (mailbox, bell of answers) by slot of the worker;
    question_bell: rung by all of them; board_fd: of the board, which is only read.

    Takes over all descriptors. Errors: OSError for what cannot be mapped, ValueError for a mailbox of another build.
    """

    cdef desk_t desks[limits.MAX_WORKERS]
    cdef readonly int n_desks
    cdef readonly int question_bell
    cdef public dict listeners      # id to name
    cdef uint8_t* board
    cdef uint64_t board_bytes
    cdef const uint32_t* in_flight
    cdef int next_desk              # where the next look begins: every worker gets its turn

    def __cinit__(self, mailboxes, int question_bell, int board_fd):
        cdef desk_t* d
        self.question_bell = -1
        self.listeners = {}
        if not 0 < len(mailboxes) <= limits.MAX_WORKERS:
            raise ValueError(f"{len(mailboxes)} mailboxes")
        self.question_bell = question_bell
        self.board_bytes = PAGE + sizeof(board_shared_t)    # regions come behind it
        self.board = <uint8_t*>region_map(board_fd, self.board_bytes, False)
        os.close(board_fd)
        for fd, bell in mailboxes:
            d = &self.desks[self.n_desks]
            d.box = <mailbox_t*>region_map(fd, mailbox_bytes(), True)
            d.bell = bell
            self.n_desks += 1
            os.close(fd)
            if d.box == NULL or self.board == NULL:
                raise OSError(errno, f"mailbox: {os.strerror(errno)}")
            if not mailbox_is_sound(d.box):
                raise ValueError("a mailbox of another build")
            # a child of a policy must not answer in its parent's place
            c_madvise(d.box, mailbox_bytes(), MADV_DONTFORK)
            d.n_questions = ngy_load64(&d.box.questions_head)
            d.n_answers = ngy_load64(&d.box.answers_tail)
            d.n_releases = ngy_load64(&d.box.releases_head)
            mailbox_sleep(d.box)
        self.in_flight = (<board_shared_t*>(self.board + PAGE)).in_flight

    def __dealloc__(self):
        self.shut()

    cdef shut(self):
        cdef int i
        for i in range(self.n_desks):
            region_close(self.desks[i].box, mailbox_bytes())
            os.close(self.desks[i].bell)
        self.n_desks = 0
        region_close(self.board, self.board_bytes)
        self.board = NULL
        if self.question_bell >= 0:
            os.close(self.question_bell)
        self.question_bell = -1

    def close(self):
        """Tell the workers that nobody answers any more, and let go. Idempotent."""
        cdef int i
        for i in range(self.n_desks):
            ngy_store64(&self.desks[i].box.is_closed, 1)
        self.shut()

    def in_flight_of(self, uint32_t backend):
        """Sessions on a backend now, over all workers and pools' users alike."""
        if self.board == NULL or backend > limits.MAX_BACKENDS:
            return 0
        return ngy_load32(&self.in_flight[backend])

    def beat(self):
        """This side works."""
        cdef int i
        for i in range(self.n_desks):
            ngy_store64(&self.desks[i].box.beat, self.desks[i].box.beat + 1)

    def take(self, uint32_t most):
        """Up to `most` questions, of all workers in turn."""
        cdef const question_t* q
        cdef Question question
        cdef desk_t* d
        cdef uint32_t n = 0
        cdef int i, at
        questions = []
        for i in range(self.n_desks):
            at = (self.next_desk + i) % self.n_desks
            d = &self.desks[at]
            while n < most:
                q = question_next(d.box, d.n_questions)
                if q == NULL:
                    break
                question = Question.__new__(Question)
                # what it says of its own length is not believed: all of it is copied
                memcpy(&question.q, q, sizeof(question_t))
                question.slot = at
                question.listener = self.listeners.get(question.q.listener, "")
                question_done(d.box, d.n_questions)
                d.n_questions += 1
                questions.append(question)
                n += 1
        if self.n_desks:
            self.next_desk = (self.next_desk + 1) % self.n_desks
        return questions

    cdef bint post(self, Question question, uint32_t backend, uint32_t kind, uint64_t key_hash=0):
        cdef desk_t* d = &self.desks[question.slot]
        cdef answer_t answer
        if question.is_answered or <int>question.slot >= self.n_desks:
            return False
        question.is_answered = True
        answer.ticket = question.q.ticket
        answer.visit = question.q.visit
        answer.backend = backend
        answer.pool = <uint16_t>question.q.pool
        answer.kind = <uint8_t>kind
        answer.reserved = 0
        answer.key_hash = key_hash
        if not answer_post(d.box, d.n_answers, &answer):
            return False
        d.n_answers += 1
        d.is_answered = True
        return True

    def answer(self, Question question, uint32_t backend):
        """The policy's choice, by id. False: it was answered before, or the worker takes no more."""
        return self.post(question, backend, ANSWER_BACKEND)

    def answer_key(self, Question question, bytes key, uint32_t ring):
        """The key that the choice goes by; ring: of door.RINGS, whose program hashes it. The rest as `answer`."""
        cdef key_t what
        what.at, what.n = <const uint8_t*>key, len(key)
        return self.post(question, 0, ANSWER_KEY, key_hash_in(ring, &what))

    def refuse(self, Question question, uint32_t kind):
        """No choice: NONE, RAISED or WRONG."""
        return self.post(question, 0, kind)

    def ring(self):
        """Wake the workers that have answers."""
        cdef int i
        for i in range(self.n_desks):
            if self.desks[i].is_answered:
                self.desks[i].is_answered = False
                sock_ring(self.desks[i].bell)

    cdef bint has_news(self):
        cdef int i
        for i in range(self.n_desks):
            if question_next(self.desks[i].box, self.desks[i].n_questions) != NULL:
                return True
            if release_is_there(self.desks[i].box, self.desks[i].n_releases):
                return True
        return False

    def sleep(self):
        """From now on the bell is rung. False: something has come before that could be known, for which it is not."""
        cdef int i
        for i in range(self.n_desks):
            mailbox_sleep(self.desks[i].box)
        return not self.has_news()

    def rise(self):
        """The bell need not be rung until `sleep`; then look for questions."""
        cdef int i
        for i in range(self.n_desks):
            mailbox_rise(self.desks[i].box)

    def hush(self):
        """Take the rings of the question bell as heard; then look for questions."""
        try:
            os.eventfd_read(self.question_bell)
        except BlockingIOError:
            pass

    def releases(self, uint32_t most):
        """Up to `most` records: (visit, pool, backend or -1, kind, code, is_own, is_last, connect_us, session_ms, in, out)."""
        cdef release_t r
        cdef desk_t* d
        cdef int i
        records = []
        for i in range(self.n_desks):
            d = &self.desks[i]
            while len(records) < most and release_take(d.box, d.n_releases, &r):
                d.n_releases += 1
                records.append((
                    r.visit, r.pool, -1 if r.backend == layout.NO_INDEX else r.backend, r.kind, r.code, bool(r.is_own),
                    bool(r.is_last), r.connect_us, r.session_ms, r.bytes_in, r.bytes_out,
                ))
        return records


cdef class MailboxWatch:
    """Control's look at one mailbox: is anybody at work on it? The descriptor stays the caller's. Errors: OSError."""

    cdef mailbox_t* box

    def __cinit__(self, int fd):
        self.box = <mailbox_t*>region_map(fd, mailbox_bytes(), False)
        if self.box == NULL:
            raise OSError(errno, f"mailbox: {os.strerror(errno)}")

    def __dealloc__(self):
        region_close(self.box, mailbox_bytes())

    @property
    def beat(self):
        """Counts on while the policy process works."""
        return ngy_load64(&self.box.beat)
