"""WebSockets through nginy, case by case as Autobahn's suite has them: each sounds the same as without nginy."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.flow.test_http import http_config
from tests.tools import web_servers
from tests.tools.frames import BINARY, CLOSE, FIN, MORE, PING, PONG, TEXT, Heard, end, frame, hear
from tests.tools.nginy_process import Nginy

SHORT_BYTES = 5000
LENGTHS = (0, 1, 125, 126, 127, 128, 65535, 65536, 65537, 1 << 20)
UTF8 = "Hello-µ@ßöäüàá-UTF-8!!".encode()
BAD_UTF8 = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"


def parts(opcode: int, *payloads: bytes) -> list[bytes]:
    """A message in fragments."""
    last = len(payloads) - 1
    return [frame(MORE if n else opcode, part, first=FIN if n == last else 0) for n, part in enumerate(payloads)]


# Each gets a reply for every message and ping; then the client ends.
GOOD: dict[str, list[bytes]] = {
    **{f"text of {n}": [frame(TEXT, b"*" * n)] for n in LENGTHS},
    **{f"binary of {n}": [frame(BINARY, (bytes(range(256)) * (n // 256 + 1))[:n])] for n in LENGTHS},
    **{f"a length in {wide} bytes without need": [frame(TEXT, b"x", wide=wide)] for wide in (2, 8)},
    "many messages": [frame(TEXT, b"%d" % n) for n in range(100)],
    **{f"a ping of {n}": [frame(PING, b"\xfe" * n)] for n in (0, 5, 125)},
    "a pong that nobody asked for": [frame(PONG, b"x"), frame(TEXT, b"y")],
    "ten pings": [frame(PING, b"%d" % n) for n in range(10)],
    "two fragments": parts(TEXT, b"frag", b"ment"),
    "fragments of a byte": parts(TEXT, *(UTF8[n : n + 1] for n in range(len(UTF8)))),
    "empty fragments": parts(TEXT, b"", b"", b""),
    "a ping between fragments": [frame(TEXT, b"a", first=0), frame(PING, b"p"), frame(MORE, b"b")],
    "a large message in fragments": parts(BINARY, *(bytes([n]) * 65536 for n in range(16))),
    "text in UTF-8": [frame(TEXT, UTF8)],
    "text in UTF-8, cut within a letter": parts(TEXT, UTF8[:7], UTF8[7:]),
}

# What must not be, and ends.
BAD: dict[str, list[bytes]] = {
    "a ping of 126": [frame(PING, bytes(126))],
    **{f"reserved bits {bits}": [frame(TEXT, b"x", first=FIN | bits << 4)] for bits in range(1, 8)},
    **{f"opcode {code}": [frame(code, b"x")] for code in (3, 7, 11, 15)},
    "no mask": [frame(TEXT, b"x", is_masked=False)],
    "a fragmented ping": [frame(PING, b"p", first=0), frame(MORE, b"q")],
    "the rest of nothing": [frame(MORE, b"x")],
    "a message within a message": [frame(TEXT, b"a", first=0), frame(TEXT, b"b")],
    "text that is not UTF-8": [frame(TEXT, BAD_UTF8)],
    "text that is not UTF-8, in fragments": parts(TEXT, BAD_UTF8[:9], BAD_UTF8[9:]),
    "an end without a code": [frame(CLOSE)],
    "an end of one byte": [frame(CLOSE, b"\x03")],
    "the longest reason": [end(1000, b"r" * 123)],
    "a reason that is too long": [frame(CLOSE, b"\x03\xe8" + b"r" * 124)],
    "a reason that is not UTF-8": [end(1000, BAD_UTF8)],
    "two ends": [end(), end()],
    "words behind the end": [end(), frame(TEXT, b"late")],
    "a ping behind the end": [end(), frame(PING)],
    **{f"an end with {code}": [end(code)] for code in (1000, 1001, 1003, 1007, 1011, 3000, 3999, 4000, 4999)},
    **{f"an end with {code}, which is none": [end(code)] for code in (0, 999, 1004, 1005, 1006, 1016, 2999, 5000)},
}
SENDS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "frame by frame": lambda frames: frames,
    "at once": lambda frames: [b"".join(frames)],
    "byte by byte": lambda frames: [bytes([one]) for one in b"".join(frames)],
    "in pieces": lambda frames: cut(b"".join(frames), 997),
}


def cut(whole: bytes, size: int) -> list[bytes]:
    return [whole[at : at + size] for at in range(0, len(whole), size)]


def is_short(case: str, how: str) -> bool:
    """Short enough to be sent in that manner."""
    return how != "byte by byte" or sum(map(len, GOOD[case])) < SHORT_BYTES


def n_replies(frames: list[bytes]) -> int:
    """To messages, which are given back, and pings."""
    return sum(one[0] in (FIN | MORE, FIN | TEXT, FIN | BINARY, FIN | PING) for one in frames)


@pytest.fixture(scope="module")
def houses() -> Iterator[tuple[str, str]]:
    """The server's own address, and nginy's in front of it."""
    with ExitStack() as stack:
        direct = stack.enter_context(web_servers.uvicorn("httptools", "websockets"))
        nginy = Nginy(http_config([direct]))
        stack.callback(nginy.clean_up)
        yield direct, nginy.start().address()


def without_text(heard: list[Heard]) -> list[Heard]:
    """The reason's words may tell of a mask or a length that is new with each run; codes and the rest are the same."""
    return [Heard(one.first, one.payload[:2]) if one.first == FIN | CLOSE else one for one in heard]


@pytest.mark.parametrize(("case", "how"), [(case, how) for how in SENDS for case in GOOD if is_short(case, how)])
def test_a_message_comes_back_as_it_does_without_nginy(houses: tuple[str, str], case: str, how: str) -> None:
    frames = GOOD[case]
    direct, through = (hear(address, SENDS[how](frames), n_replies(frames)) for address in houses)
    assert len(direct) == n_replies(frames) + 1
    assert through == direct


@pytest.mark.parametrize("case", BAD)
def test_what_must_not_be_ends_as_it_does_without_nginy(houses: tuple[str, str], case: str) -> None:
    direct, through = (hear(address, BAD[case]) for address in houses)
    assert without_text(through) == without_text(direct)
