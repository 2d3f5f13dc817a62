# What a worker keeps of its mailbox: the questions that wait for answers. A question lies where its ticket says.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from nginy._fast.base.letter cimport mailbox_t

cdef enum:
    NO_UDP = 0xffffffff         # in place of a listener: a TCP session asks

cdef struct asked_t:
    uint64_t ticket             # 0 = settled
    uint64_t due_ms
    uint32_t idx                # of the session, or of the flow in its table
    uint32_t udp                # listener id of the flow, NO_UDP for a session
    uint32_t pool               # id; of a group, the member that is asked
    uint32_t is_key             # for a key, not for a backend

cdef struct mail_t:
    mailbox_t* box              # mapped; NULL = there is nobody to ask
    asked_t* asked              # owned; MAX_QUESTIONS; NULL until the first mailbox comes
    uint64_t tail               # questions posted
    uint64_t oldest             # all before it are settled
    uint64_t n_answers          # taken
    uint64_t n_releases         # posted
    uint64_t due_ms             # no question that waits is due earlier; 0 = some were left in the turn before
    uint32_t n_asked            # waiting
    uint32_t n_held             # flows with datagrams that wait for an answer
    int question_bell           # owned eventfds; -1 = none
    int answer_bell
    int next[3]                 # owned: mailbox and bells that follow once nobody waits any more; next[0] = -1: none
    uint8_t is_posted           # the policy process has not been woken for all of it
    uint8_t is_behind           # answers may be there that the bell has rung for
    uint8_t reserved[6]
