"""Tlshello: the whole message is there before anything in it is believed; every length is checked against what holds it."""

from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    RECORD_HEAD = 5
    RECORD_MOST = 16384         # RFC 8446, section 5.1
    HANDSHAKE_RECORD = 22
    MESSAGE_HEAD = 4
    CLIENT_HELLO = 1
    VERSION_MAJOR = 3           # SSL 3.0 to TLS 1.3 all say so in the record and in the hello
    VERSION_MINOR_MOST = 4
    RANDOM_BYTES = 32
    SESSION_ID_MOST = 32
    EXTENSION_NAME = 0          # server_name
    EXTENSION_ALPN = 16
    NAME_IS_HOST = 0
    LABEL_MOST = 63

cdef struct reader_t:           # the handshake bytes of records, as one row
    const uint8_t* p            # borrowed
    uint32_t at                 # next byte on the wire
    uint32_t in_record          # bytes left before the next record's header
    uint32_t left               # bytes left of the message, or of the part that is being read
    bint is_bad                 # something was read beyond it


cdef void skip(reader_t* r, uint32_t n) noexcept nogil:
    cdef uint32_t step
    if n > r.left:
        r.is_bad = True
        return
    r.left -= n
    while n:                    # a record at a time; records are never empty
        if r.in_record == 0:
            r.in_record = <uint32_t>r.p[r.at + 3] << 8 | r.p[r.at + 4]
            r.at += RECORD_HEAD
        step = min(n, r.in_record)
        r.at += step
        r.in_record -= step
        n -= step


cdef uint32_t take(reader_t* r, uint32_t n_bytes) noexcept nogil:
    cdef uint32_t value = 0
    cdef uint32_t _turn
    for _turn in range(n_bytes):
        skip(r, 1)
        if r.is_bad:
            return 0
        value = value << 8 | r.p[r.at - 1]
    return value


cdef void copy(reader_t* r, uint8_t* to, uint32_t n) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        to[i] = <uint8_t>take(r, 1)


# A part with a length before it, which becomes all there is to read; what is left of the whole behind it.
cdef uint32_t enter(reader_t* r, uint32_t n_length_bytes) noexcept nogil:
    cdef uint32_t n = take(r, n_length_bytes)
    cdef uint32_t behind
    if r.is_bad or n > r.left:
        r.is_bad = True
        return 0
    behind = r.left - n
    r.left = n
    return behind


cdef void leave(reader_t* r, uint32_t behind) noexcept nogil:
    skip(r, r.left)
    r.left = behind


# Whether a record's header can be one of a hello. Bytes that are not there yet are not looked at.
cdef int record_refusal(const uint8_t* p, uint32_t n_bytes) noexcept nogil:
    cdef uint32_t n
    if n_bytes > 0 and p[0] != HANDSHAKE_RECORD or n_bytes > 1 and p[1] != VERSION_MAJOR:
        return -HELLO_NOT_TLS
    if n_bytes > 2 and p[2] > VERSION_MINOR_MOST:
        return -HELLO_NOT_TLS
    if n_bytes < RECORD_HEAD:
        return 0
    n = <uint32_t>p[3] << 8 | p[4]
    return -HELLO_BAD_LENGTH if n == 0 or n > RECORD_MOST else 0


# Walk the records until the message is whole: its bytes on the wire, and the message's own length in *n_message.
cdef int message_whole(const uint8_t* p, uint32_t n_bytes, uint32_t* n_message) noexcept nogil:
    cdef uint32_t at = 0
    cdef uint32_t got = 0       # bytes of the message so far
    cdef uint32_t head = 0      # its first four bytes
    cdef uint32_t n, i, end
    cdef int refusal
    while True:
        if at + RECORD_HEAD >= HELLO_MOST_BYTES:
            return -HELLO_TOO_LONG      # so 0 means that there is room for more
        refusal = record_refusal(p + at, n_bytes - at)
        if refusal < 0 or n_bytes - at < RECORD_HEAD:
            return refusal
        n = <uint32_t>p[at + 3] << 8 | p[at + 4]
        at += RECORD_HEAD
        if at + n > HELLO_MOST_BYTES:
            return -HELLO_TOO_LONG
        for i in range(min(n, n_bytes - at)):
            if got + i >= MESSAGE_HEAD:
                break
            head = head << 8 | p[at + i]
            if got + i == 0 and head != CLIENT_HELLO:
                return -HELLO_NOT_HELLO
        got += n
        if got >= MESSAGE_HEAD and n_bytes - at >= min(n, <uint32_t>MESSAGE_HEAD):
            n_message[0] = head & 0xffffff
            end = MESSAGE_HEAD + n_message[0]
            if end > HELLO_MOST_BYTES - RECORD_HEAD:
                return -HELLO_TOO_LONG
            if got > end:       # nothing may stand behind a hello in its record (RFC 8446, section 5.1)
                return -HELLO_BAD_LENGTH
            if got == end:
                return <int>(at + n) if n_bytes - at >= n else 0
        if n_bytes - at < n:
            return 0
        at += n


