# Where a request is for: the four forms of a target (RFC 9112, section 3.2) and hosts in them (RFC 3986, section 3.2).
from libc.stdint cimport uint8_t, uint32_t
from nginy._fast.wire.http1 cimport head_t

# Tell the form of head.target, and path, query and host of it. question: the place of its first question mark, or its end.
# Before: method. 0, or -http_refusal_t.
cdef int target_settle(const uint8_t* p, uint32_t question, head_t* head) noexcept nogil

# Whether it is a host, or an address of IPv6 in brackets, with or without a port; never with a user's name. Narrower than
# RFC 3986, whose other names no host has: letters, digits, '-', '.' and '_' alone; a port of 1 to 65535.
cdef bint authority_is_sound(const uint8_t* p, uint32_t n, bint needs_port) noexcept nogil
