# Cookies of a request, read as servers read them: pairs between semicolons, whatever their bytes are (RFC 6265, section 4.2).
from libc.stdint cimport uint8_t, uint32_t

cdef struct cookie_t:           # offsets into the field's value
    uint32_t begin              # of the pair, white space before it included
    uint32_t end                # its semicolon, or the value's end
    uint32_t name
    uint32_t n_name
    uint32_t value              # without the white space around it; quotes belong to it
    uint32_t n_value

# The next pair of a value of n bytes; what has no equals sign is a value without a name, maybe an empty one. *at: where to go
# on, 0 at first. False: there are no more.
cdef bint cookie_next(const uint8_t* p, uint32_t n, uint32_t* at, cookie_t* cookie) noexcept nogil
