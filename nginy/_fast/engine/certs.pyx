"""Certs: nothing of a block is believed before its seal, checksum and every offset have been checked; contexts are made
whole, then change places with those before."""

from libc.stdint cimport uint32_t, uint64_t, uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset, strlen
from nginy._fast.base.cdefs cimport F_GET_SEALS, F_SEAL_SHRINK, F_SEAL_WRITE, PR_SET_DUMPABLE, c_fcntl, c_fstat, c_prctl, c_stat
from nginy._fast.base.layout cimport LAYOUT_VERSION
from nginy._fast.base.limits cimport MAX_LISTENERS
from nginy._fast.base.status cimport (
    REFUSAL_BOUNDS, REFUSAL_CHECKSUM, REFUSAL_HEADER, REFUSAL_LIBRARY, REFUSAL_MAP, REFUSAL_SEAL,
)
from nginy._fast.base.tls cimport (
    TICKET_KEYS, TLS_MAGIC, TLS_MOST_BYTES, TLS_MOST_CERTS, TLS_MOST_NAMES, VERIFY_OFF, VERIFY_REQUIRED, tls_cert_t,
    tls_front_t, tls_header_t, tls_name_t, tls_text_t, tls_ticket_t,
)
from nginy._fast.engine.secrets cimport front_t, secrets_t
from nginy._fast.engine.types cimport worker_t
from nginy._fast.mem.hash cimport hash_bytes
from nginy._fast.mem.region cimport region_close, region_map, region_open
from nginy._fast.net.openssl cimport (
    SSL_CTRL_CHAIN_CERT, SSL_CTRL_MODE, SSL_CTRL_SET_MIN_PROTO_VERSION, SSL_CTRL_SET_READ_AHEAD,
    SSL_CTRL_SET_SESS_CACHE_MODE, SSL_CTRL_SET_TLSEXT_SERVERNAME_CB, SSL_CTRL_SET_VERIFY_CERT_STORE,
    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER,
    SSL_MODE_ENABLE_PARTIAL_WRITE, SSL_MODE_RELEASE_BUFFERS, SSL_OP_CIPHER_SERVER_PREFERENCE, SSL_OP_NO_COMPRESSION,
    SSL_OP_NO_RENEGOTIATION, SSL_TLSEXT_ERR_ALERT_FATAL, SSL_TLSEXT_ERR_NOACK, SSL_TLSEXT_ERR_OK,
    SSL_VERIFY_FAIL_IF_NO_PEER_CERT, SSL_VERIFY_PEER, TLSEXT_NAMETYPE_HOST_NAME, ossl, param_t,
)
from nginy._fast.net.secure cimport secure_load, secure_of_ssl, secure_t

cdef enum:
    ALERT_UNRECOGNIZED_NAME = 112   # RFC 6066, section 3
    NAME_MOST_BYTES = 255
    OSSL_PARAM_UTF8_STRING = 4      # openssl/core.h
    OSSL_PARAM_OCTET_STRING = 5
    NOT_RETURNED = -1               # OSSL_PARAM_UNMODIFIED
    TICKET_REFUSED = 0
    TICKET_GOOD = 1
    TICKET_RENEW = 2                # good, and made anew with the newest key

cdef const char* DIGEST = b"SHA256"
cdef const char* CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    b"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)


# ---- the block ----

cdef struct block_t:
    const uint8_t* base
    const tls_header_t* header
    const tls_cert_t* certs
    const tls_front_t* fronts
    const tls_name_t* names


cdef bint part_fits(const block_t* b, uint64_t off, uint64_t n, uint64_t each) noexcept nogil:
    return off % 8 == 0 and off <= b.header.length_bytes and n <= (b.header.length_bytes - off) // each


cdef bint text_fits(const block_t* b, const tls_text_t* text) noexcept nogil:
    if text.n == 0:
        return True
    if text.off > b.header.length_bytes or text.n > b.header.length_bytes - text.off:
        return False
    return b.base[text.off + text.n - 1] == 0


