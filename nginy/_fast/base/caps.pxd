# What a listener of HTTP lets its clients have: a part of the snapshot that changes with LAYOUT_VERSION.
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef struct snap_caps_t:
    uint64_t body_bytes         # of a request's body, without what frames it; all ones = no bound
    uint64_t gap_ns             # between two requests of one client, on average and in one worker; 0 = no bound
    uint64_t room_ns            # how far ahead of that a client may be
    uint32_t head_bytes         # of a request's head
    uint32_t n_fields           # in it
    uint32_t target_bytes
    uint32_t body_ms            # that a client may be silent in the middle of a body
    uint32_t request_ms         # for a request, from its whole head to the end of its response; 0 = no bound
    uint32_t is_tight           # one of the above but for the times is not as usual: requests are looked at
