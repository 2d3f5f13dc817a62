# What control tells workers of certificates: a sealed block of its own, so that keys are in no snapshot. It changes with
# LAYOUT_VERSION. And what workers count.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    TLS_MAGIC = 0x4e475443
    TLS_MOST_BYTES = 67108864   # of a block
    TLS_MOST_CERTS = 4096
    TLS_MOST_NAMES = 65536
    TICKET_KEYS = 3             # the newest makes tickets, all are accepted
    SESSION_ID_BYTES = 16

cdef enum:                      # tls_verify_t: certificates of clients
    VERIFY_OFF = 0
    VERIFY_OPTIONAL = 1
    VERIFY_REQUIRED = 2

cdef enum:                      # tls_failure_t: why a handshake failed
    TLS_NO_TLS = 0              # what came was no TLS
    TLS_HTTP = 1                # it was a request in the clear
    TLS_VERSION = 2             # none in common
    TLS_CIPHER = 3              # none in common
    TLS_ALPN = 4                # none in common
    TLS_NAME = 5                # no certificate has the name that was asked for, and the listener is strict
    TLS_CLIENT_CERT = 6         # missing, or not trusted
    TLS_ALERT = 7               # the client refused: an alert of its own
    TLS_GONE = 8                # the client left
    TLS_TIMEOUT = 9
    TLS_LOCAL = 10              # no memory, no certificate
    TLS_OTHER = 11
    TLS_FAILURE_COUNT = 12

cdef struct tls_header_t:
    uint32_t magic
    uint32_t version
    uint64_t length_bytes
    uint64_t checksum           # hash_bytes of the block with this field 0
    uint32_t n_certs
    uint32_t n_fronts
    uint32_t n_names
    uint32_t off_certs
    uint32_t off_fronts
    uint32_t off_names
    uint32_t n_tickets
    uint32_t off_tickets

cdef struct tls_text_t:         # bytes in the block; a text ends with a zero, which n counts
    uint32_t off
    uint32_t n                  # 0 = none

cdef struct tls_cert_t:
    tls_text_t chain            # PEM, the certificate first
    tls_text_t key              # PEM

cdef struct tls_name_t:
    uint64_t hash               # hash_bytes of the name, seed 0, lower case; of `*.example.org` what follows the asterisk's dot
    uint32_t cert
    uint16_t n_bytes
    uint16_t is_suffix

cdef struct tls_front_t:        # of a listener
    uint32_t listener           # id
    uint32_t cert               # for whoever names none
    uint32_t first_name
    uint32_t n_names
    tls_text_t ciphers          # of TLS 1.2; none: ours
    tls_text_t suites           # of TLS 1.3; none: OpenSSL's
    tls_text_t authorities      # PEM: who may sign certificates of clients
    tls_text_t alpn             # as in the handshake; none: whatever the client offers is passed over
    uint16_t min_version        # TLS1_2_VERSION, TLS1_3_VERSION
    uint8_t verify              # tls_verify_t
    uint8_t is_strict           # a name that no certificate has is refused
    uint8_t session_id[SESSION_ID_BYTES]    # a session is resumed only where this is the same
    uint32_t reserved

cdef struct tls_ticket_t:       # a key for session tickets
    uint8_t name[16]
    uint8_t cipher[32]
    uint8_t mac[32]

cdef struct tls_row_t:          # 256 bytes; one per listener, zero without TLS
    uint64_t seq
    uint64_t handshakes         # that succeeded
    uint64_t resumed            # of them, without a key exchange's signature
    uint64_t failures[TLS_FAILURE_COUNT]
    uint64_t reserved[29 - TLS_FAILURE_COUNT]