cdef bint rows_fit(const block_t* b) noexcept nogil:
    cdef const tls_front_t* front
    cdef uint32_t i
    for i in range(b.header.n_certs):
        if not text_fits(b, &b.certs[i].chain) or not text_fits(b, &b.certs[i].key):
            return False
    for i in range(b.header.n_names):
        if b.names[i].cert >= b.header.n_certs:
            return False
    for i in range(b.header.n_fronts):
        front = &b.fronts[i]
        if front.listener >= MAX_LISTENERS or front.cert >= b.header.n_certs or front.alpn.n > 256:
            return False
        if front.first_name > b.header.n_names or front.n_names > b.header.n_names - front.first_name:
            return False
        if not text_fits(b, &front.ciphers) or not text_fits(b, &front.suites) or not text_fits(b, &front.authorities):
            return False
        if not text_fits(b, &front.alpn):
            return False
    return True


cdef uint64_t secrets_checksum(const uint8_t* base, uint64_t n_bytes) noexcept nogil:
    cdef tls_header_t header
    memcpy(&header, base, sizeof(header))
    header.checksum = 0
    return hash_bytes(base + sizeof(header), n_bytes - sizeof(header), hash_bytes(<uint8_t*>&header, sizeof(header), TLS_MAGIC))


cdef int block_read(block_t* b, const uint8_t* base, uint64_t n_bytes) noexcept nogil:
    cdef const tls_header_t* header = <const tls_header_t*>base
    b.base, b.header = base, header
    if n_bytes < sizeof(tls_header_t) or n_bytes > TLS_MOST_BYTES:
        return -REFUSAL_HEADER
    if header.magic != TLS_MAGIC or header.version != LAYOUT_VERSION or header.length_bytes != n_bytes:
        return -REFUSAL_HEADER
    if header.checksum != secrets_checksum(base, n_bytes):
        return -REFUSAL_CHECKSUM
    if header.n_certs > TLS_MOST_CERTS or header.n_names > TLS_MOST_NAMES or header.n_tickets > TICKET_KEYS:
        return -REFUSAL_BOUNDS
    if not part_fits(b, header.off_certs, header.n_certs, sizeof(tls_cert_t)):
        return -REFUSAL_BOUNDS
    if not part_fits(b, header.off_fronts, header.n_fronts, sizeof(tls_front_t)):
        return -REFUSAL_BOUNDS
    if not part_fits(b, header.off_names, header.n_names, sizeof(tls_name_t)):
        return -REFUSAL_BOUNDS
    if not part_fits(b, header.off_tickets, header.n_tickets, sizeof(tls_ticket_t)):
        return -REFUSAL_BOUNDS
    b.certs = <const tls_cert_t*>(base + header.off_certs)
    b.fronts = <const tls_front_t*>(base + header.off_fronts)
    b.names = <const tls_name_t*>(base + header.off_names)
    return 0 if rows_fit(b) else -REFUSAL_BOUNDS


# ---- what OpenSSL asks in a handshake ----

cdef int no_password(char* to, int n, int is_writing, void* user) noexcept nogil:
    return -1                   # never from a terminal


cdef uint8_t lower(uint8_t c) noexcept nogil:
    return c + 32 if 65 <= c <= 90 else c


# The certificate for a name: exact, else that of the longest suffix. Index, -1 = none.
cdef int cert_find(const secrets_t* s, const front_t* front, const uint8_t* name, uint32_t n) noexcept nogil:
    cdef const tls_name_t* row
    cdef uint64_t hash = hash_bytes(name, n, 0)
    cdef uint64_t above = 0
    cdef uint32_t at = 0
    cdef uint32_t i
    cdef int wild = -1
    while at < n and name[at] != 46:
        at += 1
    if at and at + 1 < n:       # an asterisk stands for one label (RFC 6125, section 6.4.3)
        above = hash_bytes(name + at + 1, n - at - 1, 0)
    for i in range(front.first_name, front.first_name + front.n_names):
        row = &s.names[i]
        if not row.is_suffix and row.hash == hash and row.n_bytes == n:
            return <int>row.cert
        if row.is_suffix and wild < 0 and at and row.hash == above and row.n_bytes + at + 1 == n:
            wild = <int>row.cert
    return wild


