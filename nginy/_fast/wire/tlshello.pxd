# The first message of a TLS client, as far as it says where it wants to go. Source: RFC 8446, sections 4.1.2 and 5.1; RFC 5246,
# section 7.4.1.2; names: RFC 6066, section 3; protocols: RFC 7301, section 3.1. Nothing is decrypted, nothing is changed.
from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    HELLO_MOST_BYTES = 16389    # on the wire, record headers included: one full record
    HELLO_NAME_MOST = 255       # bytes; RFC 1035, section 2.3.4
    HELLO_ALPN_MOST = 255       # bytes; what does not fit is left out by whole protocols

cdef enum:                      # hello_refusal_t: why the bytes are not a hello
    HELLO_NOT_TLS = 1           # no handshake record
    HELLO_NOT_HELLO = 2         # another handshake message
    HELLO_TOO_LONG = 3          # more than HELLO_MOST_BYTES
    HELLO_BAD_LENGTH = 4        # a length that points outside what holds it, or is not allowed there
    HELLO_BAD_NAME = 5          # a server name that is none: empty, too long, other than letters, digits, - and _
    HELLO_TWICE = 6             # an extension that stands twice
    HELLO_REFUSALS = 7

cdef struct tlshello_t:
    uint32_t n_name             # 0 = it names no server
    uint32_t n_alpn             # 0 = it names no protocol
    uint8_t name[HELLO_NAME_MOST]   # the first host name, lower case
    uint8_t alpn[HELLO_ALPN_MOST]   # names of protocols in the client's order, a byte of length before each

# Read a hello at p, which may be split over records. > 0: its bytes on the wire; 0: more are needed; < 0: -hello_refusal_t, and
# hello says nothing then. Looks at nothing beyond n_bytes, keeps nothing between two calls.
cdef int tlshello_read(const uint8_t* p, uint32_t n_bytes, tlshello_t* hello) noexcept nogil
