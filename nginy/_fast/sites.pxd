# Sites from Python: the look-up of a worker over the same block, for requests that are made up.
from nginy._fast.policy.site cimport site_found_t, site_t
from nginy._fast.wire.http1 cimport head_t, span_t


cdef class Request:
    cdef bytes bytes            # what the spans of the head are in
    cdef head_t head
    cdef span_t span(self, bytes given) except *


cdef class Site:
    cdef bytes block
    cdef site_t site
    cdef site_found_t found(self, Request request) except *