# From now on another certificate. Who may sign those of clients is the listener's affair, whatever name was asked for.
cdef void cert_show(void* ssl, const front_t* front, void* ctx) noexcept nogil:
    cdef void* names
    ossl.SSL_set_SSL_CTX(ssl, ctx)
    if not front.is_verified:
        return
    ossl.SSL_ctrl(ssl, SSL_CTRL_SET_VERIFY_CERT_STORE, 1, ossl.SSL_CTX_get_cert_store(front.ctx))
    names = ossl.SSL_dup_CA_list(ossl.SSL_CTX_get_client_CA_list(front.ctx))
    if names != NULL:
        ossl.SSL_set_client_CA_list(ssl, names)     # takes it over


cdef int on_name(void* ssl, int* alert, void* user) noexcept nogil:
    cdef const char* asked = ossl.SSL_get_servername(ssl, TLSEXT_NAMETYPE_HOST_NAME)
    cdef const secure_t* x = secure_of_ssl(ssl)
    cdef const secrets_t* s = &(<worker_t*>x.user).tls.secrets
    cdef const front_t* front
    cdef uint8_t name[NAME_MOST_BYTES]
    cdef size_t n, i
    cdef int found
    if asked == NULL or s.fronts == NULL or s.fronts[x.front].ctx == NULL:
        return SSL_TLSEXT_ERR_NOACK     # what it began with is the certificate for that
    front = &s.fronts[x.front]
    n = min(strlen(asked), <size_t>NAME_MOST_BYTES)
    for i in range(n):
        name[i] = lower(<uint8_t>asked[i])
    found = cert_find(s, front, name, <uint32_t>n)
    if found >= 0:
        cert_show(ssl, front, s.certs[found])
        return SSL_TLSEXT_ERR_OK
    if front.is_strict:
        alert[0] = ALERT_UNRECOGNIZED_NAME
        return SSL_TLSEXT_ERR_ALERT_FATAL
    return SSL_TLSEXT_ERR_NOACK


# The first of ours that the client has, too.
cdef int on_alpn(
    void* ssl, const unsigned char** out, unsigned char* n_out, const unsigned char* offered, unsigned int n, void* user
) noexcept nogil:
    cdef const secure_t* x = secure_of_ssl(ssl)
    cdef const secrets_t* s = &(<worker_t*>x.user).tls.secrets
    cdef const front_t* front
    cdef uint32_t i = 0
    cdef uint32_t k
    if s.fronts == NULL or s.fronts[x.front].n_alpn == 0:
        return SSL_TLSEXT_ERR_NOACK
    front = &s.fronts[x.front]
    while i < front.n_alpn:
        k = 0
        while k < n and k + offered[k] < n:
            if offered[k] == front.alpn[i] and memcmp(offered + k, front.alpn + i, front.alpn[i] + 1) == 0:
                out[0], n_out[0] = offered + k + 1, offered[k]
                return SSL_TLSEXT_ERR_OK
            k += offered[k] + 1
        i += front.alpn[i] + 1
    return SSL_TLSEXT_ERR_ALERT_FATAL   # RFC 7301, section 3.2


cdef int mac_begin(void* mac, const tls_ticket_t* key) noexcept nogil:
    cdef param_t params[3]
    memset(params, 0, sizeof(params))
    params[0].key, params[0].kind = b"key", OSSL_PARAM_OCTET_STRING
    params[0].value, params[0].n_bytes = <void*>key.mac, sizeof(key.mac)
    params[1].key, params[1].kind = b"digest", OSSL_PARAM_UTF8_STRING
    params[1].value, params[1].n_bytes = <void*>DIGEST, 6
    params[0].n_back = params[1].n_back = <size_t>NOT_RETURNED
    return ossl.EVP_MAC_CTX_set_params(mac, params)


