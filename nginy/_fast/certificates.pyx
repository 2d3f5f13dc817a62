"""Certificates: what OpenSSL says of them, and the block that workers get. Errors: ValueError, OSError; MemoryError."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset
from nginy._fast.base cimport tls
from nginy._fast.base.layout cimport LAYOUT_VERSION
from nginy._fast.base.tls cimport (
    tls_cert_t, tls_front_t, tls_header_t, tls_name_t, tls_text_t, tls_ticket_t,
)
from nginy._fast.engine.certs cimport secrets_checksum, secrets_drop, secrets_make
from nginy._fast.engine.secrets cimport secrets_t
from nginy._fast.mem.hash cimport hash_bytes
from nginy._fast.net.openssl cimport (
    GEN_DNS, NID_COMMON_NAME, NID_SUBJECT_ALT_NAME, TLS1_2_VERSION, TLS1_3_VERSION, asn1_time_t, general_name_t,
    openssl_load, ossl,
)

import calendar

VERSIONS = {"1.2": TLS1_2_VERSION, "1.3": TLS1_3_VERSION}
VERIFY = {"off": tls.VERIFY_OFF, "optional": tls.VERIFY_OPTIONAL, "required": tls.VERIFY_REQUIRED}
TICKET_BYTES = sizeof(tls_ticket_t)
TICKET_KEYS = tls.TICKET_KEYS
SESSION_ID_BYTES = tls.SESSION_ID_BYTES
MISSING = "OpenSSL 3 is not on this machine (libssl.so.3)"
TOO_OLD = "the OpenSSL of this machine (libssl.so.3) lacks functions that nginy calls"


cdef int no_password(char* to, int n, int is_writing, void* user) noexcept nogil:
    return -1


def load() -> None:
    """Find OpenSSL. OSError says that it is not there."""
    cdef int status = openssl_load()
    if status < 0:
        raise OSError(-status, TOO_OLD if status == -22 else MISSING)


cdef last_error():
    """Why OpenSSL refused; the queue is empty after that."""
    cdef const char* text = ossl.ERR_reason_error_string(ossl.ERR_peek_last_error())
    why = (<bytes>text).decode() if text != NULL else "it cannot be read"
    ossl.ERR_clear_error()
    return why


cdef void* bio_of(bytes text) except NULL:
    cdef void* bio = ossl.BIO_new_mem_buf(<const char*>text, <int>len(text))
    if bio == NULL:
        raise MemoryError
    return bio


cdef seconds(const void* when):
    cdef asn1_time_t t
    memset(&t, 0, sizeof(t))
    if ossl.ASN1_TIME_to_tm(when, &t) != 1:
        raise ValueError("a date in it cannot be read")
    return calendar.timegm((t.year + 1900, t.month + 1, t.day, t.hour, t.minute, t.second))


cdef names_of(void* x509):
    """DNS names among its alternative names, else its common name; lower case."""
    cdef void* stack = ossl.X509_get_ext_d2i(x509, NID_SUBJECT_ALT_NAME, NULL, NULL)
    cdef general_name_t* name
    cdef char common[256]
    cdef int i, n
    found = []
    if stack != NULL:
        for i in range(ossl.OPENSSL_sk_num(stack)):
            name = <general_name_t*>ossl.OPENSSL_sk_value(stack, i)
            if name.kind == GEN_DNS:
                text = (<const char*>ossl.ASN1_STRING_get0_data(name.value))[:ossl.ASN1_STRING_length(name.value)]
                found.append(text.decode("latin-1").lower())
        ossl.GENERAL_NAMES_free(stack)
    if not found:
        n = ossl.X509_NAME_get_text_by_NID(ossl.X509_get_subject_name(x509), NID_COMMON_NAME, common, sizeof(common))
        if n > 0:
            found.append(common[:n].decode("latin-1").lower())
    return tuple(dict.fromkeys(found))


def look(bytes chain) -> tuple:
    """(names, not before, not after) of the first certificate of a PEM text; seconds since the epoch."""
    cdef void* bio
    cdef void* x509
    load()
    ossl.ERR_clear_error()
    bio = bio_of(chain)
    x509 = ossl.PEM_read_bio_X509(bio, NULL, no_password, NULL)
    ossl.BIO_free(bio)
    if x509 == NULL:
        raise ValueError(last_error())
    try:
        return names_of(x509), seconds(ossl.X509_get0_notBefore(x509)), seconds(ossl.X509_get0_notAfter(x509))
    finally:
        ossl.X509_free(x509)
        ossl.ERR_clear_error()


def check_key(key) -> None:
    """ValueError when a PEM text holds no private key that can be read without a password."""
    cdef const uint8_t[::1] text = key
    cdef void* bio
    cdef void* found
    load()
    ossl.ERR_clear_error()
    bio = ossl.BIO_new_mem_buf(&text[0], <int>len(text)) if len(text) else bio_of(b"")
    found = ossl.PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL)
    ossl.BIO_free(bio)
    if found == NULL:
        raise ValueError(last_error())
    ossl.EVP_PKEY_free(found)


# ---- the block ----

cdef enum:
    EACH_MOST_BYTES = 16        # of a text or a row, besides its own: the zero at its end, what it takes to align


cdef class Writer:
    """Never grows: bytes of keys would be left where it was."""

    cdef object block
    cdef uint32_t end

    def __cinit__(self, n_bytes):
        if n_bytes > tls.TLS_MOST_BYTES:
            raise ValueError(f"{n_bytes} bytes of certificates; {tls.TLS_MOST_BYTES} at most")
        self.block = bytearray(n_bytes)
        self.end = sizeof(tls_header_t)

    cdef uint32_t room(self, n_bytes):
        """Zeros at a multiple of 8; where they begin."""
        cdef uint32_t at = (self.end + 7) // 8 * 8
        self.end = at + n_bytes
        return at

    cdef tls_text_t text(self, given):
        cdef tls_text_t to
        cdef uint32_t at = self.end
        to.off, to.n = 0, 0
        if given:
            to.off, to.n = at, len(given) + 1
            self.block[at:at + len(given)] = given
            self.end += to.n
        return to

    cdef put(self, uint32_t at, const void* from_, uint32_t n_bytes):
        cdef uint8_t[::1] view = self.block
        memcpy(&view[at], from_, n_bytes)


cdef write_certs(Writer out, certs):
    cdef uint32_t at = out.room(len(certs) * sizeof(tls_cert_t))
    cdef tls_cert_t row
    for i, (chain, key) in enumerate(certs):
        row.chain, row.key = out.text(chain), out.text(key)
        out.put(at + i * sizeof(tls_cert_t), &row, sizeof(row))
    return at


cdef write_names(Writer out, fronts):
    cdef uint32_t at = out.room(sum(len(front.names) for front in fronts) * sizeof(tls_name_t))
    cdef tls_name_t row
    cdef bytes text
    i = 0
    for front in fronts:
        for name, cert in front.names:
            memset(&row, 0, sizeof(row))
            row.is_suffix = name.startswith("*.")
            text = name.removeprefix("*.").encode()
            row.hash, row.n_bytes, row.cert = hash_bytes(<const uint8_t*>text, len(text), 0), len(text), cert
            out.put(at + i * sizeof(tls_name_t), &row, sizeof(row))
            i += 1
    return at


cdef write_fronts(Writer out, fronts):
    cdef uint32_t at = out.room(len(fronts) * sizeof(tls_front_t))
    cdef tls_front_t row
    cdef bytes id
    first = 0
    for i, front in enumerate(fronts):
        memset(&row, 0, sizeof(row))
        id = front.session_id
        if len(id) != tls.SESSION_ID_BYTES:
            raise ValueError(f"an id of {len(id)} bytes")
        row.listener, row.cert, row.first_name, row.n_names = front.listener, front.cert, first, len(front.names)
        row.ciphers, row.suites = out.text(front.ciphers.encode()), out.text(front.suites.encode())
        row.authorities = out.text(front.authorities)
        row.alpn = out.text(b"".join(bytes((len(word),)) + word.encode() for word in front.alpn))
        row.min_version, row.verify, row.is_strict = VERSIONS[front.min_version], VERIFY[front.verify], front.is_strict
        memcpy(row.session_id, <const char*>id, tls.SESSION_ID_BYTES)
        out.put(at + i * sizeof(tls_front_t), &row, sizeof(row))
        first += len(front.names)
    return at


cdef size_bound(certs, fronts, tickets):
    texts = [text for pair in certs for text in pair]
    for front in fronts:
        texts += [front.ciphers, front.suites, front.authorities, *front.alpn]
    n_names = sum(len(front.names) for front in fronts)
    return (
        sizeof(tls_header_t) + len(certs) * sizeof(tls_cert_t) + n_names * sizeof(tls_name_t)
        + len(fronts) * sizeof(tls_front_t) + len(tickets) * sizeof(tls_ticket_t)
        + sum(len(text) + EACH_MOST_BYTES for text in texts) + EACH_MOST_BYTES * 8
    )


def pack(certs, fronts, tickets) -> bytearray:
    """The block: (chain, key) of each certificate as PEM, the fronts (FrontRow of the stub), keys for tickets, newest first.

    The caller wipes it. Errors: ValueError for a field out of range.
    """
    cdef Writer out = Writer(size_bound(certs, fronts, tickets))
    cdef tls_header_t header
    cdef const uint8_t[::1] view
    memset(&header, 0, sizeof(header))
    header.off_certs, header.n_certs = write_certs(out, certs), len(certs)
    header.off_names, header.n_names = write_names(out, fronts), sum(len(front.names) for front in fronts)
    header.off_fronts, header.n_fronts = write_fronts(out, fronts), len(fronts)
    header.off_tickets, header.n_tickets = out.room(len(tickets) * sizeof(tls_ticket_t)), len(tickets)
    for i, ticket in enumerate(tickets):
        view = ticket
        if len(view) != sizeof(tls_ticket_t):
            raise ValueError(f"a key for tickets of {len(view)} bytes")
        out.put(header.off_tickets + i * sizeof(tls_ticket_t), &view[0], sizeof(tls_ticket_t))
    header.magic, header.version, header.length_bytes = tls.TLS_MAGIC, LAYOUT_VERSION, len(out.block)   # to its very end
    out.put(0, &header, sizeof(header))
    view = out.block
    header.checksum = secrets_checksum(&view[0], len(out.block))
    out.put(0, &header, sizeof(header))
    return out.block


def check(block) -> None:
    """Make what a worker will make of it, and drop that again. ValueError says what OpenSSL does not like."""
    cdef const uint8_t[::1] view = block
    cdef secrets_t made
    cdef int code
    load()
    code = secrets_make(&made, &view[0], len(view))
    if code < 0:
        raise ValueError(last_error())
    secrets_drop(&made)
