# Readings of a request's path. Servers differ in what they make of escapes, doubled slashes, backslashes and parameters, so a
# path has two: as a strict one reads it, and as the most lenient does. Where both lead to one route, nothing is unclear.
# Source: RFC 3986, sections 3.3 and 6.2.2.
from libc.stdint cimport uint8_t, uint32_t
from nginy._fast.wire.http1 cimport HEAD_MOST_BYTES

cdef enum:
    READING_MOST = HEAD_MOST_BYTES

# Whether a path may have more than one reading: it has `%`, `;`, `\`, or a slash before a slash or a dot. Exact for the first
# three and the doubled slash; of the dot it only says that somebody has to look.
cdef bint reading_is_open(const uint8_t* p, uint32_t n) noexcept nogil

# As a strict server reads it: escapes decoded, but for that of a slash, which stays. to: READING_MOST bytes. Returns its
# bytes, or -1 for what nobody should read: a broken escape, an escaped NUL.
cdef int reading_strict(const uint8_t* p, uint32_t n, uint8_t* to) noexcept nogil

# As the most lenient one does: everything decoded, backslashes are slashes, several are one, parameters of a segment (from its
# semicolon on) are cut. Returns its bytes, or -1 for a segment that is `.` or `..` in this reading, and as above.
cdef int reading_lenient(const uint8_t* p, uint32_t n, uint8_t* to) noexcept nogil

# How many bytes of the path as it came stand for the first n_read of its strict reading.
cdef uint32_t reading_bytes(const uint8_t* p, uint32_t n, uint32_t n_read) noexcept nogil
