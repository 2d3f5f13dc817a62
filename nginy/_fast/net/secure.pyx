"""Secure: an SSL between a leg and its socket, with a BIO of our own, so that no write raises SIGPIPE and a short receive
saves the look at an empty socket."""

from libc.stdint cimport uint8_t
from nginy._fast.base.cdefs cimport (
    EAGAIN, ECONNRESET, EINPROGRESS, EINVAL, ENOMEM, EPROTO, ngy_load_int, ngy_store_int, unlikely,
)
from nginy._fast.net.openssl cimport (
    SSL_ERROR_SYSCALL, SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE, SSL_ERROR_ZERO_RETURN, openssl_load, ossl,
)
from nginy._fast.net.sock cimport sock_recv, sock_send

cdef enum:                      # bio.h
    BIO_CTRL_FLUSH = 11
    BIO_FLAGS_READ = 1
    BIO_FLAGS_WRITE = 2
    BIO_FLAGS_RETRY = 8
    BIO_FLAGS_ALL = 15
    MOST_BYTES = 1 << 30        # of one call

cdef void* method = NULL        # of our BIO; of this process
cdef int is_ready = 0


# ---- the BIO ----

cdef int bio_read(void* bio, char* to, int n) noexcept nogil:
    cdef secure_t* x = <secure_t*>ossl.BIO_get_data(bio)
    cdef ssize_t got = -EAGAIN
    ossl.BIO_clear_flags(bio, BIO_FLAGS_ALL)
    if not x.is_drained:
        got = sock_recv(x.fd, <uint8_t*>to, <size_t>n)
    if got > 0:
        x.is_drained = got < n and not x.is_eager
        return <int>got
    if got == -EAGAIN:
        x.is_drained = 1
        ossl.BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_RETRY)
        return -1
    if got == 0:
        x.is_cut = 1
        got = -ECONNRESET
    x.error = <int>got
    return -1


cdef int bio_write(void* bio, const char* from_, int n) noexcept nogil:
    cdef secure_t* x = <secure_t*>ossl.BIO_get_data(bio)
    cdef ssize_t sent = sock_send(x.fd, <const uint8_t*>from_, <size_t>n)
    ossl.BIO_clear_flags(bio, BIO_FLAGS_ALL)
    if sent >= 0:
        return <int>sent
    if sent == -EAGAIN:
        ossl.BIO_set_flags(bio, BIO_FLAGS_WRITE | BIO_FLAGS_RETRY)
    else:
        x.error = <int>sent
    return -1


cdef long bio_ctrl(void* bio, int command, long number, void* at) noexcept nogil:
    return command == BIO_CTRL_FLUSH


cdef int secure_load() noexcept nogil:
    global method
    cdef int status = openssl_load()
    if status < 0 or ngy_load_int(&is_ready):
        return status
    method = ossl.BIO_meth_new(ossl.BIO_get_new_index() | 0x0400, b"nginy")    # BIO_TYPE_SOURCE_SINK
    if method == NULL:
        return -EINVAL
    ossl.BIO_meth_set_read(method, bio_read)
    ossl.BIO_meth_set_write(method, bio_write)
    ossl.BIO_meth_set_ctrl(method, bio_ctrl)
    ngy_store_int(&is_ready, 1)
    return 0


# ---- one SSL ----

cdef secure_t* secure_of_ssl(const void* ssl) noexcept nogil:
    return <secure_t*>ossl.BIO_get_data(ossl.SSL_get_rbio(ssl))

cdef int secure_open(secure_t* x, void* ctx, bint is_client) noexcept nogil:
    cdef void* bio
    x.error = 0
    x.is_eager = x.is_drained = x.is_cut = x.is_ended = x.is_broken = x.is_finished = 0
    ossl.ERR_clear_error()
    x.ssl = ossl.SSL_new(ctx)
    if x.ssl == NULL:
        return -ENOMEM
    bio = ossl.BIO_new(method)
    if bio == NULL:
        secure_close(x)
        return -ENOMEM
    ossl.BIO_set_data(bio, x)
    ossl.BIO_set_init(bio, 1)
    ossl.SSL_set_bio(x.ssl, bio, bio)
    if is_client:
        ossl.SSL_set_connect_state(x.ssl)
    else:
        ossl.SSL_set_accept_state(x.ssl)
    return 0