cdef int on_ticket(
    void* ssl, unsigned char* name, unsigned char* iv, void* cipher, void* mac, int is_fresh
) noexcept nogil:
    cdef const secrets_t* s = &(<worker_t*>secure_of_ssl(ssl).user).tls.secrets
    cdef const tls_ticket_t* key = &s.tickets[0]
    cdef uint32_t i
    if is_fresh:
        if s.n_tickets == 0 or ossl.RAND_bytes(iv, 16) != 1:
            return TICKET_REFUSED
        memcpy(name, key.name, sizeof(key.name))
        if ossl.EVP_EncryptInit_ex(cipher, ossl.EVP_aes_256_cbc(), NULL, key.cipher, iv) != 1 or mac_begin(mac, key) != 1:
            return -1
        return TICKET_GOOD
    for i in range(s.n_tickets):
        key = &s.tickets[i]
        if memcmp(name, key.name, sizeof(key.name)) != 0:
            continue
        if mac_begin(mac, key) != 1 or ossl.EVP_DecryptInit_ex(cipher, ossl.EVP_aes_256_cbc(), NULL, key.cipher, iv) != 1:
            return -1
        return TICKET_GOOD if i == 0 else TICKET_RENEW
    return TICKET_REFUSED


# ---- contexts ----

cdef void* text_bio(const block_t* b, const tls_text_t* text) noexcept nogil:
    return ossl.BIO_new_mem_buf(b.base + text.off, <int>text.n - 1) if text.n > 1 else NULL


# The certificate first, then those that lead to its authority.
cdef bint chain_use(void* ctx, const block_t* b, const tls_cert_t* cert) noexcept nogil:
    cdef void* bio = text_bio(b, &cert.chain)
    cdef void* x509
    cdef bint is_first = True
    if bio == NULL:
        return False
    while True:
        x509 = ossl.PEM_read_bio_X509(bio, NULL, no_password, NULL)
        if x509 == NULL:
            break
        if is_first:
            is_first = False
            if ossl.SSL_CTX_use_certificate(ctx, x509) != 1:
                is_first = True
            ossl.X509_free(x509)
            if is_first:
                break
        elif ossl.SSL_CTX_ctrl(ctx, SSL_CTRL_CHAIN_CERT, 0, x509) != 1:     # takes it over
            ossl.X509_free(x509)
            is_first = True
            break
    ossl.BIO_free(bio)
    return not is_first


cdef bint key_use(void* ctx, const block_t* b, const tls_cert_t* cert) noexcept nogil:
    cdef void* bio = text_bio(b, &cert.key)
    cdef void* key = NULL
    cdef bint is_good
    if bio == NULL:
        return False
    key = ossl.PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL)
    is_good = key != NULL and ossl.SSL_CTX_use_PrivateKey(ctx, key) == 1 and ossl.SSL_CTX_check_private_key(ctx) == 1
    if key != NULL:
        ossl.EVP_PKEY_free(key)
    ossl.BIO_free(bio)
    return is_good


# A context of a server with this certificate.
cdef void* cert_make(const block_t* b, const tls_cert_t* cert) noexcept nogil:
    cdef void* ctx = ossl.SSL_CTX_new(ossl.TLS_server_method())
    if ctx == NULL:
        return NULL
    ossl.SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL)
    if chain_use(ctx, b, cert) and key_use(ctx, b, cert):
        return ctx
    ossl.SSL_CTX_free(ctx)
    return NULL


cdef const char* text_at(const block_t* b, const tls_text_t* text, const char* otherwise) noexcept nogil:
    return <const char*>(b.base + text.off) if text.n > 1 else otherwise


