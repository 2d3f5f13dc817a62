# How fast those with a key go on: one 64-bit time for each, in a table of fixed size. It is reserved once, touched where it is
# used, and never grows: where a set of slots is full of the living, whoever has used least is forgotten and begins anew.
# Source: the generic cell rate algorithm, virtual scheduling (ITU-T I.371, annex A).
from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    PACE_WAYS = 4               # slots of a set: one cache line

cdef struct pace_slot_t:
    uint64_t hash               # of the key, never 0; 0 = nobody
    uint64_t due_ns             # when the next one would come that comes on time; past = as if never seen

cdef struct pace_t:
    pace_slot_t* slots          # owned
    uint32_t n_sets             # power of two
    uint32_t reserved
    uint64_t n_forgotten        # in all

# n_slots: power of two, at least PACE_WAYS. 0 or -ENOMEM.
cdef int pace_open(pace_t* t, uint32_t n_slots) noexcept nogil
cdef void pace_close(pace_t* t) noexcept nogil

# May the one with this hash go on now? 0: yes, and it is counted. Else how many ns it has to wait for its turn, and nothing is
# counted. gap_ns: between two on average, not 0.   room_ns: how far ahead of that it may be, so that 1 + room / gap may come
# at once. room_ns and now_ns below 2^62. The hash is keyed by the caller, with a secret where strangers choose the keys.
cdef uint64_t pace_take(pace_t* t, uint64_t hash, uint64_t gap_ns, uint64_t room_ns, uint64_t now_ns) noexcept nogil
