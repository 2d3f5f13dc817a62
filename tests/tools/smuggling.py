"""What has carried a request past one server and into another, as rows: each is refused, or goes on in one form.

Heads and bodies that are refused stand where the parser's own tests have them; here are the names under which the table
of hostile input knows them, and requests that look odd and have one meaning.
"""

from dataclasses import dataclass

from tests.unit.wire import test_chunk as chunks
from tests.unit.wire import test_http1_refused as heads
from tests.unit.wire.heads import Refusal, request

CHUNKED = b"Transfer-Encoding: chunked\r\n"
STATUS = {Refusal.VERSION: 505, Refusal.TOO_LONG: 431}
LATE = {Refusal.TOO_LONG: 400}  # in a body


@dataclass(frozen=True)
class Refused:
    """Bytes, and the status that they are answered with."""

    wire: bytes
    status: int


REFUSED: dict[str, Refused] = {
    **{name: Refused(wire, STATUS.get(refusal, 400)) for name, (wire, refusal) in heads.BAD.items()},
    **{
        f"chunks: {name}": Refused(request(CHUNKED, b"POST / HTTP/1.1") + body, LATE.get(refusal, 400))
        for name, (body, refusal) in chunks.BAD.items()
    },
}

HELLO = b"5\r\nhello\r\n0\r\n\r\n"
CLEAR_LENGTH = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
CLEAR_CHUNKS = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + HELLO


def post(fields: bytes, body: bytes, version: bytes = b"1.1") -> bytes:
    return request(fields, b"POST / HTTP/" + version) + body


def get(target: bytes, host: bytes = b"a") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"