# Who may sign certificates of clients.
cdef bint authorities_use(void* ctx, const block_t* b, const tls_front_t* front) noexcept nogil:
    cdef void* bio
    cdef void* x509
    cdef uint32_t n = 0
    if front.verify == VERIFY_OFF:
        return True
    bio = text_bio(b, &front.authorities)
    if bio == NULL:
        return False
    while True:
        x509 = ossl.PEM_read_bio_X509(bio, NULL, no_password, NULL)
        if x509 == NULL:
            break
        if ossl.X509_STORE_add_cert(ossl.SSL_CTX_get_cert_store(ctx), x509) == 1:
            n += ossl.SSL_CTX_add_client_CA(ctx, x509) == 1
        ossl.X509_free(x509)
    ossl.BIO_free(bio)
    ossl.SSL_CTX_set_verify(
        ctx, SSL_VERIFY_PEER | (SSL_VERIFY_FAIL_IF_NO_PEER_CERT if front.verify == VERIFY_REQUIRED else 0), NULL
    )
    return n > 0


cdef bint front_tune(void* ctx, const block_t* b, const tls_front_t* front) noexcept nogil:
    cdef const char* suites = text_at(b, &front.suites, NULL)
    ossl.SSL_CTX_set_options(
        ctx, <uint64_t>SSL_OP_NO_COMPRESSION | <uint64_t>SSL_OP_NO_RENEGOTIATION | <uint64_t>SSL_OP_CIPHER_SERVER_PREFERENCE
    )
    ossl.SSL_CTX_ctrl(
        ctx, SSL_CTRL_MODE,
        SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS, NULL,
    )
    ossl.SSL_CTX_ctrl(ctx, SSL_CTRL_SET_READ_AHEAD, 1, NULL)
    ossl.SSL_CTX_ctrl(ctx, SSL_CTRL_SET_SESS_CACHE_MODE, 0, NULL)      # tickets say all: nothing is kept here
    ossl.SSL_CTX_callback_ctrl(ctx, SSL_CTRL_SET_TLSEXT_SERVERNAME_CB, on_name)
    ossl.SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket)
    if ossl.SSL_CTX_ctrl(ctx, SSL_CTRL_SET_MIN_PROTO_VERSION, front.min_version, NULL) != 1:
        return False
    if ossl.SSL_CTX_set_cipher_list(ctx, text_at(b, &front.ciphers, CIPHERS)) != 1:
        return False
    return suites == NULL or ossl.SSL_CTX_set_ciphersuites(ctx, suites) == 1


cdef bint front_make(secrets_t* out, const block_t* b, const tls_front_t* row) noexcept nogil:
    cdef front_t* front = &out.fronts[row.listener]
    cdef void* ctx = cert_make(b, &b.certs[row.cert])
    if ctx == NULL:
        return False
    if front.ctx != NULL:       # stands twice
        ossl.SSL_CTX_free(ctx)
        return False
    front.ctx = ctx
    front.first_name, front.n_names = row.first_name, row.n_names
    front.is_strict = row.is_strict
    front.is_verified = row.verify != VERIFY_OFF
    front.n_alpn = <uint8_t>(row.alpn.n - 1) if row.alpn.n else 0
    memcpy(front.alpn, b.base + row.alpn.off, front.n_alpn)
    return front_tune(ctx, b, row) and authorities_use(ctx, b, row)


# A certificate that another name chose has the listener's id of sessions, or none of them could be resumed.
cdef bint session_ids_set(secrets_t* out, const block_t* b) noexcept nogil:
    cdef uint32_t i
    for i in range(b.header.n_fronts):
        if ossl.SSL_CTX_set_session_id_context(
            out.fronts[b.fronts[i].listener].ctx, b.fronts[i].session_id, sizeof(b.fronts[i].session_id)
        ) != 1:
            return False
    return True


