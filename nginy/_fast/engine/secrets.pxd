# What a worker keeps for TLS: nothing until a block with certificates comes.
from libc.stdint cimport uint16_t, uint32_t, uint64_t, uint8_t
from nginy._fast.base.tls cimport TICKET_KEYS, tls_name_t, tls_ticket_t
from nginy._fast.net.secure cimport secure_t

cdef struct front_t:            # of a listener
    void* ctx                   # owned; NULL = no TLS
    uint32_t first_name
    uint32_t n_names
    uint8_t is_strict
    uint8_t is_verified         # clients show certificates
    uint8_t n_alpn
    uint8_t alpn[256]           # as in the handshake

cdef struct secrets_t:          # made of one block; an SSL holds on to what it uses, so that this may be replaced at any time
    front_t* fronts             # owned; MAX_LISTENERS, by listener id
    void** certs                # owned; a context each, NULL = none
    tls_name_t* names           # owned
    uint32_t n_certs
    uint32_t n_names
    uint32_t n_tickets
    tls_ticket_t tickets[TICKET_KEYS]

cdef struct tls_t:
    secrets_t secrets
    secure_t* legs              # owned; two for each session; NULL until TLS is wanted
    uint64_t n_bytes            # of them
