"""Puts keys and policies in front of pytest and pytest-benchmark. Not in wheels."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from nginy._fast.base.layout cimport NO_INDEX
from nginy._fast.base.limits cimport MAX_TRIED
from nginy._fast.choices cimport Choices, Visit
from nginy._fast.mem.hash cimport hash_bytes
from nginy._fast.mem.siphash cimport siphash
from nginy._fast.policy.choose cimport attempt_t, policy_choose
from nginy._fast.policy.route cimport route_find
from nginy._fast.policy.readings cimport READING_MOST, reading_bytes, reading_is_open, reading_lenient, reading_strict
from nginy._fast.policy.site cimport site_find, site_found_t
from nginy._fast.policy.siteblock cimport site_checksum
from nginy._fast.policy.snapshot cimport snapshot_listener, snapshot_read, snapshot_t
from nginy._fast.sites cimport Request, Site
from nginy._fast.wire.http1 cimport head_t, http1_request, span_t


cdef class Chooser(Choices):
    """Choices with what only tests and benchmarks ask for."""

    def has_table(self, uint32_t pool):
        return self.chooser.tables[pool].base != NULL

    def choose(self, uint32_t pool, key=b"", tried=(), uint64_t now_ms=1, Visit visit=None):
        """Backend id, or a negative reason code. key: taken as hashed already, unless there is a visit."""
        cdef attempt_t attempt
        cdef bytes kept = key
        cdef uint32_t i
        cdef int at
        memset(&attempt, 0, sizeof(attempt))
        if visit is None:
            attempt.key_hash = hash_bytes(<const uint8_t*>kept, len(kept), 0)
            attempt.is_hashed = True
        else:
            attempt.visit = &visit.visit
        attempt.now_ms = now_ms
        attempt.n_tried = min(len(tried), MAX_TRIED)
        for i in range(attempt.n_tried):
            attempt.tried[i] = tried[i]
        at = policy_choose(&self.chooser, &self.snapshot, pool, &attempt)
        return at if at < 0 else self.snapshot.backends[at].id

    def churn(self, uint32_t pool, uint32_t n):
        """Choose n times with keys 0..n-1; the sum of positions, for benchmarks."""
        cdef attempt_t attempt
        cdef uint32_t i
        cdef int64_t total = 0
        memset(&attempt, 0, sizeof(attempt))
        attempt.now_ms = 1
        attempt.is_hashed = True
        for i in range(n):
            attempt.key_hash = hash_bytes(<const uint8_t*>&i, 4, 0)
            total += policy_choose(&self.chooser, &self.snapshot, pool, &attempt)
        return total


def route_of(bytes block, uint32_t listener, bytes name):
    """Pool id that a listener sends a server name to, or None."""
    cdef snapshot_t s
    cdef uint32_t pool
    if snapshot_read(&s, <const uint8_t*>block, len(block)) < 0:
        raise ValueError("unsound snapshot")
    pool = route_find(&s, snapshot_listener(&s, listener), <const uint8_t*>name, <uint32_t>len(name))
    return None if pool == NO_INDEX else pool


def siphash_of(bytes key, bytes text):
    """SipHash-2-4 of a text, with a key of 16 bytes."""
    cdef uint64_t words[2]
    memcpy(words, <const uint8_t*>key, 16)
    return siphash(words, <const uint8_t*>text, len(text))


def request_of(bytes message):
    """The request that a message is, read as a worker does. Errors: ValueError for none."""
    cdef Request request = Request()
    request.bytes = message
    if http1_request(<const uint8_t*>message, <uint32_t>len(message), 0, &request.head) <= 0:
        raise ValueError(f"{message!r} is no request")
    return request


cdef struct asked_t:
    uint32_t at                 # of its bytes among all
    span_t host
    span_t path
    span_t query
    uint8_t method


def site_churn(Site site, list requests, uint32_t n):
    """Look up n of these requests, one after the other; the sum of their routes, for benchmarks.

    Their bytes are read in order through one head, as a worker's own is: just parsed, in its cache. Headers are left out.
    """
    cdef uint32_t n_asked = <uint32_t>len(requests)
    cdef asked_t* asked = <asked_t*>calloc(max(n_asked, 1), sizeof(asked_t))
    cdef bytes kept = b"".join([(<Request>request).bytes for request in requests])
    cdef const uint8_t* p = <const uint8_t*>kept
    cdef Request request
    cdef site_found_t found
    cdef head_t head
    cdef uint32_t i, _turn
    cdef uint32_t at = 0
    cdef int64_t total = 0
    if asked == NULL:
        raise MemoryError
    for i in range(n_asked):
        request = requests[i]
        asked[i].at, asked[i].method = at, request.head.method
        asked[i].host, asked[i].path, asked[i].query = request.head.host, request.head.path, request.head.query
        at += <uint32_t>len(request.bytes)
    memset(&head, 0, sizeof(head))
    at = 0
    with nogil:
        for _turn in range(n):
            head.host, head.path, head.query = asked[at].host, asked[at].path, asked[at].query
            head.method = asked[at].method
            if site_find(&site.site, p + asked[at].at, &head, &found) == 0:
                total += found.route
            at = at + 1 if at + 1 < n_asked else 0
    free(asked)
    return total


def site_sum(bytes block):
    """The checksum that a site's block has to carry."""
    return site_checksum(<const uint8_t*>block, len(block))


def readings_of(uint64_t address, uint32_t n):
    """(is open, strict, lenient) of a path at an address; None for one that nobody should read."""
    cdef const uint8_t* path = <const uint8_t*>address
    cdef uint8_t to[READING_MOST]
    cdef int n_strict, n_lenient
    n_strict = reading_strict(path, n, to)
    strict = None if n_strict < 0 else to[:n_strict]
    n_lenient = reading_lenient(path, n, to)
    return reading_is_open(path, n), strict, None if n_lenient < 0 else to[:n_lenient]


def bytes_of_reading(bytes path, uint32_t n_read):
    """How many bytes of a path stand for the first n_read of its strict reading."""
    return reading_bytes(<const uint8_t*>path, <uint32_t>len(path), n_read)