cdef void secure_close(secure_t* x) noexcept nogil:
    if x.ssl != NULL:
        ossl.SSL_free(x.ssl)
    x.ssl = NULL


# What a call that got nowhere says: -errno, or 0 for close_notify.
cdef int secure_status(secure_t* x, int result) noexcept nogil:
    cdef int why = ossl.SSL_get_error(x.ssl, result)
    if why == SSL_ERROR_WANT_READ:
        return -EAGAIN
    if why == SSL_ERROR_WANT_WRITE:
        return -EINPROGRESS
    if why == SSL_ERROR_ZERO_RETURN:
        x.is_ended = 1
        return 0
    if why == SSL_ERROR_SYSCALL and x.error:
        return x.error
    x.is_broken = 1
    return -EPROTO


cdef int secure_shake(secure_t* x, unsigned long* code) noexcept nogil:
    cdef int status
    code[0] = 0
    x.error = 0
    x.is_drained = 0
    ossl.ERR_clear_error()
    status = ossl.SSL_do_handshake(x.ssl)
    if status == 1:
        return 1
    status = secure_status(x, status)
    if status == -EAGAIN or status == -EINPROGRESS:
        return -EAGAIN
    code[0] = ossl.ERR_peek_error() if status == -EPROTO else 0
    ossl.ERR_clear_error()
    x.is_broken = 1
    return -EPROTO


cdef ssize_t secure_recv(secure_t* x, uint8_t* to, size_t n) noexcept nogil:
    cdef size_t total = 0
    cdef int got
    if unlikely(x.is_broken):
        return -EPROTO
    x.error = 0
    x.is_drained = 0
    ossl.ERR_clear_error()
    while total < n:            # record by record
        got = ossl.SSL_read(x.ssl, to + total, <int>min(n - total, <size_t>MOST_BYTES))
        if got <= 0:
            got = secure_status(x, got)
            return <ssize_t>total if total else got
        total += <size_t>got
    return <ssize_t>total


cdef ssize_t secure_peek(secure_t* x, uint8_t* to, size_t n) noexcept nogil:
    cdef int got
    if unlikely(x.is_broken):
        return -EPROTO
    x.error = 0
    x.is_drained = 0
    ossl.ERR_clear_error()
    got = ossl.SSL_peek(x.ssl, to, <int>min(n, <size_t>MOST_BYTES))
    return got if got > 0 else secure_status(x, got)


cdef ssize_t secure_send(secure_t* x, const uint8_t* from_, size_t n) noexcept nogil:
    cdef size_t total = 0
    cdef int sent
    if unlikely(x.is_broken):
        return -EPROTO
    x.error = 0
    ossl.ERR_clear_error()
    while total < n:
        sent = ossl.SSL_write(x.ssl, from_ + total, <int>min(n - total, <size_t>MOST_BYTES))
        if sent <= 0:
            sent = secure_status(x, sent)
            if total:
                return <ssize_t>total
            return -EAGAIN if sent == -EINPROGRESS or sent == 0 else sent
        total += <size_t>sent
    return <ssize_t>total


cdef int secure_finish(secure_t* x) noexcept nogil:
    cdef int status
    if x.is_broken or x.is_finished or x.ssl == NULL:
        return 0
    x.error = 0
    ossl.ERR_clear_error()
    status = ossl.SSL_shutdown(x.ssl)
    if status < 0 and ossl.SSL_get_error(x.ssl, status) == SSL_ERROR_WANT_WRITE:
        return -EAGAIN
    ossl.ERR_clear_error()
    x.is_finished = 1
    return 0


cdef bint secure_is_pending(const secure_t* x) noexcept nogil:
    return x.is_ended or x.is_cut or x.is_broken or x.error != 0 or ossl.SSL_has_pending(x.ssl) == 1
