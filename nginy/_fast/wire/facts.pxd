# What the fields of a head say to a proxy (RFC 9110, section 7; RFC 9112, sections 3.2, 6 and 9), as they come and together.
from libc.stdint cimport uint8_t, uint16_t
from nginy._fast.wire.http1 cimport field_t, head_t

cdef struct facts_t:            # what fields say until all of them are read
    uint16_t host               # index of the field + 1; 0 = none
    uint16_t n_options          # of Connection
    bint is_close
    bint is_keep_alive
    bint is_upgrade             # Connection: upgrade
    bint is_naming              # Connection names fields
    bint has_upgrade            # to a protocol that may be passed on
    bint is_plain_http2         # Upgrade: h2c, which would hide requests from everybody between
    bint is_continue            # Expect: 100-continue
    bint has_coding

# Note what a field that means something says, before it is counted in head.n_fields. 0, or -http_refusal_t.
cdef int field_note(const uint8_t* p, head_t* head, const field_t* field, facts_t* facts) noexcept nogil

# When all fields are noted: body, host, connection and expectation of a head, fields that Connection names. 0, or
# -http_refusal_t. Before: start line and method are read.
cdef int request_settle(const uint8_t* p, head_t* head, const facts_t* facts) noexcept nogil
cdef int response_settle(const uint8_t* p, head_t* head, const facts_t* facts) noexcept nogil
