# What lies in a mailbox: the shared memory between one worker and the policy process. Three rings, each with one producer
# and one consumer; either side may be replaced by a fresh process, or write nonsense, without harm to the other.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from nginy._fast.base.limits cimport MAX_QUESTIONS, MAX_RELEASES
from nginy._fast.base.status cimport MISS_COUNT

cdef enum:
    MAILBOX_MAGIC = 0x4e47594c
    QUESTION_TEXT_BYTES = 432   # server name, protocols, then as many of the first bytes as fit
    QUESTION_ALPN_BYTES = 128   # of protocols at most

cdef enum:                      # answer_kind_t
    ANSWER_BACKEND = 0
    ANSWER_NONE = 1             # the policy offers none
    ANSWER_RAISED = 2           # the policy raised
    ANSWER_KEY = 3              # a key, where one was asked for
    ANSWER_WRONG = 4            # what cannot be a key

cdef enum:                      # release_kind_t: a reason_t or an outcome_t tells more
    RELEASE_ATTEMPT = 0         # it could not be reached: outcome
    RELEASE_SESSION = 1         # the session on it is over: reason
    RELEASE_UNUSED = 2          # the answer came too late, or could not be used

cdef struct question_t:         # 512 bytes
    uint64_t ticket             # its place in the ring since the mailbox was made: never used twice
    uint64_t visit              # ticket of the visit's first question
    uint64_t due_us             # monotonic; nobody waits for an answer after that
    uint32_t pool               # id
    uint32_t listener           # id
    uint8_t ip[16]              # of the client, IPv4 in the first four bytes
    uint8_t local_ip[16]        # address that was asked
    uint16_t port               # host order
    uint16_t local_port
    uint16_t n_bytes
    uint8_t n_alpn
    uint8_t reserved
    uint8_t family              # 4, 6, 0 = unix
    uint8_t local_family        # 4, 6, 0 = not known
    uint8_t attempt             # 0, 1, ...
    uint8_t n_name
    uint32_t reserved_too
    uint8_t text[QUESTION_TEXT_BYTES]   # n_name bytes of server name, n_alpn of protocols, n_bytes first bytes

cdef struct answer_t:
    uint64_t ticket             # of the question; ticket, visit and pool as they stood there
    uint64_t visit
    uint32_t backend            # id
    uint16_t pool               # id
    uint8_t kind                # answer_kind_t
    uint8_t reserved
    uint64_t key_hash           # ANSWER_KEY: as a worker hashes such a key itself

cdef struct release_t:
    uint64_t visit
    uint64_t bytes_in           # from the client
    uint64_t bytes_out
    uint32_t session_ms
    uint32_t connect_us         # 0 = never connected
    uint32_t pool               # id
    uint32_t backend            # id
    uint8_t kind                # release_kind_t
    uint8_t code                # outcome_t or reason_t
    uint8_t is_own              # the policy named this backend, not its fallback
    uint8_t is_last             # the visit is over
    uint32_t reserved

cdef struct mailbox_t:
    uint32_t magic
    uint32_t version            # LAYOUT_VERSION
    uint64_t first              # ticket of the first question
    uint64_t is_closed          # the policy process has ended and said so
    uint64_t beat               # counts on while the policy process works
    uint64_t is_asleep          # it waits for its bell, or is about to; else it looks for questions by itself
    uint64_t pad[3]             # it alone writes to this line
    uint64_t questions_tail     # of each ring: what was put in, what was taken out; free-running
    uint64_t pad_questions_tail[7]
    uint64_t questions_head
    uint64_t pad_questions_head[7]
    uint64_t answers_tail
    uint64_t pad_answers_tail[7]
    uint64_t answers_head
    uint64_t pad_answers_head[7]
    uint64_t releases_tail
    uint64_t pad_releases_tail[7]
    uint64_t releases_head
    uint64_t pad_releases_head[7]
    answer_t answers[MAX_QUESTIONS]
    release_t releases[MAX_RELEASES]
    question_t questions[MAX_QUESTIONS]

cdef struct pool_row_t:         # 256 bytes of the board, one per pool; zero for a pool that asks nobody
    uint64_t seq
    uint64_t asked              # choices that a class in Python was wanted for, for a backend or for a key
    uint64_t answered           # and made
    uint64_t misses[MISS_COUNT]  # made by the fallback instead, by reason
    uint64_t abandoned          # for visits that ended before there was an answer
    uint64_t stale              # answers that came when nobody waited any more
    uint64_t releases_dropped   # found no room in the mailbox
    uint64_t reserved[26 - MISS_COUNT]
