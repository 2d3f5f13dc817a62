# What Python sees of a chooser; test modules extend it.
from libc.stdint cimport uint8_t, uint32_t
from nginy._fast.policy.choose cimport chooser_t
from nginy._fast.policy.key cimport key_t, visit_t
from nginy._fast.policy.snapshot cimport snapshot_t
from nginy._fast.sites cimport Request

cdef class Visit:
    cdef visit_t visit          # its pointers lead into the fields below
    cdef key_t session
    cdef bytes name, received, session_bytes
    cdef Request request

    cdef uint8_t address(self, uint8_t* to, bytes ip) except 255

cdef class Choices:
    cdef chooser_t chooser
    cdef snapshot_t snapshot    # of block
    cdef bytes block
    cdef uint32_t* in_flight    # owned; by backend id
    cdef uint32_t* load_ms      # owned; by backend id
    cdef dict tables            # pool id to the block that the chooser looks at

    cdef uint32_t known(self, backend) except? 4294967295
