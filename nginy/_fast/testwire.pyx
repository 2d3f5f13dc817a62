"""Puts the readers and writers of HTTP in front of pytest and pytest-benchmark. Not in wheels."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy
from nginy._fast.wire.chunk cimport chunk_open, chunk_pass, chunk_t
from nginy._fast.wire.http1 cimport (
    CHUNK_LINE_MOST, HEAD_MOST_BYTES, HEAD_MOST_FIELDS, METHOD_GET, head_t, http1_request, http1_response, span_t,
)
from nginy._fast.wire.http1write cimport (
    edit_t, http1_write_request, http1_write_response, rewrite_open, rewrite_t, text_t,
)

MOST_BYTES, MOST_FIELDS, MOST_LINE = HEAD_MOST_BYTES, HEAD_MOST_FIELDS, CHUNK_LINE_MOST


cdef bytes cut(const uint8_t* p, span_t span):
    return p[span.at:span.at + span.n]


cdef list fields_of(const uint8_t* p, const head_t* head):
    return [
        (cut(p, head.fields[i].name), cut(p, head.fields[i].value), head.fields[i].kind, bool(head.fields[i].is_hop))
        for i in range(head.n_fields)
    ]


cdef dict shown(const uint8_t* p, const head_t* head):
    return {
        "n_bytes": head.n_bytes, "minor": head.minor, "body": head.body, "body_bytes": head.body_bytes,
        "is_kept": bool(head.is_kept), "is_upgrade": bool(head.is_upgrade), "is_expecting": bool(head.is_expecting),
        "takes_trailers": bool(head.takes_trailers), "has_length": bool(head.has_length), "method": head.method,
        "fields": fields_of(p, head),
    }


def request(size_t address, uint32_t n, uint32_t n_seen=0):
    """(what http1_request returns, what the head says or None) of n bytes at an address."""
    cdef const uint8_t* p = <const uint8_t*>address
    cdef head_t head
    code = http1_request(p, n, n_seen, &head)
    if code <= 0:
        return code, None
    return code, shown(p, &head) | {
        "method_name": cut(p, head.method_name), "target_form": head.target_form, "target": cut(p, head.target),
        "path": cut(p, head.path), "query": cut(p, head.query) if head.has_query else None, "host": cut(p, head.host),
    }


def response(size_t address, uint32_t n, uint32_t n_seen=0, uint8_t method=METHOD_GET):
    """(what http1_response returns, what the head says or None) of n bytes at an address."""
    cdef const uint8_t* p = <const uint8_t*>address
    cdef head_t head
    code = http1_response(p, n, n_seen, method, &head)
    return code, shown(p, &head) | {"status": head.status, "reason": cut(p, head.reason)} if code > 0 else None


def requests(const uint8_t[::1] heads, uint32_t turns=1):
    """Read pipelined heads one after another, the row of them so many times; how many there were."""
    cdef head_t head
    cdef uint32_t at, _turn
    cdef uint64_t n = 0
    cdef int code
    for _turn in range(turns):
        at = 0
        while at < heads.shape[0]:
            code = http1_request(&heads[at], <uint32_t>heads.shape[0] - at, 0, &head)
            if code <= 0:
                raise ValueError(f"{code} at {at}")
            at += <uint32_t>code
            n += 1
    return n


def edit(uint8_t kind, bytes name, bytes value=b""):
    """An edit as it is packed."""
    cdef edit_t packed
    packed.kind = kind
    packed.n_name = len(name)
    packed.n_value = len(value)
    return (<const uint8_t*>&packed)[:sizeof(edit_t)] + name + value


cdef text_t text_of(bytes given):
    return text_t(p=given, n=<uint32_t>len(given))


cdef class Rewrite:
    """What a writer is told; everything as it came at first."""

    cdef rewrite_t wanted
    cdef list kept

    def __init__(self, dict ways=None, bytes path=b"", bytes edits=b"", variables=(), **numbers):
        """ways: field kind -> (way, text); numbers: body, connection, takes_trailers, n_path_cut."""
        self.kept = [ways, path, edits, variables, numbers]

    cdef void settle(self, const head_t* head):
        cdef uint32_t i
        ways, path, edits, variables, numbers = self.kept
        rewrite_open(&self.wanted, head)
        self.wanted.body = numbers.get("body", head.body)
        self.wanted.connection = numbers.get("connection", 0)
        self.wanted.takes_trailers = numbers.get("takes_trailers", 0)
        self.wanted.n_path_cut = numbers.get("n_path_cut", 0)
        for kind, (way, text) in (ways or {}).items():
            self.wanted.way[<uint32_t>kind] = way
            self.wanted.text[<uint32_t>kind] = text_of(text)
        for i in range(<uint32_t>len(variables)):
            self.wanted.variables[i] = text_of(variables[i])
        self.wanted.path = text_of(path)
        self.wanted.edits = edits
        self.wanted.n_edits = <uint32_t>len(edits)


def write_request(bytes wire, Rewrite rewrite, size_t address, uint32_t room):
    """Bytes written at an address for the request in wire; ValueError when that cannot be read."""
    cdef head_t head
    if http1_request(wire, <uint32_t>len(wire), 0, &head) <= 0:
        raise ValueError(wire)
    rewrite.settle(&head)
    return http1_write_request(wire, &head, &rewrite.wanted, <uint8_t*>address, room)


def write_response(bytes wire, Rewrite rewrite, size_t address, uint32_t room, uint8_t method=METHOD_GET):
    """The same for a response."""
    cdef head_t head
    if http1_response(wire, <uint32_t>len(wire), 0, method, &head) <= 0:
        raise ValueError(wire)
    rewrite.settle(&head)
    return http1_write_response(wire, &head, &rewrite.wanted, <uint8_t*>address, room)


def rewrites(bytes wire, Rewrite rewrite, uint32_t turns):
    """Write a request so many times; its bytes."""
    cdef head_t head
    cdef uint8_t to[2 * HEAD_MOST_BYTES]
    cdef uint32_t _turn
    cdef uint32_t n = 0
    if http1_request(wire, <uint32_t>len(wire), 0, &head) <= 0:
        raise ValueError(wire)
    rewrite.settle(&head)
    for _turn in range(turns):
        n = http1_write_request(wire, &head, &rewrite.wanted, to, sizeof(to))
    return n


cdef class Chunks:
    """A chunked body on its way."""

    cdef chunk_t chunk

    def __init__(self, drops_trailers=False, room=-1):
        chunk_open(&self.chunk)
        self.chunk.drops_trailers = drops_trailers
        if room >= 0:
            self.chunk.room = <uint64_t>room

    @property
    def is_done(self):
        return bool(self.chunk.is_done)

    def take(self, size_t address, uint32_t n, is_bare=False):
        """(what chunk_pass returns, bytes that go on) of n bytes at an address, which are rewritten."""
        cdef uint32_t n_out = 0
        code = chunk_pass(&self.chunk, <uint8_t*>address, n, is_bare, &n_out)
        return code, (<const uint8_t*>address)[:n_out]


def chunked(bytes body, uint32_t turns):
    """Take a whole body so many times; bytes that went on."""
    cdef chunk_t chunk
    cdef uint8_t[::1] place = bytearray(body)
    cdef uint32_t _turn
    cdef uint32_t n_out = 0
    for _turn in range(turns):
        memcpy(&place[0], <const uint8_t*>body, len(body))
        chunk_open(&chunk)
        chunk_pass(&chunk, &place[0], <uint32_t>len(body), False, &n_out)
    return n_out
