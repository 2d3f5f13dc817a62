"""Puts keys and policies in front of pytest and pytest-benchmark. Not in wheels."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset
from nginy._fast.base.layout cimport NO_INDEX
from nginy._fast.base.limits cimport MAX_TRIED
from nginy._fast.choices cimport Choices, Visit
from nginy._fast.mem.hash cimport hash_bytes
from nginy._fast.policy.choose cimport attempt_t, policy_choose
from nginy._fast.policy.route cimport route_find
from nginy._fast.policy.snapshot cimport snapshot_listener, snapshot_read, snapshot_t


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