cdef bint all_make(secrets_t* out, const block_t* b) noexcept nogil:
    cdef uint32_t i
    out.fronts = <front_t*>calloc(MAX_LISTENERS, sizeof(front_t))
    out.certs = <void**>calloc(b.header.n_certs + 1, sizeof(void*))
    out.names = <tls_name_t*>calloc(b.header.n_names + 1, sizeof(tls_name_t))
    if out.fronts == NULL or out.certs == NULL or out.names == NULL:
        return False
    memcpy(out.names, b.names, b.header.n_names * sizeof(tls_name_t))
    memcpy(out.tickets, b.base + b.header.off_tickets, b.header.n_tickets * sizeof(tls_ticket_t))
    out.n_certs, out.n_names, out.n_tickets = b.header.n_certs, b.header.n_names, b.header.n_tickets
    for i in range(b.header.n_certs):
        out.certs[i] = cert_make(b, &b.certs[i])
        if out.certs[i] == NULL:
            return False
    for i in range(b.header.n_fronts):
        if not front_make(out, b, &b.fronts[i]):
            return False
    return session_ids_set(out, b)


cdef int secrets_make(secrets_t* out, const uint8_t* block, uint64_t n_bytes) noexcept nogil:
    cdef block_t b
    cdef int code = block_read(&b, block, n_bytes)
    memset(out, 0, sizeof(secrets_t))
    if code < 0:
        return code
    if secure_load() < 0:
        return -REFUSAL_LIBRARY
    ossl.ERR_clear_error()
    if all_make(out, &b):
        ossl.ERR_clear_error()  # of the look behind the last certificate of a chain
        return 0
    secrets_drop(out)
    return -REFUSAL_LIBRARY


cdef void secrets_drop(secrets_t* s) noexcept nogil:
    cdef uint32_t i
    if s.fronts != NULL:
        for i in range(MAX_LISTENERS):
            if s.fronts[i].ctx != NULL:
                ossl.SSL_CTX_free(s.fronts[i].ctx)
    if s.certs != NULL:
        for i in range(s.n_certs):
            if s.certs[i] != NULL:
                ossl.SSL_CTX_free(s.certs[i])
    free(s.fronts)
    free(s.certs)
    free(s.names)
    memset(s, 0, sizeof(secrets_t))


# ---- of a worker ----

cdef int secrets_open(secrets_t* out, int fd) noexcept nogil:
    cdef int seals = c_fcntl(fd, F_GET_SEALS)
    cdef c_stat st
    cdef void* base
    cdef int code
    if seals < 0 or seals & (F_SEAL_WRITE | F_SEAL_SHRINK) != F_SEAL_WRITE | F_SEAL_SHRINK:
        return -REFUSAL_SEAL
    if c_fstat(fd, &st) < 0 or st.st_size < <long>sizeof(tls_header_t):
        return -REFUSAL_MAP
    base = region_map(fd, <uint64_t>st.st_size, False)
    if base == NULL:
        return -REFUSAL_MAP
    code = secrets_make(out, <const uint8_t*>base, <uint64_t>st.st_size)
    region_close(base, <uint64_t>st.st_size)
    return code


cdef int tls_adopt(worker_t* w, int fd) noexcept nogil:
    cdef secrets_t fresh
    cdef int code
    if w.tls.legs == NULL:
        w.tls.n_bytes = 2 * <uint64_t>w.sessions.cap * sizeof(secure_t)
        w.tls.legs = <secure_t*>region_open(w.tls.n_bytes)
        if w.tls.legs == NULL:
            return -REFUSAL_MAP
    if w.is_process:            # no image of keys on a disk
        c_prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    code = secrets_open(&fresh, fd)
    if code < 0:
        return code
    secrets_drop(&w.tls.secrets)
    w.tls.secrets = fresh
    return 0


cdef void tls_shut(worker_t* w) noexcept nogil:
    secrets_drop(&w.tls.secrets)
    region_close(w.tls.legs, w.tls.n_bytes)
    w.tls.legs = NULL
