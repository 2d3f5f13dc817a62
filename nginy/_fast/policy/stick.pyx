"""Stick: tags of a pool lie sorted in the snapshot."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy
from nginy._fast.base.layout cimport NO_INDEX, STICKY_INSERT, snap_cid_t, snap_sticky_t
from nginy._fast.mem.siphash cimport siphash
from nginy._fast.policy.snapshot cimport snapshot_t
from nginy._fast.wire.cookie cimport cookie_t

cdef enum:                      # what a hash is for, behind what it is of
    FOR_TAG = 1
    FOR_SIGNATURE = 2
    WORD_DIGITS = 16


cdef uint64_t hashed(const uint64_t* secret, uint64_t word, uint8_t purpose) noexcept nogil:
    cdef uint8_t text[9]
    memcpy(text, &word, 8)
    text[8] = purpose
    return siphash(secret, text, 9)


cdef uint64_t stick_tag(const uint64_t* secret, uint64_t node) noexcept nogil:
    return hashed(secret, node, FOR_TAG)


cdef void write_word(uint8_t* to, uint64_t word) noexcept nogil:
    cdef const char* digits = b"0123456789abcdef"
    cdef int i
    for i in range(WORD_DIGITS):
        to[i] = <uint8_t>digits[word >> 60]
        word <<= 4


cdef bint read_word(const uint8_t* p, uint64_t* word) noexcept nogil:
    cdef int i
    word[0] = 0
    for i in range(WORD_DIGITS):
        word[0] <<= 4
        if c'0' <= p[i] <= c'9':
            word[0] |= p[i] - c'0'
        elif c'a' <= p[i] <= c'f':
            word[0] |= p[i] - c'a' + 10
        else:
            return False
    return True


cdef void stick_write(const snap_sticky_t* sticky, uint64_t node, uint8_t* to) noexcept nogil:
    cdef uint64_t tag = stick_tag(sticky.secret, node)
    write_word(to, tag)
    write_word(to + WORD_DIGITS, hashed(sticky.secret, tag, FOR_SIGNATURE))


cdef const uint8_t* stick_at(const snap_sticky_t* sticky, const uint8_t* pairs, const cookie_t* cookie) noexcept nogil:
    cdef const uint8_t* value = pairs + cookie.value
    if sticky.kind == STICKY_INSERT:
        return value if cookie.n_value == STICK_BYTES else NULL
    return value if cookie.n_value > STICK_BYTES and value[STICK_BYTES] == STICK_MARK else NULL


cdef bint stick_read(const snap_sticky_t* sticky, const uint8_t* p, uint64_t* tag) noexcept nogil:
    cdef uint64_t signature
    if not read_word(p, tag) or not read_word(p + WORD_DIGITS, &signature):
        return False
    return signature == hashed(sticky.secret, tag[0], FOR_SIGNATURE)


cdef uint32_t stick_find(const snapshot_t* s, const snap_sticky_t* sticky, uint64_t tag) noexcept nogil:
    cdef const snap_cid_t* tags = s.cids + sticky.first_tag
    cdef uint32_t low = 0
    cdef uint32_t high = sticky.n_tags
    cdef uint32_t mid
    while low < high:
        mid = (low + high) // 2
        if tags[mid].id < tag:
            low = mid + 1
        else:
            high = mid
    return tags[low].backend if low < sticky.n_tags and tags[low].id == tag else <uint32_t>NO_INDEX
