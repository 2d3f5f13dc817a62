"""Puts the readers and writers of HTTP in front of pytest and pytest-benchmark. Not in wheels."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from nginy._fast.wire.http1 cimport (
    HEAD_MOST_BYTES, HEAD_MOST_FIELDS, METHOD_GET, head_t, http1_request, http1_response, span_t,
)

MOST_BYTES, MOST_FIELDS = HEAD_MOST_BYTES, HEAD_MOST_FIELDS


cdef bytes cut(const uint8_t* p, span_t span):
    return p[span.at:span.at + span.n]


cdef list fields_of(const uint8_t* p, const head_t* head):
    return [
        (cut(p, head.fields[i].name), cut(p, head.fields[i].value), head.fields[i].kind, bool(head.fields[i].is_hop))
        for i in range(head.n_fields)
    ]


cdef dict shown(const uint8_t* p, const head_t* head):
    return {
        "n_bytes": head.n_bytes, "minor": head.minor, "body": head.body, "body_bytes": head.body_bytes,
        "is_kept": bool(head.is_kept), "is_upgrade": bool(head.is_upgrade), "is_expecting": bool(head.is_expecting),
        "takes_trailers": bool(head.takes_trailers), "has_length": bool(head.has_length), "method": head.method,
        "fields": fields_of(p, head),
    }


def request(size_t address, uint32_t n, uint32_t n_seen=0):
    """(what http1_request returns, what the head says or None) of n bytes at an address."""
    cdef const uint8_t* p = <const uint8_t*>address
    cdef head_t head
    code = http1_request(p, n, n_seen, &head)
    if code <= 0:
        return code, None
    return code, shown(p, &head) | {
        "method_name": cut(p, head.method_name), "target_form": head.target_form, "target": cut(p, head.target),
        "path": cut(p, head.path), "query": cut(p, head.query) if head.has_query else None, "host": cut(p, head.host),
    }


def response(size_t address, uint32_t n, uint32_t n_seen=0, uint8_t method=METHOD_GET):
    """(what http1_response returns, what the head says or None) of n bytes at an address."""
    cdef const uint8_t* p = <const uint8_t*>address
    cdef head_t head
    code = http1_response(p, n, n_seen, method, &head)
    return code, shown(p, &head) | {"status": head.status, "reason": cut(p, head.reason)} if code > 0 else None


def requests(const uint8_t[::1] heads, uint32_t turns=1):
    """Read pipelined heads one after another, the row of them so many times; how many there were."""
    cdef head_t head
    cdef uint32_t at, _turn
    cdef uint64_t n = 0
    cdef int code
    for _turn in range(turns):
        at = 0
        while at < heads.shape[0]:
            code = http1_request(&heads[at], <uint32_t>heads.shape[0] - at, 0, &head)
            if code <= 0:
                raise ValueError(f"{code} at {at}")
            at += <uint32_t>code
            n += 1
    return n
