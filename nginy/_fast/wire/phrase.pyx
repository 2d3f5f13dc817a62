"""Phrase: one table for all that nginy answers itself."""

from libc.stdint cimport uint32_t


cdef const char* phrase_of_redirect(uint32_t status) noexcept nogil:
    if status == 301:
        return b" Moved Permanently"
    if status == 302:
        return b" Found"
    if status == 303:
        return b" See Other"
    if status == 307:
        return b" Temporary Redirect"
    if status == 308:
        return b" Permanent Redirect"
    return b" "


cdef const char* phrase_of_refusal(uint32_t status) noexcept nogil:
    if status == 400:
        return b" Bad Request"
    if status == 403:
        return b" Forbidden"
    if status == 404:
        return b" Not Found"
    if status == 405:
        return b" Method Not Allowed"
    if status == 408:
        return b" Request Timeout"
    if status == 410:
        return b" Gone"
    if status == 413:
        return b" Content Too Large"
    if status == 414:
        return b" URI Too Long"
    if status == 429:
        return b" Too Many Requests"
    if status == 431:
        return b" Request Header Fields Too Large"
    return b" "


cdef const char* phrase_of_failure(uint32_t status) noexcept nogil:
    if status == 502:
        return b" Bad Gateway"
    if status == 503:
        return b" Service Unavailable"
    if status == 504:
        return b" Gateway Timeout"
    if status == 505:
        return b" HTTP Version Not Supported"
    return b" "


cdef const char* http_phrase(uint32_t status) noexcept nogil:
    if status == 200:
        return b" OK"
    if status < 400:
        return phrase_of_redirect(status)
    return phrase_of_refusal(status) if status < 500 else phrase_of_failure(status)
