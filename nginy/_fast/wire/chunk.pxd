# Chunked bodies (RFC 9112, section 7.1), checked byte by byte and rewritten where they lie: every size, line and trailer is
# read in one way or refused, and what goes on has nothing left to read differently.
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    CHUNK_SIZE_BITS = 60        # of a chunk's size
    CHUNK_TRAILERS_MOST = 8192  # bytes of all trailers of a body
    CHUNK_NAME_HELD = 24        # bytes of a trailer's name; those that are refused are shorter

cdef struct chunk_t:
    uint64_t left               # bytes of the chunk to come, or its size as far as it is read
    uint64_t room               # bytes that further chunks may have; set after chunk_open, which leaves no bound
    uint32_t n_line             # bytes of the size's line so far
    uint32_t n_trailers         # bytes of all trailers so far
    uint8_t state               # chunk_state_t
    uint8_t is_done             # the body has ended
    uint8_t drops_trailers      # for whoever has not asked for them; set after chunk_open
    uint8_t n_name              # bytes held of the trailer's name
    char name[CHUNK_NAME_HELD + 3]  # in small letters, a space on both sides

# Ready for the first byte of a body.
cdef void chunk_open(chunk_t* c) noexcept nogil

# Take the next n bytes of a body, in any cuts. The bytes taken, which are fewer than n only when the body ends in them (then
# c.is_done; those behind are left as they are), or -http_refusal_t, which it stays with. What goes on is left at p, *n_out
# bytes, never more than were taken; with a refusal, what came before the wrong byte.
# It goes on in small hexadecimal letters, without extensions and without leading zeros but for one, as a first zero may be
# the whole size: nothing is held back. Trailers keep their spelling; those that frame, route, authorise or are for one
# connection are refused (RFC 9110, section 6.5.1). is_bare: the bytes of the chunks alone, for HTTP/1.0.
# A chunk that is larger than the room left is refused with its size's line (HTTP_TOO_LARGE), before any of its bytes.
cdef int chunk_pass(chunk_t* c, uint8_t* p, uint32_t n, bint is_bare, uint32_t* n_out) noexcept nogil

# Why a body was refused (http_refusal_t); 0 = it was not.
cdef uint32_t chunk_refusal(const chunk_t* c) noexcept nogil
