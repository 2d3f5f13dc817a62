"""Edits: each is looked at once, when it comes, so that writers need not."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy
from nginy._fast.wire.field cimport field_kind
from nginy._fast.wire.http1 cimport (
    FIELD_CONNECTION, FIELD_CONTENT_LENGTH, FIELD_EXPECT, FIELD_HOST, FIELD_KEEP_ALIVE, FIELD_PROXY_CONNECTION, FIELD_TE,
    FIELD_TRAILER, FIELD_TRANSFER_ENCODING, FIELD_UPGRADE,
)
from nginy._fast.wire.http1write cimport EDIT_REMOVE, EDIT_SET, REWRITE_VARIABLES, edit_t
from nginy._fast.wire.octet cimport OCTET_NAME, OCTET_VALUE, octet_of


# What a writer itself says, or a connection.
cdef inline bint is_taken(uint8_t kind) noexcept nogil:
    return (
        1 << FIELD_HOST | 1 << FIELD_CONNECTION | 1 << FIELD_CONTENT_LENGTH | 1 << FIELD_TRANSFER_ENCODING
        | 1 << FIELD_UPGRADE | 1 << FIELD_EXPECT | 1 << FIELD_TE | 1 << FIELD_TRAILER | 1 << FIELD_KEEP_ALIVE
        | 1 << FIELD_PROXY_CONNECTION
    ) >> kind & 1


cdef bint name_is_sound(const uint8_t* p, uint32_t n) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        if not octet_of(p[i]) & OCTET_NAME:
            return False
    return n > 0 and not is_taken(field_kind(p, n))


# White space at an end would be read as none.
cdef bint value_is_sound(const uint8_t* p, uint32_t n) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        if not octet_of(p[i]) & OCTET_VALUE and not 0 < p[i] <= REWRITE_VARIABLES:
            return False
    return n == 0 or p[0] != c' ' and p[0] != c'\t' and p[n - 1] != c' ' and p[n - 1] != c'\t'


cdef bint edits_are_sound(const uint8_t* p, uint32_t n) noexcept nogil:
    cdef edit_t edit
    cdef uint32_t at = 0
    while at < n:
        if n - at < sizeof(edit_t):
            return False
        memcpy(&edit, p + at, sizeof(edit_t))
        at += <uint32_t>sizeof(edit_t)
        if not EDIT_SET <= edit.kind <= EDIT_REMOVE or n - at < <uint32_t>edit.n_name + edit.n_value:
            return False
        if not name_is_sound(p + at, edit.n_name) or not value_is_sound(p + at + edit.n_name, edit.n_value):
            return False
        at += <uint32_t>edit.n_name + edit.n_value
    return True
