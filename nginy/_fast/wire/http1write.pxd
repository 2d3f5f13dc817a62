# The one way in which nginy writes a head, whatever it was read from: HTTP/1.1; the target in origin form; Host first, then the
# fields for everybody in their order and spelling, then what is set or added, then framing and the connection's own fields,
# each `Name: value`. What it writes, http1_request and http1_response read as the same and write as the same.
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from nginy._fast.wire.http1 cimport FIELD_COUNT, field_t, head_t

cdef enum:
    REWRITE_VARIABLES = 8

cdef enum:                      # http_way_t: what becomes of a field that means something to a proxy
    WAY_KEEP = 0                # goes on as it came
    WAY_DROP = 1
    WAY_SET = 2                 # in place of those that came
    WAY_FILL = 3                # only where none came
    WAY_ADD = 4                 # behind those that came, as one list (RFC 9110, section 5.3); Set-Cookie: as one more

cdef enum:                      # http_edit_t
    EDIT_SET = 1
    EDIT_ADD = 2
    EDIT_REMOVE = 3

cdef enum:                      # variable_t: bytes of an edit's value that stand for a text
    VARIABLE_CLIENT = 1         # its address
    VARIABLE_REQUEST_ID = 2
    VARIABLE_BACKEND = 3        # address and port
    VARIABLE_HOST = 4           # as it came; of requests alone, as are the others
    VARIABLE_METHOD = 5
    VARIABLE_PATH = 6           # as it came, without its query

cdef enum:                      # http_connection_t
    CONNECTION_NONE = 0         # kept alive, which HTTP/1.1 need not say
    CONNECTION_CLOSE = 1
    CONNECTION_KEEP_ALIVE = 2   # for HTTP/1.0
    CONNECTION_UPGRADE = 3      # and Upgrade goes on

cdef struct text_t:
    const uint8_t* p            # borrowed
    uint32_t n                  # bytes

cdef struct edit_t:             # followed by its name and value; edits lie one behind another, unaligned
    uint8_t kind                # http_edit_t
    uint8_t n_name
    uint16_t n_value            # a byte from 1 to REWRITE_VARIABLES stands for variables[byte - 1]

cdef struct rewrite_t:
    uint8_t body                # http_body_t as it goes on
    uint8_t connection          # http_connection_t
    uint8_t takes_trailers      # TE: trailers
    # http_way_t by http_field_t; fields of framing and of the connection have none. Host: WAY_SET or WAY_KEEP, and set where
    # HTTP/1.0 named none, as an empty one is written else.
    uint8_t way[FIELD_COUNT]
    text_t text[FIELD_COUNT]    # what WAY_SET, WAY_FILL and WAY_ADD write: bytes that a value may have
    uint32_t n_path_cut         # bytes that the path loses at its beginning
    uint32_t n_edits            # bytes
    text_t path                 # before what is left of the path; one slash stands where they meet
    const uint8_t* edits        # borrowed; of names that are no http_field_t, checked by whoever packed them
    text_t variables[REWRITE_VARIABLES]

# A head goes on as it came: nothing cut, set or edited.
cdef void rewrite_open(rewrite_t* r, const head_t* head) noexcept nogil

# Whether a field goes by an edit: it is dropped, or another one stands in its place.
cdef bint is_edited(const uint8_t* p, const field_t* field, const rewrite_t* r) noexcept nogil

# Write a head that was read at p. Its bytes; 0 = they do not fit into room, and what stands at `to` is to be forgotten.
cdef uint32_t http1_write_request(
    const uint8_t* p, const head_t* head, const rewrite_t* r, uint8_t* to, uint32_t room
) noexcept nogil
cdef uint32_t http1_write_response(
    const uint8_t* p, const head_t* head, const rewrite_t* r, uint8_t* to, uint32_t room
) noexcept nogil

# Write what edits add to a head, each with its CR LF; is_page: but for the names that every page of our own has. Bytes; 0 =
# nothing, or no room.
cdef uint32_t http1_write_edits(const rewrite_t* r, bint is_page, uint8_t* to, uint32_t room) noexcept nogil
