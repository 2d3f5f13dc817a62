"""OpenSSL: its functions by name, once for a process."""

from nginy._fast.base.cdefs cimport EINVAL, ENOENT, RTLD_LOCAL, RTLD_NOW, c_dlopen, c_dlsym, ngy_load_int, ngy_store_int

cdef enum:
    OPENSSL_INIT_NO_LOAD_CONFIG = 0x80
    OPENSSL_INIT_NO_ATEXIT = 0x80000

cdef const char** NAMES = [
    b"OPENSSL_init_ssl", b"TLS_server_method", b"TLS_client_method", b"SSL_CTX_new", b"SSL_CTX_free", b"SSL_CTX_ctrl",
    b"SSL_CTX_callback_ctrl", b"SSL_CTX_set_options", b"SSL_CTX_set_cipher_list", b"SSL_CTX_set_ciphersuites",
    b"SSL_CTX_use_certificate", b"SSL_CTX_use_PrivateKey", b"SSL_CTX_check_private_key",
    b"SSL_CTX_set_session_id_context", b"SSL_CTX_set_alpn_select_cb", b"SSL_CTX_set_tlsext_ticket_key_evp_cb",
    b"SSL_CTX_set_verify", b"SSL_CTX_get_cert_store", b"SSL_CTX_add_client_CA",
    b"SSL_CTX_set_default_read_buffer_len", b"SSL_new", b"SSL_free", b"SSL_set_bio", b"SSL_set_accept_state",
    b"SSL_set_connect_state", b"SSL_do_handshake", b"SSL_read", b"SSL_peek", b"SSL_write", b"SSL_shutdown",
    b"SSL_get_error", b"SSL_has_pending", b"SSL_get_servername", b"SSL_set_SSL_CTX", b"SSL_ctrl",
    b"SSL_CTX_get_client_CA_list", b"SSL_dup_CA_list", b"SSL_set_client_CA_list", b"SSL_session_reused",
    b"SSL_get_rbio", b"BIO_get_new_index", b"BIO_meth_new", b"BIO_meth_set_read", b"BIO_meth_set_write",
    b"BIO_meth_set_ctrl", b"BIO_new", b"BIO_free", b"BIO_set_data", b"BIO_get_data", b"BIO_set_init",
    b"BIO_set_flags", b"BIO_clear_flags", b"BIO_new_mem_buf", b"PEM_read_bio_X509", b"PEM_read_bio_PrivateKey",
    b"X509_free", b"X509_STORE_add_cert", b"X509_get_subject_name", b"X509_NAME_get_text_by_NID", b"X509_get_ext_d2i",
    b"X509_get0_notBefore", b"X509_get0_notAfter", b"ASN1_TIME_to_tm", b"ASN1_STRING_get0_data",
    b"ASN1_STRING_length", b"OPENSSL_sk_num", b"OPENSSL_sk_value", b"GENERAL_NAMES_free", b"EVP_PKEY_free",
    b"EVP_aes_256_cbc", b"EVP_EncryptInit_ex", b"EVP_DecryptInit_ex", b"EVP_MAC_CTX_set_params", b"RAND_bytes",
    b"ERR_clear_error", b"ERR_peek_last_error", b"ERR_peek_error", b"ERR_error_string_n", b"ERR_reason_error_string",
]
cdef int is_loaded = 0


cdef bint functions_find(void* library) noexcept nogil:
    cdef void** to = <void**>&ossl
    cdef size_t i
    for i in range(sizeof(openssl_t) // sizeof(void*)):
        to[i] = c_dlsym(library, NAMES[i])
        if to[i] == NULL:
            return False
    return True


cdef int openssl_load() noexcept nogil:
    cdef void* library
    if ngy_load_int(&is_loaded):
        return 0
    library = c_dlopen(b"libssl.so.3", RTLD_NOW | RTLD_LOCAL)
    if library == NULL:
        return -ENOENT
    # the machine's openssl.cnf would make two machines with one configuration of ours differ
    if not functions_find(library) or ossl.OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) != 1:
        return -EINVAL
    ngy_store_int(&is_loaded, 1)
    return 0
