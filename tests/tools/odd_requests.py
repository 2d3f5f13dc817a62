"""Requests that servers are known to read differently: a plain one with some of the tricks of the trade done to it."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

CRLF = b"\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: evil.example\r\n\r\n"

METHODS = (b"GET", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"PROPFIND")
ODD_METHODS = (
    b"get", b"G!T", b"GE T", b"", b"CONNECT", b"TRACE", b"HEAD", b"X-A_1", b"PRI", b"GET\x00", b"(", b"G\xe9T",
)  # fmt: skip
TARGETS = (
    b"/", b"/a", b"/a?b=1", b"/a/b;c?d=e&f=%20", b"//a", b"/a//b", b"/%41%2f", b"/a?x=http://b/?c",
    b"/~a/-_.!$&'()*+,=:@",
)  # fmt: skip
ODD_TARGETS = (
    b"*", b"a", b"", b"/a b", b"/a#b", b"/a\tb", b"/\x00", b"/\xff", b"/a\\b", b"/../a", b"/./a", b"/%", b"/%zz",
    b"/%00", b"/a%0d%0ab",
    b"http://web.example/a", b"http://web.example", b"http://web.example?a", b"HTTP://web.example/a",
    b"http://other.example/a",
    b"https://web.example/a", b"http:///a", b"http://u:p@web.example/a", b"http://web.example:80/a",
    b"ftp://web.example/a",
    b"//other.example/a", b"web.example:80", b"/a?b?c", b"/a|b", b"/a\"b", b"/a{b}", b"/a^b`", b"?a",
    b"/" + b"a" * 3000,
)  # fmt: skip
HOSTS = (b"web.example", b"web.example:8080", b"[::1]", b"[::1]:80", b"WEB.example", b"1.2.3.4", b"a_b.example")
ODD_HOSTS = (
    b"", b"web.example:", b"web.example:0x50", b"web.example:99999", b"u@web.example", b"a b", b"a,b", b"a/b",
    b"[::1", b"::1",
    b"web.example\t", b"a%41", b"a\x00b", b"a\xffb", b"a?b", b"a#b", b"-", b".",
)  # fmt: skip
VERSIONS = (
    b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"http/1.1", b"HTTP/01.1", b"HTTP/1.10", b"HTTP/1",
    b"HTTP/1.1 ", b"", b"HTTP/1,1",
)  # fmt: skip
LENGTHS = (
    b"+%d", b"-%d", b"0x%x", b"%d_0", b"%d,%d", b"%d, %d", b"%d;", b"\t%d", b"%d\t", b"0%d",
    b"00000000000000000000%d", b"%d.0",
    b"", b" ", b"1%020d", b"\x0b%d", b"%d\x0c", b"%d %d", b'"%d"', b"\xb2%d", b"%de0",
)  # fmt: skip
CODINGS = (
    b"chunked, chunked", b",chunked", b"chunked,", b"xchunked", b"CHUNKED", b"identity", b"gzip, chunked",
    b"chunked, gzip", b"chunked;q=1",
    b'"chunked"', b"\x0bchunked", b"chunked\x0b", b"\tchunked", b"", b"chunk", b"chunked\x00", b"identity, chunked",
    b"gzip", b"trailers",
)  # fmt: skip
LENGTH_NAMES = (
    b"Content_Length", b"Content-Length ", b"Content-Length\t", b" Content-Length", b"content-LENGTH",
    b"Content-Lengt\x00h",
)  # fmt: skip
CODING_NAMES = (
    b"Transfer_Encoding", b"Transfer-Encoding ", b"Transfer-Encoding\t", b" Transfer-Encoding", b"transfer-ENCODING",
    b"Transfer Encoding",
    b"Transfer-Encoding\x00", b"X: y\nTransfer-Encoding", b"X: y\rTransfer-Encoding", b"\x0bTransfer-Encoding", b"TE",
)  # fmt: skip
ODD_LINES = (
    b"no colon", b": no name", b"a b: c", b"x\x00: y", b"x: y\x00z", b"x: y\x7fz", b"x: y\rz", b"x: y\nz: 1",
    b"x : y", b"x\t: y", b"\tx: y",
    b" x: y", b"x(: y", b"x: \xff\xfe", b"x\xff: y", b"x:y", b"x:", b"x:   y   ", b"x:\ty\t", b"x: a\r\n b",
    b"x: a\r\n\tb", b"x:\r\n y", b'"x": y',
)  # fmt: skip
OTHER_LINES = (
    b"Connection: close", b"Connection: keep-alive", b"Connection: Content-Length", b"Connection: Transfer-Encoding",
    b"Connection: Host",
    b"Connection: X-A\r\nX-A: 1", b"Connection: ,close,,",
    b"Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk",
    b"Connection: Upgrade\r\nUpgrade: other", b"Expect: 100-continue", b"Expect: something",
    b"Keep-Alive: timeout=1", b"TE: trailers",
    b"Proxy-Connection: close", b"X-Forwarded-For: 10.0.0.1", b"X_Forwarded_For: 10.0.0.1",
    b"X-Forwarded-Proto: https", b"Trailer: X-T",
    b"X-HTTP-Method-Override: DELETE", b"X-Original-URL: /evil", b"X-Request-ID: one", b"Cookie: a=b; c=d",
    b"Content-Type: text/plain",
    b"Content-Encoding: gzip", b"Range: bytes=0-1", b"X-A: " + b"a" * 2000,
)  # fmt: skip
SIZES = (
    b"0x%x", b"+%x", b"-%x", b"0%x", b"0000000000000000%x", b"1000000000000000%x", b"fffffffffffffff%x", b" %x",
    b"%x ", b"%x\t", b"%x;a=b",
    b"%x ;a=b", b'%x;a="b;c"', b"%x;a\rb", b"%x;a\nb", b"%x;\x00", b"%x,1", b"%x_0", b"%xg", b"", b"%x\r", b"%x;",
    b"%x;" + b"a" * 300,
)  # fmt: skip
TRAILERS = (
    b"X-T: 1", b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Host: evil.example", b"X-T: 1\r\n folded",
    b"no colon", b"X-T : 1", b"X-T: a\x00b",
    b"X-T: 1\nX-U: 2", b"Authorization: x", b"Connection: close", b": 1", b"X-T: 1\r\nX-U: 2",
)  # fmt: skip


@dataclass
class Draft:
    """What tricks work on. lines: fields without line ends.   body: as it stands behind the head."""

    method: bytes
    target: bytes
    host: bytes
    version: bytes = b"HTTP/1.1"
    space: bytes = b" "
    lines: list[bytes] = field(default_factory=list)
    content: bytes = b""
    body: bytes = b""
    before: bytes = b""

    def head(self) -> bytes:
        start = self.space.join(word for word in (self.method, self.target, self.version))
        return CRLF.join([start, *self.lines, b"", b""])


def insert(draft: Draft, chance: random.Random, line: bytes) -> None:
    draft.lines.insert(chance.randint(0, len(draft.lines)), line)


def framed(draft: Draft, chance: random.Random, *, is_chunked: bool) -> None:
    """Give it a body of its content in one clear way."""
    if not is_chunked:
        draft.body = draft.content
        insert(draft, chance, b"Content-Length: %d" % len(draft.content))
        return
    insert(draft, chance, b"Transfer-Encoding: chunked")
    cut = chance.randint(0, len(draft.content))
    parts = [part for part in (draft.content[:cut], draft.content[cut:]) if part]
    draft.body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def plain(chance: random.Random) -> Draft:
    """One that everybody reads alike."""
    draft = Draft(chance.choice(METHODS), chance.choice(TARGETS), chance.choice(HOSTS))
    draft.lines.append(b"Host: " + draft.host)
    draft.content = chance.choice((b"hello", b"a" * 40, SMUGGLED, b"0\r\n\r\n" + SMUGGLED, b"",
    b"5\r\nhello\r\n0\r\n\r\n"))
    how = chance.choice(("none", "length", "chunked"))
    if how != "none":
        framed(draft, chance, is_chunked=how == "chunked")
    return draft


def spelled(pattern: bytes, number: int) -> bytes:
    return pattern % ((number,) * pattern.count(b"%"))


def odd_length(draft: Draft, chance: random.Random) -> None:
    draft.body = draft.body or draft.content
    insert(draft, chance, b"Content-Length:" + chance.choice((b" ",
    b"")) + spelled(chance.choice(LENGTHS), len(draft.body)))


def second_length(draft: Draft, chance: random.Random) -> None:
    for _ in range(2):
        insert(draft, chance, b"Content-Length: %d" % chance.choice((len(draft.body), 0, 5)))


def length_and_coding(draft: Draft, chance: random.Random) -> None:
    insert(draft, chance, b"Content-Length: %d" % chance.choice((len(draft.body), 0, 3)))
    insert(draft, chance, b"Transfer-Encoding: " + chance.choice((b"chunked", *CODINGS)))
    draft.body = draft.body or chance.choice((b"0\r\n\r\n", b"0\r\n\r\n" + SMUGGLED))


def odd_coding(draft: Draft, chance: random.Random) -> None:
    insert(draft, chance, b"Transfer-Encoding: " + chance.choice(CODINGS))
    draft.body = draft.body or b"5\r\nhello\r\n0\r\n\r\n"


def odd_framing_name(draft: Draft, chance: random.Random) -> None:
    if chance.random() < 0.5:
        insert(draft, chance, chance.choice(LENGTH_NAMES) + b": %d" % chance.choice((len(draft.body), 0, 5)))
    else:
        insert(draft, chance, chance.choice(CODING_NAMES) + b": chunked")


def odd_chunk_size(draft: Draft, chance: random.Random) -> None:
    framing(draft, chance)
    size = spelled(chance.choice(SIZES), len(draft.content))
    end = chance.choice((CRLF, CRLF, CRLF, b"\n", b"\r"))
    draft.body = size + end + draft.content + CRLF + b"0\r\n\r\n"


def odd_chunk_end(draft: Draft, chance: random.Random) -> None:
    framing(draft, chance)
    size, content = len(draft.content), draft.content
    draft.body = chance.choice((
        b"%x\r\n%s0\r\n\r\n" % (size, content), b"%x\r\n%s\n0\r\n\r\n" % (size, content),
        b"%x\r\n%sX\r\n0\r\n\r\n" % (size, content),
        b"%x\r\n%s\r\n0\r\n" % (size, content), b"%x\r\n%s\r\n0\n\n" % (size, content),
        b"%x\r\n%s\r\n00\r\n\r\n" % (size, content),
        b"%x\r\n%s\r\n0;a\r\n\r\n" % (size, content), b"%x\r\n%s\r\n\r\n0\r\n\r\n" % (size, content),
        b"%x\r\n%s\r\r\n0\r\n\r\n" % (size, content),
    ))  # fmt: skip


def trailers(draft: Draft, chance: random.Random) -> None:
    framing(draft, chance)
    draft.body = b"%x\r\n%s\r\n0\r\n%s\r\n\r\n" % (len(draft.content), draft.content, chance.choice(TRAILERS))


def framing(draft: Draft, chance: random.Random) -> None:
    """Chunked and nothing else; with content."""
    draft.content = draft.content or b"hello"
    lost = (b"content-length", b"transfer-encoding")
    draft.lines = [line for line in draft.lines if not line.lower().startswith(lost)]
    insert(draft, chance, b"Transfer-Encoding: chunked")


def odd_line_end(draft: Draft, chance: random.Random) -> None:
    """One of the head's lines ends with less or more, or is there without its end."""
    insert(draft, chance, b"X-B: 1")
    place = chance.randrange(len(draft.lines))
    line = draft.lines.pop(place)
    after = draft.lines.pop(place) if place < len(draft.lines) else b"X-A: 1"
    draft.lines.insert(place, line + chance.choice((b"\n", b"\r", b"\r\r\n", b"\n\r\n", b"\x0b\r\n", b"\n\n",
    b"\r\n\r\n")) + after)


