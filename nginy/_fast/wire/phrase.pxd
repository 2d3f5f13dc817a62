# Reason phrases (RFC 9110, section 15; RFC 6585, sections 4 and 5).
from libc.stdint cimport uint32_t

# Of a status that nginy says itself, with the space in front of it. A status without one has the space alone: the reason may
# be left out, the space may not (RFC 9112, section 4).
cdef const char* http_phrase(uint32_t status) noexcept nogil
