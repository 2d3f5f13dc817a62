# Parts of the snapshot that say where a session goes before a backend of a pool is chosen. They change with LAYOUT_VERSION.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef enum:                      # preread_kind_t: what is waited for before a backend is chosen
    PREREAD_OFF = 0
    PREREAD_BYTES = 1           # so many bytes
    PREREAD_HELLO = 2           # a TLS ClientHello, or what cannot be one

cdef struct snap_preread_t:
    uint32_t wait_ms            # that a client has for it
    uint16_t n_bytes            # PREREAD_BYTES
    uint8_t kind                # preread_kind_t
    uint8_t reserved
