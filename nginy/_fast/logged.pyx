"""Logged: access records as tuples of Python, and the widest row of the board."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from nginy._fast.base.board cimport SPAN_BUCKETS, TEXT_COUNT, access_record_t, http_pool_row_t, request_record_t
from nginy._fast.base.layout cimport NO_INDEX

import socket


cdef format_client(const uint8_t* address, int family, int port):
    ip = bytes(address[:16])
    if family == 4:
        return f"{socket.inet_ntop(socket.AF_INET, ip[:4])}:{port}"
    if family == 6:
        return f"[{socket.inet_ntop(socket.AF_INET6, ip)}]:{port}"
    return "unix:"


cdef number_or_none(uint32_t number):
    return -1 if number == NO_INDEX else number


cdef tuple request_numbers(const request_record_t* r):
    return (
        r.end_wall_ms, r.listener, number_or_none(r.backend), format_client(r.client_ip, r.client_family, r.client_port),
        r.bytes_in, r.bytes_out, r.connect_us, r.duration_us, r.attempts, r.reason, number_or_none(r.pool),
        number_or_none(r.route), r.status, r.own - 1, -1 if r.first_us == <uint64_t>-1 else r.first_us, r.minor,
        bool(r.is_reused), r.cuts,
    )


# What a broken worker says of their lengths is not believed.
cdef tuple request_texts(const request_record_t* r):
    cdef uint32_t at = sizeof(request_record_t)
    cdef uint32_t i, n
    texts = []
    for i in range(TEXT_COUNT):
        n = min(r.n_texts[i], r.n_bytes - at)
        texts.append((<const uint8_t*>r)[at:at + n])
        at += n
    return tuple(texts)


cdef tuple access_fields(const access_record_t* r):
    return (
        r.end_wall_ms, r.listener, number_or_none(r.backend), format_client(r.client_ip, r.client_family, r.client_port),
        r.bytes_in, r.bytes_out, r.connect_us, r.duration_ms, r.attempts, r.reason,
    )


cdef tuple request_fields(const request_record_t* r):
    return (*request_numbers(r), *request_texts(r), f"{r.id[0]:016x}{r.id[1]:016x}")


cdef dict http_pool_fields(const http_pool_row_t* row):
    return {
        "responses": tuple(row.responses[i] for i in range(5)), "own": row.own, "unanswered": row.unanswered,
        "cut": row.cut, "retried": row.retried, "reused": row.reused, "bytes_in": row.bytes_in,
        "sticky": {"kept": row.sticky_kept, "moved": row.sticky_moved, "set": row.sticky_set, "forged": row.sticky_forged},
        "loads_refused": row.loads_refused,
        "bytes_out": row.bytes_out, "first_us_sum": row.first_us_sum, "total_us_sum": row.total_us_sum,
        "first_hist": tuple(row.first_hist[i] for i in range(SPAN_BUCKETS + 1)),
        "total_hist": tuple(row.total_hist[i] for i in range(SPAN_BUCKETS + 1)),
    }
