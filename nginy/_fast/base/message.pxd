# Messages of the channel between control and a worker. Both ends run the same build.
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from nginy._fast.base.limits cimport MAX_MESSAGE_IDS

cdef enum:
    MESSAGE_MAGIC = 0x4e47594d

cdef enum:                      # message_kind_t
    MSG_SOCKETS = 1             # to worker: ids, as many descriptors
    MSG_SNAPSHOT = 2            # to worker: a = gen, one descriptor
    MSG_SERVE = 3               # to worker: a = bit mask of further slots to serve
    MSG_DRAIN = 4               # to worker: a = deadline, ms from now
    MSG_STOP = 5                # to worker
    MSG_MAILBOX = 7             # to worker: mailbox, bell of questions, bell of answers; no descriptors: nobody to ask
    MSG_TABLE = 6               # to worker: a = pool id, one descriptor; comes before the snapshot that needs it
    MSG_KEEP = 8                # to worker: one descriptor, kept unread for a control that rejoins
    MSG_CERTS = 9               # to worker: one descriptor, comes before the snapshot that needs it
    MSG_READY = 16              # from worker: a = slot, b = gen
    MSG_ADOPTED = 17            # from worker: a = gen, b = errno of a UDP listener that could not be opened, else 0
    MSG_REJECTED = 18           # from worker: a = gen, b = refusal_t
    MSG_DRAINED = 19            # from worker: a = sessions cut
    MSG_TABLE_REFUSED = 21      # from worker: a = pool id, b = refusal_t
    MSG_CERTS_REFUSED = 22      # from worker: b = refusal_t
    MSG_HELLO = 20              # from worker on a rejoin: a = slot, b = gen, ids = (pid,), board, snapshot, what it was to keep

cdef struct message_t:
    uint32_t magic
    uint16_t kind
    uint16_t n_ids
    uint64_t a
    uint64_t b
    uint32_t ids[MAX_MESSAGE_IDS]
