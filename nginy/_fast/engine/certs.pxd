# Certificates: a block of control's becomes contexts of OpenSSL, and a name becomes a certificate.
from libc.stdint cimport uint32_t, uint64_t, uint8_t
from nginy._fast.engine.secrets cimport secrets_t
from nginy._fast.engine.types cimport worker_t

# Of a block, with its own field as 0.
cdef uint64_t secrets_checksum(const uint8_t* base, uint64_t n_bytes) noexcept nogil

# Make what a block says. 0, or -refusal_t with nothing held. Milliseconds for each certificate; nothing waits for anything.
cdef int secrets_make(secrets_t* out, const uint8_t* block, uint64_t n_bytes) noexcept nogil
cdef void secrets_drop(secrets_t* s) noexcept nogil

# The worker goes by this block from now on; sessions that are there live on. 0 or -refusal_t: the one before stays. fd: the
# caller's.
cdef int tls_adopt(worker_t* w, int fd) noexcept nogil
cdef void tls_shut(worker_t* w) noexcept nogil
