# Heads of HTTP/1.1 and 1.0 messages, and chunked bodies. Source: RFC 9110; RFC 9112.
# Strict: what two readers could take differently is refused. Nothing is allocated or kept between two calls.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    HEAD_MOST_BYTES = 16384     # of one head, so that it fits one head buffer
    HEAD_MOST_FIELDS = 128
    CHUNK_LINE_MOST = 256       # bytes of a chunk's size line, extensions included

cdef enum:                      # http_method_t
    METHOD_OTHER = 0
    METHOD_GET = 1
    METHOD_HEAD = 2
    METHOD_POST = 3
    METHOD_PUT = 4
    METHOD_DELETE = 5
    METHOD_OPTIONS = 6
    METHOD_PATCH = 7
    METHOD_TRACE = 8
    METHOD_CONNECT = 9

cdef enum:                      # http_target_t (RFC 9112, section 3.2)
    TARGET_ORIGIN = 0
    TARGET_ABSOLUTE = 1
    TARGET_AUTHORITY = 2        # CONNECT
    TARGET_ASTERISK = 3         # OPTIONS

cdef enum:                      # http_body_t (RFC 9112, section 6.3)
    BODY_NONE = 0
    BODY_LENGTH = 1
    BODY_CHUNKED = 2
    BODY_UNTIL_END = 3          # responses alone

cdef enum:                      # http_field_t: names that mean something to a proxy
    FIELD_OTHER = 0
    FIELD_HOST = 1
    FIELD_CONNECTION = 2
    FIELD_CONTENT_LENGTH = 3
    FIELD_TRANSFER_ENCODING = 4
    FIELD_UPGRADE = 5
    FIELD_EXPECT = 6
    FIELD_TE = 7
    FIELD_TRAILER = 8
    FIELD_KEEP_ALIVE = 9
    FIELD_PROXY_CONNECTION = 10
    FIELD_VIA = 11
    FIELD_FORWARDED = 12
    FIELD_X_FORWARDED_FOR = 13
    FIELD_X_FORWARDED_PROTO = 14
    FIELD_X_FORWARDED_HOST = 15
    FIELD_X_REQUEST_ID = 16
    FIELD_TRACEPARENT = 17
    FIELD_COOKIE = 18
    FIELD_SET_COOKIE = 19
    FIELD_COUNT = 20

cdef enum:                      # http_refusal_t: why a head, a chunk or a trailer is refused; the answer is 400 unless said
    HTTP_BAD_METHOD = 1
    HTTP_BAD_TARGET = 2
    HTTP_BAD_VERSION = 3        # a well-formed one that is neither 1.0 nor 1.1: 505
    HTTP_BAD_NAME = 4           # of a field: no token, a space before its colon, a folded line (obs-fold), Content_Length
    HTTP_BAD_VALUE = 5          # NUL, bare CR, a control character; Connection: no list of tokens, or what may not be named
    HTTP_BAD_LENGTH = 6         # Content-Length: not digits alone, several, empty, too large, next to Transfer-Encoding
    HTTP_BAD_CODING = 7         # Transfer-Encoding: other than one `chunked`, or in HTTP/1.0
    HTTP_BAD_HOST = 8           # none (1.1), several, not a host, not the one of an absolute target
    HTTP_BAD_LINE = 9           # a line that does not end with CR LF; a start line that is none, HTTP/0.9 among them
    HTTP_TOO_LONG = 10          # 431: more than HEAD_MOST_BYTES or HEAD_MOST_FIELDS
    HTTP_BAD_CHUNK = 11         # size, its line, or the end of a chunk
    HTTP_BAD_TRAILER = 12
    HTTP_BAD_STATUS = 13        # response: not three digits from 100 to 599
    HTTP_TOO_LARGE = 14         # 413: a chunk that is larger than what a body has room for
    HTTP_REFUSALS = 15

cdef struct span_t:             # of bytes, from the beginning of the head
    uint16_t at
    uint16_t n

cdef struct field_t:
    span_t name
    span_t value                # without the white space around it
    uint8_t kind                # http_field_t
    uint8_t is_hop              # for one connection alone (RFC 9110, section 7.6.1), so not passed on
    uint16_t reserved

cdef struct head_t:
    uint32_t n_bytes            # on the wire, the empty line included
    uint16_t n_fields
    uint8_t minor               # of the version: 0 or 1
    uint8_t body                # http_body_t
    uint64_t body_bytes         # BODY_LENGTH, maybe 0; of the answer to HEAD and of 304: what their Content-Length says
    uint8_t is_kept             # the connection may serve on after this message
    uint8_t is_upgrade          # asks for another protocol, in a request without a body, and not for h2c; or grants it (101)
    uint8_t is_expecting        # Expect: 100-continue, from HTTP/1.1 and with a body
    uint8_t method              # http_method_t; of a response: of the request that it answers
    uint8_t target_form         # http_target_t
    uint8_t takes_trailers      # TE: trailers
    uint8_t has_length          # Content-Length was there
    uint8_t has_query           # a question mark was there, maybe with nothing behind
    uint16_t status             # response
    span_t method_name
    span_t target               # as it came
    # Of an origin or absolute target, the query not included; begins with '/'. Empty only with TARGET_AUTHORITY and
    # TARGET_ASTERISK, which OPTIONS of an absolute target with nothing behind its host is, too.
    span_t path
    span_t query                # without its question mark
    span_t host                 # port included: of the Host field, to which that of a target is equal; empty only with HTTP/1.0
    span_t reason               # response
    field_t fields[HEAD_MOST_FIELDS]

# Read a head at p; one empty line before it is passed over. > 0: its bytes; 0: more are needed; < 0: -http_refusal_t. n_seen:
# bytes that an earlier call has looked at in vain, so that a slow sender costs no second look; 0 when in doubt. Looks at
# nothing beyond n bytes. The head says something only with > 0.
cdef int http1_request(const uint8_t* p, uint32_t n, uint32_t n_seen, head_t* head) noexcept nogil

# The same for the answer to a request with this method (HEAD and CONNECT say what follows).
cdef int http1_response(const uint8_t* p, uint32_t n, uint32_t n_seen, uint8_t method, head_t* head) noexcept nogil
