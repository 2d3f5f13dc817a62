# OpenSSL 3, looked for when it is first needed: a wheel has to load where it is not. Its functions keep their names and say
# what they do in its own manual. None of those in use here blocks: an SSL reads and writes through a secure_t.
from libc.stdint cimport uint64_t

cdef enum:                      # openssl/ssl.h, tls1.h, bio.h, obj_mac.h
    SSL_ERROR_NONE = 0
    SSL_ERROR_SSL = 1
    SSL_ERROR_WANT_READ = 2
    SSL_ERROR_WANT_WRITE = 3
    SSL_ERROR_SYSCALL = 5
    SSL_ERROR_ZERO_RETURN = 6
    SSL_CTRL_MODE = 33
    SSL_CTRL_SET_READ_AHEAD = 41
    SSL_CTRL_SET_SESS_CACHE_MODE = 44
    SSL_CTRL_SET_TLSEXT_SERVERNAME_CB = 53
    SSL_CTRL_SET_TLSEXT_HOSTNAME = 55
    SSL_CTRL_CHAIN_CERT = 89
    SSL_CTRL_SET_VERIFY_CERT_STORE = 106
    SSL_CTRL_SET_MIN_PROTO_VERSION = 123
    SSL_MODE_ENABLE_PARTIAL_WRITE = 1
    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER = 2
    SSL_MODE_RELEASE_BUFFERS = 16
    SSL_OP_NO_COMPRESSION = 1 << 17
    SSL_OP_CIPHER_SERVER_PREFERENCE = 1 << 22
    SSL_OP_NO_RENEGOTIATION = 1 << 30
    SSL_VERIFY_NONE = 0
    SSL_VERIFY_PEER = 1
    SSL_VERIFY_FAIL_IF_NO_PEER_CERT = 2
    SSL_TLSEXT_ERR_OK = 0
    SSL_TLSEXT_ERR_ALERT_FATAL = 2
    SSL_TLSEXT_ERR_NOACK = 3
    TLS1_2_VERSION = 0x0303
    TLS1_3_VERSION = 0x0304
    TLSEXT_NAMETYPE_HOST_NAME = 0
    NID_COMMON_NAME = 13
    NID_SUBJECT_ALT_NAME = 85
    GEN_DNS = 2

ctypedef int (*bio_read_t)(void* bio, char* to, int n) noexcept nogil
ctypedef int (*bio_write_t)(void* bio, const char* from_, int n) noexcept nogil
ctypedef long (*bio_ctrl_t)(void* bio, int command, long number, void* at) noexcept nogil
ctypedef int (*password_t)(char* to, int n, int is_writing, void* user) noexcept nogil
ctypedef int (*name_t)(void* ssl, int* alert, void* user) noexcept nogil
ctypedef int (*alpn_t)(
    void* ssl, const unsigned char** out, unsigned char* n_out, const unsigned char* offered, unsigned int n, void* user
) noexcept nogil
ctypedef int (*ticket_t)(
    void* ssl, unsigned char* name, unsigned char* iv, void* cipher, void* mac, int is_fresh
) noexcept nogil

cdef struct param_t:            # OSSL_PARAM
    const char* key
    unsigned int kind
    void* value
    size_t n_bytes
    size_t n_back

cdef struct asn1_time_t:        # struct tm
    int second
    int minute
    int hour
    int day
    int month                   # from 0
    int year                    # since 1900
    int rest[5]
    long offset
    const char* zone

cdef struct general_name_t:     # GENERAL_NAME
    int kind
    void* value

