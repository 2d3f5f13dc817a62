"""Cookie: a semicolon ends a pair even between quotes, as in every browser and most servers."""

from libc.stdint cimport uint8_t, uint32_t


cdef inline bint is_blank(uint8_t c) noexcept nogil:
    return c == c' ' or c == c'\t'


# The part from `from_` to `to` without the white space around it: where it begins, and its length in *n.
cdef uint32_t trimmed(const uint8_t* p, uint32_t from_, uint32_t to, uint32_t* n) noexcept nogil:
    while from_ < to and is_blank(p[from_]):
        from_ += 1
    while to > from_ and is_blank(p[to - 1]):
        to -= 1
    n[0] = to - from_
    return from_


cdef bint cookie_next(const uint8_t* p, uint32_t n, uint32_t* at, cookie_t* cookie) noexcept nogil:
    cdef uint32_t sign, end
    if at[0] >= n:
        return False
    cookie.begin = end = at[0]
    sign = n
    while end < n and p[end] != c';':
        if p[end] == c'=' and sign == n:
            sign = end
        end += 1
    cookie.end = end
    at[0] = end + 1
    if sign < end:
        cookie.name = trimmed(p, cookie.begin, sign, &cookie.n_name)
        cookie.value = trimmed(p, sign + 1, end, &cookie.n_value)
    else:
        cookie.name = cookie.value = trimmed(p, cookie.begin, end, &cookie.n_value)
        cookie.n_name = 0
    return True
