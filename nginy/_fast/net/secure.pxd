# TLS over one socket: what an SSL of OpenSSL needs to read and write it. Nothing here blocks.
from libc.stdint cimport uint8_t, uint32_t

cdef struct secure_t:
    void* ssl                   # owned; NULL = none
    void* user                  # whose it is
    int fd                      # of a leg
    uint32_t front              # listener id
    int error                   # of the socket in the running call, -errno; 0 = none
    uint8_t is_eager            # a short receive does not say that the socket is drained
    uint8_t is_drained          # it is, as far as the last call saw
    uint8_t is_cut              # the socket's end came without close_notify
    uint8_t is_ended            # close_notify came
    uint8_t is_broken           # good for nothing any more
    uint8_t is_finished         # close_notify was sent
    uint8_t reserved[2]

# The library, and what is needed of it: as openssl_load.
cdef int secure_load() noexcept nogil

# What an SSL belongs to, in calls of OpenSSL's own.
cdef secure_t* secure_of_ssl(const void* ssl) noexcept nogil

# An SSL of ctx over x.fd; x must stay where it is. 0 or -ENOMEM.
cdef int secure_open(secure_t* x, void* ctx, bint is_client) noexcept nogil
cdef void secure_close(secure_t* x) noexcept nogil

# 1 = done, -EAGAIN = wait for bytes or room, -EPROTO = failed; then code is OpenSSL's reason, 0 = the peer is gone.
cdef int secure_shake(secure_t* x, unsigned long* code) noexcept nogil

# As sock_recv, sock_peek and sock_send, of what is inside. 0 = close_notify came; an end without it: -ECONNRESET.
# -EINPROGRESS: a receive that has to send something first, and waits for room.
cdef ssize_t secure_recv(secure_t* x, uint8_t* to, size_t n) noexcept nogil
cdef ssize_t secure_peek(secure_t* x, uint8_t* to, size_t n) noexcept nogil
cdef ssize_t secure_send(secure_t* x, const uint8_t* from_, size_t n) noexcept nogil

# Say close_notify, once. 0, or -EAGAIN: no room for it now.
cdef int secure_finish(secure_t* x) noexcept nogil

# Whether a receive may find something that the poller does not tell of.
cdef bint secure_is_pending(const secure_t* x) noexcept nogil