# In the order of NAMES.
cdef struct openssl_t:
    int (*OPENSSL_init_ssl)(uint64_t options, const void* settings) noexcept nogil
    const void* (*TLS_server_method)() noexcept nogil
    const void* (*TLS_client_method)() noexcept nogil
    void* (*SSL_CTX_new)(const void* method) noexcept nogil
    void (*SSL_CTX_free)(void* ctx) noexcept nogil
    long (*SSL_CTX_ctrl)(void* ctx, int command, long number, void* at) noexcept nogil
    long (*SSL_CTX_callback_ctrl)(void* ctx, int command, name_t call) noexcept nogil
    uint64_t (*SSL_CTX_set_options)(void* ctx, uint64_t options) noexcept nogil
    int (*SSL_CTX_set_cipher_list)(void* ctx, const char* text) noexcept nogil
    int (*SSL_CTX_set_ciphersuites)(void* ctx, const char* text) noexcept nogil
    int (*SSL_CTX_use_certificate)(void* ctx, void* x509) noexcept nogil
    int (*SSL_CTX_use_PrivateKey)(void* ctx, void* key) noexcept nogil
    int (*SSL_CTX_check_private_key)(const void* ctx) noexcept nogil
    int (*SSL_CTX_set_session_id_context)(void* ctx, const unsigned char* id, unsigned int n) noexcept nogil
    void (*SSL_CTX_set_alpn_select_cb)(void* ctx, alpn_t call, void* user) noexcept nogil
    int (*SSL_CTX_set_tlsext_ticket_key_evp_cb)(void* ctx, ticket_t call) noexcept nogil
    void (*SSL_CTX_set_verify)(void* ctx, int mode, void* call) noexcept nogil
    void* (*SSL_CTX_get_cert_store)(const void* ctx) noexcept nogil
    int (*SSL_CTX_add_client_CA)(void* ctx, void* x509) noexcept nogil
    void (*SSL_CTX_set_default_read_buffer_len)(void* ctx, size_t n) noexcept nogil
    void* (*SSL_new)(void* ctx) noexcept nogil
    void (*SSL_free)(void* ssl) noexcept nogil
    void (*SSL_set_bio)(void* ssl, void* read, void* write) noexcept nogil
    void (*SSL_set_accept_state)(void* ssl) noexcept nogil
    void (*SSL_set_connect_state)(void* ssl) noexcept nogil
    int (*SSL_do_handshake)(void* ssl) noexcept nogil
    int (*SSL_read)(void* ssl, void* to, int n) noexcept nogil
    int (*SSL_peek)(void* ssl, void* to, int n) noexcept nogil
    int (*SSL_write)(void* ssl, const void* from_, int n) noexcept nogil
    int (*SSL_shutdown)(void* ssl) noexcept nogil
    int (*SSL_get_error)(const void* ssl, int status) noexcept nogil
    int (*SSL_has_pending)(const void* ssl) noexcept nogil
    const char* (*SSL_get_servername)(const void* ssl, int kind) noexcept nogil
    void* (*SSL_set_SSL_CTX)(void* ssl, void* ctx) noexcept nogil
    long (*SSL_ctrl)(void* ssl, int command, long number, void* at) noexcept nogil
    void* (*SSL_CTX_get_client_CA_list)(const void* ctx) noexcept nogil
    void* (*SSL_dup_CA_list)(const void* names) noexcept nogil
    void (*SSL_set_client_CA_list)(void* ssl, void* names) noexcept nogil
    int (*SSL_session_reused)(const void* ssl) noexcept nogil
    void* (*SSL_get_rbio)(const void* ssl) noexcept nogil
    int (*BIO_get_new_index)() noexcept nogil
    void* (*BIO_meth_new)(int kind, const char* name) noexcept nogil
    int (*BIO_meth_set_read)(void* method, bio_read_t call) noexcept nogil
    int (*BIO_meth_set_write)(void* method, bio_write_t call) noexcept nogil
    int (*BIO_meth_set_ctrl)(void* method, bio_ctrl_t call) noexcept nogil
    void* (*BIO_new)(const void* method) noexcept nogil
    int (*BIO_free)(void* bio) noexcept nogil
    void (*BIO_set_data)(void* bio, void* at) noexcept nogil
    void* (*BIO_get_data)(void* bio) noexcept nogil
    void (*BIO_set_init)(void* bio, int is_ready) noexcept nogil
    void (*BIO_set_flags)(void* bio, int flags) noexcept nogil
    void (*BIO_clear_flags)(void* bio, int flags) noexcept nogil
    void* (*BIO_new_mem_buf)(const void* from_, int n) noexcept nogil
    void* (*PEM_read_bio_X509)(void* bio, void** into, password_t call, void* user) noexcept nogil
    void* (*PEM_read_bio_PrivateKey)(void* bio, void** into, password_t call, void* user) noexcept nogil
    void (*X509_free)(void* x509) noexcept nogil
    int (*X509_STORE_add_cert)(void* store, void* x509) noexcept nogil
    void* (*X509_get_subject_name)(const void* x509) noexcept nogil
    int (*X509_NAME_get_text_by_NID)(void* name, int nid, char* to, int n) noexcept nogil
    void* (*X509_get_ext_d2i)(const void* x509, int nid, int* is_critical, int* at) noexcept nogil
    const void* (*X509_get0_notBefore)(const void* x509) noexcept nogil
    const void* (*X509_get0_notAfter)(const void* x509) noexcept nogil
    int (*ASN1_TIME_to_tm)(const void* time, asn1_time_t* out) noexcept nogil
    const unsigned char* (*ASN1_STRING_get0_data)(const void* text) noexcept nogil
    int (*ASN1_STRING_length)(const void* text) noexcept nogil
    int (*OPENSSL_sk_num)(const void* stack) noexcept nogil
    void* (*OPENSSL_sk_value)(const void* stack, int at) noexcept nogil
    void (*GENERAL_NAMES_free)(void* names) noexcept nogil
    void (*EVP_PKEY_free)(void* key) noexcept nogil
    const void* (*EVP_aes_256_cbc)() noexcept nogil
    int (*EVP_EncryptInit_ex)(void* c, const void* kind, void* e, const void* key, const void* iv) noexcept nogil
    int (*EVP_DecryptInit_ex)(void* c, const void* kind, void* e, const void* key, const void* iv) noexcept nogil
    int (*EVP_MAC_CTX_set_params)(void* mac, const param_t* params) noexcept nogil
    int (*RAND_bytes)(unsigned char* to, int n) noexcept nogil
    void (*ERR_clear_error)() noexcept nogil
    unsigned long (*ERR_peek_last_error)() noexcept nogil
    unsigned long (*ERR_peek_error)() noexcept nogil
    void (*ERR_error_string_n)(unsigned long code, char* to, size_t n) noexcept nogil
    const char* (*ERR_reason_error_string)(unsigned long code) noexcept nogil

cdef openssl_t ossl             # of this process; filled once, before a worker is told to use it

# Find the library and its functions. 0; -ENOENT: it is not here; -EINVAL: it is, but without what is needed.
cdef int openssl_load() noexcept nogil