def odd_start(draft: Draft, chance: random.Random) -> None:
    draft.space = chance.choice((b"  ", b"\t", b" \t", b"\x0b", b"\x00", b"\r"))


def odd_host(draft: Draft, chance: random.Random) -> None:
    lines = [line for line in draft.lines if not line.startswith(b"Host:")]
    host = b"Host: " + draft.host
    odd = b"Host: " + chance.choice(ODD_HOSTS)
    put = chance.choice(([], [host, host], [host, b"Host: other.example"], [b"Host : a"], [odd]))
    draft.lines = lines
    for line in put:
        insert(draft, chance, line)


def set_word(name: str, words: tuple[bytes, ...]) -> Callable[[Draft, random.Random], None]:
    return lambda draft, chance: setattr(draft, name, chance.choice(words))


def add_line(lines: tuple[bytes, ...]) -> Callable[[Draft, random.Random], None]:
    return lambda draft, chance: insert(draft, chance, chance.choice(lines))


def add_more(draft: Draft, chance: random.Random) -> None:
    """A second request behind, or bytes that are none."""
    draft.body += chance.choice((SMUGGLED, SMUGGLED, CRLF, b"\n", b"\r\n\r\n", b"x",
    b"0\r\n\r\n", plain(chance).head()))


TRICKS: dict[str, Callable[[Draft, random.Random], None]] = {
    "other line": add_line(OTHER_LINES),
    "odd length": odd_length,
    "second length": second_length,
    "length and coding": length_and_coding,
    "odd coding": odd_coding,
    "odd framing name": odd_framing_name,
    "odd chunk size": odd_chunk_size,
    "odd chunk end": odd_chunk_end,
    "trailers": trailers,
    "odd line": add_line(ODD_LINES),
    "odd line end": odd_line_end,
    "odd start": odd_start,
    "odd host": odd_host,
    "odd method": set_word("method", ODD_METHODS),
    "odd target": set_word("target", ODD_TARGETS),
    "odd version": set_word("version", VERSIONS),
    "lines before": set_word("before", (CRLF, CRLF + CRLF, b"\n", b"\r", b" ", b"\x00")),
    "more behind": add_more,
}


def odd_request(chance: random.Random) -> tuple[list[str], bytes]:
    """The names of its tricks, and its bytes: mostly one trick, sometimes none or several."""
    draft = plain(chance)
    names = chance.choices(list(TRICKS), k=chance.choice((0, 1, 1, 1, 1, 2, 2, 3)))
    for name in names:
        TRICKS[name](draft, chance)
    return names, draft.before + draft.head() + draft.body