# The name is a row of labels: letters, digits, hyphens, and underscores, which names of services have.
cdef bint name_settle(uint8_t* name, uint32_t n) noexcept nogil:
    cdef uint32_t label = 0
    cdef uint32_t i
    cdef uint8_t c
    for i in range(n):
        c = name[i]
        if c == b'.':
            if label == 0 or label > LABEL_MOST:
                return False
            label = 0
            continue
        if b'A' <= c <= b'Z':
            c |= 0x20
            name[i] = c
        elif not (b'a' <= c <= b'z' or b'0' <= c <= b'9' or c == b'-' or c == b'_'):
            return False
        label += 1
    return 0 < label <= LABEL_MOST


# The extension's list of names; other kinds than host names, and further ones, are passed over.
cdef int names_read(reader_t* r, tlshello_t* hello) noexcept nogil:
    cdef uint32_t kind, behind
    cdef uint32_t after = enter(r, 2)
    if r.is_bad or after or r.left == 0:
        return -HELLO_BAD_LENGTH
    while r.left:
        kind = take(r, 1)
        behind = enter(r, 2)
        if r.is_bad:
            return -HELLO_BAD_LENGTH
        if kind == NAME_IS_HOST and hello.n_name == 0:
            if r.left == 0 or r.left > HELLO_NAME_MOST:
                return -HELLO_BAD_NAME
            hello.n_name = r.left
            copy(r, hello.name, hello.n_name)
            if not name_settle(hello.name, hello.n_name):
                return -HELLO_BAD_NAME
        leave(r, behind)
    return 0


cdef int protocols_read(reader_t* r, tlshello_t* hello) noexcept nogil:
    cdef uint32_t n, behind
    cdef uint32_t after = enter(r, 2)
    if r.is_bad or after or r.left == 0:
        return -HELLO_BAD_LENGTH
    while r.left:
        behind = enter(r, 1)
        if r.is_bad or r.left == 0:
            return -HELLO_BAD_LENGTH
        n = r.left
        if hello.n_alpn + 1 + n <= HELLO_ALPN_MOST:
            hello.alpn[hello.n_alpn] = <uint8_t>n
            copy(r, hello.alpn + hello.n_alpn + 1, n)
            hello.n_alpn += 1 + n
        leave(r, behind)
    return 0


cdef int extensions_read(reader_t* r, tlshello_t* hello) noexcept nogil:
    cdef uint32_t kind, behind, bit
    cdef uint32_t seen = 0
    cdef int status
    if enter(r, 2) or r.is_bad:
        return -HELLO_BAD_LENGTH
    while r.left:
        kind = take(r, 2)
        behind = enter(r, 2)
        if r.is_bad:
            return -HELLO_BAD_LENGTH
        status = 0
        if kind == EXTENSION_NAME or kind == EXTENSION_ALPN:
            bit = 1 if kind == EXTENSION_NAME else 2
            if seen & bit:
                return -HELLO_TWICE
            seen |= bit
            status = names_read(r, hello) if kind == EXTENSION_NAME else protocols_read(r, hello)
        if status < 0:
            return status
        leave(r, behind)
    return 0


# Everything in front of the extensions, by lengths alone.
cdef bint preamble_read(reader_t* r) noexcept nogil:
    cdef uint32_t n
    if take(r, 1) != VERSION_MAJOR:
        return False
    skip(r, 1 + RANDOM_BYTES)
    n = take(r, 1)
    if n > SESSION_ID_MOST:
        return False
    skip(r, n)
    n = take(r, 2)              # cipher suites of two bytes each
    if n == 0 or n % 2:
        return False
    skip(r, n)
    n = take(r, 1)              # methods of compression
    if n == 0:
        return False
    skip(r, n)
    return not r.is_bad


cdef int tlshello_read(const uint8_t* p, uint32_t n_bytes, tlshello_t* hello) noexcept nogil:
    cdef reader_t r
    cdef uint32_t n_message = 0
    cdef int whole = message_whole(p, n_bytes, &n_message)
    cdef int status = 0
    hello.n_name = 0
    hello.n_alpn = 0
    if whole <= 0:
        return whole
    r.p = p
    r.at = 0
    r.in_record = 0
    r.left = MESSAGE_HEAD + n_message
    r.is_bad = False
    skip(&r, MESSAGE_HEAD)
    if not preamble_read(&r):
        status = -HELLO_BAD_LENGTH
    elif r.left:                # clients before TLS 1.2 may have none
        status = extensions_read(&r, hello)
    if status < 0:
        hello.n_name = 0
        hello.n_alpn = 0
        return status
    return whole
