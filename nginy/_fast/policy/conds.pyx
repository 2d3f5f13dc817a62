"""Conditions: each is one pass over the fields or the query; the first that does not fit ends it."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp
from nginy._fast.policy.site cimport COND_HEADER, COND_METHOD, site_cond_t, site_pick_t, site_t, text_t
from nginy._fast.wire.http1 cimport METHOD_OTHER, head_t


cdef inline uint8_t lower(uint8_t c) noexcept nogil:
    return c | 0x20 if 0x41 <= c <= 0x5a else c


cdef bint is_name(const site_t* site, const text_t* name, const uint8_t* p, uint32_t n) noexcept nogil:
    cdef const uint8_t* mine = site.texts + name.off
    cdef uint32_t i
    if n != name.n:
        return False
    for i in range(n):
        if lower(p[i]) != mine[i]:
            return False
    return True


# names: each with a space behind it; a method has none in it.
cdef bint is_among(const uint8_t* names, uint32_t n_names, const uint8_t* p, uint32_t n) noexcept nogil:
    cdef uint32_t begin = 0
    cdef uint32_t i
    for i in range(n_names):
        if names[i] == b' ':
            if i - begin == n and memcmp(names + begin, p, n) == 0:
                return True
            begin = i + 1
    return False


cdef bint method_fits(const site_t* site, const site_cond_t* c, const uint8_t* p, const head_t* head) noexcept nogil:
    if head.method != METHOD_OTHER:
        return (c.mask >> head.method) & 1
    return is_among(site.texts + c.name.off, c.name.n, p + head.method_name.at, head.method_name.n)


cdef bint header_fits(const site_t* site, const site_cond_t* c, const uint8_t* p, const head_t* head) noexcept nogil:
    cdef uint32_t i
    for i in range(head.n_fields):
        if not is_name(site, &c.name, p + head.fields[i].name.at, head.fields[i].name.n):
            continue
        if not c.has_value:
            return True
        if head.fields[i].value.n == c.value.n and memcmp(
            p + head.fields[i].value.at, site.texts + c.value.off, c.value.n
        ) == 0:
            return True
    return False


cdef inline int digit_of(uint8_t c) noexcept nogil:
    if 0x30 <= c <= 0x39:
        return c - 0x30
    c |= 0x20
    return c - 0x61 + 10 if 0x61 <= c <= 0x66 else -1


# Whether a part of a query, decoded (`+` is a space, a broken escape itself), is this text.
cdef bint is_decoded(const uint8_t* p, uint32_t n, const uint8_t* text, uint32_t n_text) noexcept nogil:
    cdef uint32_t i = 0
    cdef uint32_t k = 0
    cdef uint8_t c
    while i < n:
        c = p[i]
        if c == b'+':
            c = b' '
        elif c == b'%' and n - i >= 3 and digit_of(p[i + 1]) >= 0 and digit_of(p[i + 2]) >= 0:
            c = <uint8_t>(digit_of(p[i + 1]) * 16 + digit_of(p[i + 2]))
            i += 2
        i += 1
        if k == n_text or text[k] != c:
            return False
        k += 1
    return k == n_text


cdef uint32_t until(const uint8_t* p, uint32_t n, uint8_t c) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        if p[i] == c:
            return i
    return n


cdef bint query_fits(const site_t* site, const site_cond_t* c, const uint8_t* p, uint32_t n) noexcept nogil:
    cdef uint32_t at = 0
    cdef uint32_t n_argument, n_name
    while at < n:
        n_argument = until(p + at, n - at, b'&')
        n_name = until(p + at, n_argument, b'=')
        if n_argument and is_decoded(p + at, n_name, site.texts + c.name.off, c.name.n):
            if not c.has_value:
                return True
            n_name = min(n_name + 1, n_argument)
            if is_decoded(p + at + n_name, n_argument - n_name, site.texts + c.value.off, c.value.n):
                return True
        at += n_argument + 1
    return False


cdef bint conds_fit(const site_t* site, const site_pick_t* pick, const uint8_t* p, const head_t* head) noexcept nogil:
    cdef const site_cond_t* c
    cdef uint32_t i
    cdef bint fits
    for i in range(pick.first_cond, pick.first_cond + pick.n_conds):
        c = &site.conds[i]
        if c.kind == COND_METHOD:
            fits = method_fits(site, c, p, head)
        elif c.kind == COND_HEADER:
            fits = header_fits(site, c, p, head)
        else:
            fits = query_fits(site, c, p + head.query.at, head.query.n)
        if not fits:
            return False
    return True