# As it came, and as it goes on, but for the lines that nginy adds.
CANONICAL: dict[str, tuple[bytes, bytes]] = {
    "a length with zeros before it": (post(b"content-LENGTH:\t005 \r\n", b"hello"), CLEAR_LENGTH),
    "a length of nothing": (
        post(b"Content-Length: 0\r\n", b""), b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
    "GET with a body": (
        request(b"Content-Length: 5\r\n") + b"hello", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
    "a body that looks like a request": (
        post(b"Content-Length: 28\r\n", get(b"/x")),
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 28\r\n\r\n" + get(b"/x")),
    "a body that looks like chunks": (
        post(b"Content-Length: 15\r\n", HELLO), b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\n\r\n" + HELLO),
    "a body of HTTP/1.0": (
        post(b"Connection: keep-alive\r\nContent-Length: 5\r\n", b"hello", b"1.0"), CLEAR_LENGTH),
    "chunked in capitals, with blanks": (post(b"TRANSFER-encoding: \tCHUNKED \t\r\n", HELLO), CLEAR_CHUNKS),
    "a chunk's extensions": (
        post(CHUNKED, b'5;x="0\\r;\\n";y\r\nhello\r\n0;z=1\r\n\r\n'), CLEAR_CHUNKS),
    "a chunk's size in capitals": (
        post(CHUNKED, b"A\r\n0123456789\r\n000\r\n\r\n"),
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n"),
    "an empty line before": (b"\r\n" + post(b"Content-Length: 5\r\n", b"hello"), CLEAR_LENGTH),
    "an absolute target": (get(b"http://A/x?y", b"a"), get(b"/x?y")),
    "an absolute target without a path": (get(b"http://a?y"), get(b"/?y")),
    "asterisk as an absolute target": (
        b"OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
    "two slashes first": (get(b"//b/c"), get(b"//b/c")),
    "a host in another place": (
        b"GET / HTTP/1.1\r\nX: 1\r\nhOST:\t a:80 \r\n\r\n", b"GET / HTTP/1.1\r\nHost: a:80\r\nX: 1\r\n\r\n"),
    "HTTP/1.0 without a host": (
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", get(b"/", b"localhost")),
    "a method in small letters": (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", b"get / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "what is for one connection": (
        request(b"Keep-Alive: 5\r\nX: 1\r\nConnection: x, keep-alive\r\nProxy-Connection: close\r\nTE: gzip\r\n"),
        get(b"/")),
    "an upgrade that Connection does not name": (request(b"Upgrade: websocket\r\n"), get(b"/")),
    "HTTP/2 in plain text": (
        request(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAA\r\n"),
        get(b"/")),
    "blanks around a value": (
        request(b"X:\t 1\t2 \t\r\nY:\r\n"), b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\t2\r\nY: \r\n\r\n"),
    "a trailer": (
        post(CHUNKED + b"TE: trailers\r\nTrailer: x\r\n", b"5\r\nhello\r\n0\r\nX: 1\r\n\r\n"),
        b"POST / HTTP/1.1\r\nHost: a\r\nTrailer: x\r\nTransfer-Encoding: chunked\r\nConnection: TE\r\n"
        b"TE: trailers\r\n\r\n5\r\nhello\r\n0\r\nX: 1\r\n\r\n"),
}  # fmt: skip

# The rows of G2, and what of http-garden's findings is about what a gateway lets pass, by the names of rows above.
KNOWN: dict[str, list[str]] = {
    "Transfer-Encoding and Content-Length": ["a length and chunks", "chunks and a length"],
    "two Content-Length": ["two lengths", "two equal lengths", "length b'5, 5'", "length b'5,5'"],
    "Content-Length +5": ["length b'+5'", "length b'-5'"],
    "Content-Length 0x5": ["length b'0x5'"],
    "Content-Length 5_0": ["length b'5_0'"],
    "an empty Content-Length": ["length b''"],
    "a Content-Length beyond 64 bits": ["length b'18446744073709551621'", "length b'9223372036854775808'"],
    "a Content-Length with zeros before it": ["a length with zeros before it"],
    "Content-Length under another spelling": ["a length with an underscore", "a space before the colon"],
    ",chunked": ["coding b',chunked'", "coding b'chunked,'"],
    "chunked twice": ["chunks twice", "coding b'chunked, chunked'"],
    "a coding that is not chunked": [
        "coding b'identity'",
        "coding b'gzip, chunked'",
        "coding b'xchunked'",
        "coding b''",
    ],
    "a coding that only looks so": ["a vertical tab before chunked", "coding b'\"chunked\"'", "coding b'chunked;q=1'"],
    "Transfer-Encoding in HTTP/1.0": ["chunks in HTTP/1.0"],
    "bare LF": ["bare LF everywhere", "bare LF behind a value", "bare LF at the end", "bare LF behind the version"],
    "bare CR": ["bare CR in a value", "bare CR behind the version", "CR CR LF", "a line of CR and more"],
    "a line ends with CR and another byte": ["bare CR at the end", "chunks: bare CR at the end"],
    "obs-fold": ["a folded line", "a folded line of a tab", "chunks: a folded trailer"],
    "NUL": ["NUL in a name", "NUL in a value", "NUL in the target", "chunks: NUL in a trailer"],
    "a space before the colon": [
        "a space before the colon",
        "a tab before the colon",
        "chunks: a space before the colon",
    ],
    "a name that is none": ["no name", "no colon", "NUL in a name", "a slash in a name", "CR in a name"],
    "a blank before the first field": ["a blank in front of the first field", "a space before the name"],
    "a chunk's size is too large": ["chunks: size b'ffffffffffffffff'", "chunks: size b'10000000000000005'"],
    "a chunk's size has a prefix": [
        "chunks: size b'0x5'",
        "chunks: size b'+5'",
        "chunks: size b'-5'",
        "chunks: size b'5_0'",
    ],
    "a chunk's size has blanks": ["chunks: size b' 5'", "chunks: size b'5 '", "chunks: size b'\\t5'"],
    "a chunk's size is missing": ["chunks: size b''"],
    "LF ends a chunk's line": ["chunks: bare LF behind a size", "chunks: bare LF behind the bytes"],
    "LF in a chunk's extension": ["chunks: size b'5;a\\nb'", "chunks: size b'5;a\\rb'"],
    "any two bytes end a chunk": ["chunks: too many bytes", "chunks: nothing behind the bytes"],
    "trailers that frame": ["chunks: trailer b'Content-Length'", "chunks: trailer b'transfer-encoding'"],
    "trailers that route": ["chunks: trailer b'HOST'", "chunks: trailer b'X-Forwarded-For'"],
    "a body ends without its last line": ["chunks: a next request instead of the end", "chunks: bare LF at the end"],
    "HTTP/0.9": ["HTTP/0.9", "HTTP/0.9 with a space", "HTTP/0.9 with its version"],
    "a bad version": ["a version of three digits", "HTTP/1.2", "a short version", "a version with a zero before"],
    "HTTP/2": ["HTTP/2", "HTTP/2.0", "HTTP/2 in plain text"],
    "a request line with other blanks": [
        "a tab behind the method",
        "two spaces behind the target",
        "a tab behind the target",
    ],
    "a target that is a path for some": [
        "a path without its slash",
        "a query alone",
        "a fragment",
        "a space in the target",
    ],
    "two hosts": ["two hosts", "an absolute target elsewhere", "two hosts of HTTP/1.0"],
    "a host that is none": ["host b'a,b'", "host b'u@a'", "host b'a/b'", "no host", "an empty host"],
    "Connection takes the framing away": [
        "Connection names the length",
        "Connection names the coding",
        "Connection names Host",
    ],
    "a body where some expect none": ["GET with a body", "CONNECT with a length", "CONNECT with chunks"],
    "a request within a body": ["a body that looks like a request", "a body that looks like chunks"],
    "lines before a request": [
        "an empty line before",
        "two empty lines before",
        "bare LF before",
        "a blank before the method",
    ],
}
