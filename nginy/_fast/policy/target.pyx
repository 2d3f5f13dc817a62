"""Targets: what a route makes of a request's path, without a byte moved until somebody writes it."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy
from nginy._fast.policy.site cimport site_found_t, site_route_t, site_t, text_t
from nginy._fast.wire.http1 cimport TARGET_ASTERISK, TARGET_AUTHORITY, head_t, span_t

cdef enum:
    SLASH = 0x2f

cdef struct writing_t:
    uint8_t* to
    uint32_t room
    uint32_t n
    bint is_short


cdef void target_make(const site_t* s, const site_found_t* f, const uint8_t* p, const head_t* head, target_t* t) noexcept nogil:
    cdef const site_route_t* route = &s.routes[f.route]
    cdef const char* slash = "/"
    cdef uint32_t n_off = f.n_matched if route.is_cut else 0
    t.put = s.texts + route.put.off
    t.n_put = route.put.n
    t.at = head.path.at + n_off
    t.n = head.path.n - n_off
    if head.target_form == TARGET_ASTERISK or head.target_form == TARGET_AUTHORITY:
        t.at, t.n, t.n_put = head.target.at, head.target.n, 0
        return
    if n_off or route.put.n:
        while t.n > 1 and p[t.at] == SLASH and p[t.at + 1] == SLASH:
            t.at += 1
            t.n -= 1
    if t.n + t.n_put == 0:
        t.put = <const uint8_t*>slash
        t.n_put = 1


cdef void write_bytes(writing_t* w, const uint8_t* p, uint32_t n) noexcept nogil:
    if w.is_short or n > w.room - w.n:
        w.is_short = True
        return
    memcpy(w.to + w.n, p, n)
    w.n += n


cdef void write_plain(writing_t* w, const char* text, uint32_t n) noexcept nogil:
    write_bytes(w, <const uint8_t*>text, n)


cdef void write_text(writing_t* w, const site_t* site, const text_t* text) noexcept nogil:
    write_bytes(w, site.texts + text.off, text.n)


# A host without its port, which belongs to the scheme that is left.
cdef uint32_t portless(const uint8_t* p, const span_t* host) noexcept nogil:
    cdef uint32_t n = host.n
    while n > 0 and 0x30 <= p[host.at + n - 1] <= 0x39:
        n -= 1
    return n - 1 if n > 0 and p[host.at + n - 1] == b':' else host.n


cdef void write_origin(
    writing_t* w, const site_t* site, const site_route_t* route, const uint8_t* p, const head_t* head, bint is_tls
) noexcept nogil:
    if route.scheme.n:
        write_text(w, site, &route.scheme)
        write_plain(w, "://", 3)
    elif is_tls:
        write_plain(w, "https://", 8)
    else:
        write_plain(w, "http://", 7)
    if route.host.n:
        write_text(w, site, &route.host)
    else:
        write_bytes(w, p + head.host.at, portless(p, &head.host) if route.scheme.n else head.host.n)


cdef int location_write(
    const site_t* site, const site_found_t* found, const uint8_t* p, const head_t* head, bint is_tls,
    uint8_t* to, uint32_t room
) noexcept nogil:
    cdef const site_route_t* route = &site.routes[found.route]
    cdef target_t target
    cdef writing_t w
    w.to, w.room, w.n, w.is_short = to, room, 0, False
    if route.location.n:
        write_text(&w, site, &route.location)
        return -1 if w.is_short else <int>w.n
    if route.host.n or head.host.n:     # HTTP/1.0 may say none: its own path then (RFC 9110, section 10.2.2)
        write_origin(&w, site, route, p, head, is_tls)
    if route.path.n:
        write_text(&w, site, &route.path)
    else:
        target_make(site, found, p, head, &target)
        write_bytes(&w, target.put, target.n_put)
        write_bytes(&w, p + target.at, target.n)
    if head.has_query:
        write_plain(&w, "?", 1)
        write_bytes(&w, p + head.query.at, head.query.n)
    return -1 if w.is_short else <int>w.n
