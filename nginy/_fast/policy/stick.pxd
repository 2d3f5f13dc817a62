# What a sticky cookie says of a backend: a tag that is made of its address, so that it is the same on every machine with the
# secret and tells nobody the address, and a signature of the tag. Both are 64 bits of SipHash with the pool's key.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp
from nginy._fast.base.layout cimport snap_sticky_t
from nginy._fast.policy.snapshot cimport snapshot_t
from nginy._fast.wire.cookie cimport cookie_t

cdef enum:
    STICK_BYTES = 32            # hexadecimal digits: tag, signature
    STICK_MARK = 0x7e           # '~': between them and what an application says

# node: snap_backend_t.node_hash.
cdef uint64_t stick_tag(const uint64_t* secret, uint64_t node) noexcept nogil

# Write STICK_BYTES digits.
cdef void stick_write(const snap_sticky_t* sticky, uint64_t node, uint8_t* to) noexcept nogil

# Whether a pair has the name of the pool's cookie.   pairs: the value of the field that it stands in.
cdef inline bint stick_is_named(const snap_sticky_t* sticky, const uint8_t* pairs, const cookie_t* cookie) noexcept nogil:
    return cookie.n_name == sticky.n_name and memcmp(pairs + cookie.name, sticky.name, sticky.n_name) == 0

# STICK_BYTES in a pair of this name that may name a backend; NULL: it has another form.
cdef const uint8_t* stick_at(const snap_sticky_t* sticky, const uint8_t* pairs, const cookie_t* cookie) noexcept nogil

# Whether STICK_BYTES at p are signed with the pool's key; *tag: what they say.
cdef bint stick_read(const snap_sticky_t* sticky, const uint8_t* p, uint64_t* tag) noexcept nogil

# The id of the pool's backend with this tag, NO_INDEX: it has none.
cdef uint32_t stick_find(const snapshot_t* s, const snap_sticky_t* sticky, uint64_t tag) noexcept nogil
