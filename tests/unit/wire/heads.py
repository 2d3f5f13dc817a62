"""Heads as tests write them, and how they are read: next to an unreadable page, and cut anywhere."""

import ctypes
from enum import IntEnum
from typing import Any, NamedTuple

from nginy._fast import testwire
from tests.tools.guarded import Guarded


class Refusal(IntEnum):
    """What a reader returns for bytes that it refuses."""

    METHOD = -1
    TARGET = -2
    VERSION = -3
    NAME = -4
    VALUE = -5
    LENGTH = -6
    CODING = -7
    HOST = -8
    LINE = -9
    TOO_LONG = -10
    CHUNK = -11
    TRAILER = -12
    STATUS = -13
    LARGE = -14


NO_BODY, LENGTH, CHUNKED, UNTIL_END = range(4)
OTHER, GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, TRACE, CONNECT = range(10)
ORIGIN, ABSOLUTE, AUTHORITY, ASTERISK = range(4)
FIELD_NAMES = (
    "", "Host", "Connection", "Content-Length", "Transfer-Encoding", "Upgrade", "Expect", "TE", "Trailer", "Keep-Alive",
    "Proxy-Connection", "Via", "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Request-ID",
    "traceparent", "Cookie", "Set-Cookie",
)  # fmt: skip
KINDS = {name: kind for kind, name in enumerate(FIELD_NAMES)}

HOST = b"Host: a\r\n"


class Read(NamedTuple):
    code: int
    head: dict[str, Any] | None


class Reader:
    """Reads bytes that end at an unreadable page."""

    def __init__(self, page: Guarded) -> None:
        self._page = page

    def request(self, given: bytes, n_seen: int = 0) -> Read:
        return Read(*testwire.request(self._page.put(given), len(given), n_seen))

    def response(self, given: bytes, method: int = GET, n_seen: int = 0) -> Read:
        return Read(*testwire.response(self._page.put(given), len(given), n_seen, method))


def request(fields: bytes = b"", start: bytes = b"GET / HTTP/1.1", host: bytes = HOST) -> bytes:
    """A whole head; fields with their line ends."""
    return start + b"\r\n" + host + fields + b"\r\n"


def response(fields: bytes = b"", start: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return start + b"\r\n" + fields + b"\r\n"


def refusals_by_cut(read: Any, wire: bytes) -> list[int]:
    """What each beginning of some bytes gives, from none to all of them."""
    return [read(wire[:n]).code for n in range(len(wire) + 1)]


class Passed(NamedTuple):
    """What became of a chunked body: the sum of what was taken or the refusal, what went on, whether it has ended."""

    code: int
    out: bytes
    is_done: bool


def pass_body(
    page: Guarded, pieces: list[bytes], is_bare: bool = False, drops_trailers: bool = False, room: int = -1
) -> Passed:
    """Give the pieces one after another, each next to an unreadable page; what is not taken must be left as it was."""
    chunks = testwire.Chunks(drops_trailers, room)
    taken, out = 0, b""
    for piece in pieces:
        address = page.put(piece)
        code, went = chunks.take(address, len(piece), is_bare)
        out += went
        if code < 0:
            assert chunks.take(page.put(b"0"), 1, is_bare) == (code, b"")
            return Passed(code, out, chunks.is_done)
        assert len(went) <= code <= len(piece)
        assert code == len(piece) or chunks.is_done
        assert ctypes.string_at(address + code, len(piece) - code) == piece[code:]
        taken += code
    return Passed(taken, out, chunks.is_done)
