"""Again: a request is sent twice only where doing it twice does no harm, or where nothing of it was sent the first time.

A send that is refused takes nothing: an error and a number of bytes exclude each other (send(2)). So when the first send of a
request on a connection fails, no backend has seen a byte of it, whatever became of the connection. A reset that comes after
a send says nothing of the kind: what was taken may have been read and acted on before.
"""

from nginy._fast.base.letter cimport RELEASE_ATTEMPT
from nginy._fast.base.status cimport OUTCOME_RESET, OWN_BACK_RESET, REASON_BACK_RESET
from nginy._fast.engine.exchanges cimport (
    EXCHANGE_AGAIN, EXCHANGE_REPEATABLE, EXCHANGE_REUSED, PHASE_HEAD, PHASE_SENT, exchange_t,
)
from nginy._fast.engine.lease cimport lease_drop
from nginy._fast.engine.link cimport part_give
from nginy._fast.engine.own cimport exchange_clear, own_respond
from nginy._fast.engine.session cimport leg_close, queue_push, session_close, session_release
from nginy._fast.engine.stats cimport count
from nginy._fast.engine.types cimport BACK, QUEUE_READY, SESS_HEAD, session_side, session_t, worker_t
from nginy._fast.policy.choose cimport chooser_distrust


# A link that had rested may simply have been closed meanwhile, which is nobody's fault and no attempt.
cdef void exchange_again(worker_t* w, session_t* s, exchange_t* x) noexcept nogil:
    if x.flags & EXCHANGE_REUSED:
        s.n_tried -= 1
    else:
        chooser_distrust(&w.chooser, s.backend, w.now_ms)
    session_release(w, s, RELEASE_ATTEMPT, OUTCOME_RESET, False)
    leg_close(w, s, BACK, True)
    lease_drop(w, s)
    exchange_clear(w, s)        # of the request, too: it is sent anew
    count(&w.row.http[s.listener].retried, 1)
    x.flags |= EXCHANGE_AGAIN
    x.phase = PHASE_HEAD
    s.state = SESS_HEAD
    queue_push(&w.ready, s, QUEUE_READY)


cdef inline bint has_more(const worker_t* w, const session_t* s, const exchange_t* x) noexcept nogil:
    return x.flags & EXCHANGE_REUSED != 0 or s.n_tried <= session_side(w, s).retries


cdef void again_unsent(worker_t* w, session_t* s, exchange_t* x) noexcept nogil:
    if has_more(w, s, x):
        exchange_again(w, s, x)
    else:
        own_respond(w, s, OWN_BACK_RESET)


cdef void again_lost(worker_t* w, session_t* s, exchange_t* x) noexcept nogil:
    if x.phase != PHASE_SENT:
        session_close(w, s, REASON_BACK_RESET)
    elif x.flags & EXCHANGE_REPEATABLE and x.n_part == 0 and has_more(w, s, x):
        exchange_again(w, s, x)
    else:
        part_give(w, x)
        own_respond(w, s, OWN_BACK_RESET)
