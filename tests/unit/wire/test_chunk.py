"""Chunked bodies: one canonical form, the same for every cut, and what is refused; beside a decoder in plain Python."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginy._fast import testwire
from tests.tools.guarded import Guarded
from tests.unit.wire.heads import Passed, Refusal, pass_body

END = b"0\r\n\r\n"
R = Refusal

# Body as it came, as it goes on, and the bytes alone.
GOOD: dict[str, tuple[bytes, bytes, bytes]] = {
    "nothing": (END, END, b""),
    "one chunk": (b"5\r\nhello\r\n" + END, b"5\r\nhello\r\n" + END, b"hello"),
    "two chunks": (b"1\r\na\r\n2\r\nbc\r\n" + END, b"1\r\na\r\n2\r\nbc\r\n" + END, b"abc"),
    "a size in capitals": (b"A\r\n0123456789\r\n" + END, b"a\r\n0123456789\r\n" + END, b"0123456789"),
    "zeros before a size": (b"0005\r\nhello\r\n000\r\n\r\n", b"05\r\nhello\r\n" + END, b"hello"),
    "an extension": (b"5;a=b\r\nhello\r\n" + END, b"5\r\nhello\r\n" + END, b"hello"),
    "extensions in quotes": (b'5 ; a="x;y" ;b\r\nhello\r\n0;last\r\n\r\n', b"5\r\nhello\r\n" + END, b"hello"),
    "an extension without a name": (b"5;\r\nhello\r\n" + END, b"5\r\nhello\r\n" + END, b"hello"),
    "bytes that look like chunks": (b"7\r\n0\r\n\r\nab\r\n" + END, b"7\r\n0\r\n\r\nab\r\n" + END, b"0\r\n\r\nab"),
    "a trailer": (b"0\r\nX-Sum: 1\r\n\r\n", b"0\r\nX-Sum: 1\r\n\r\n", b""),
    "trailers of odd spelling": (b"0\r\nx:\r\nY: \ta \xff \r\n\r\n", b"0\r\nx:\r\nY: \ta \xff \r\n\r\n", b""),
    "a trailer of a long name": (
        b"0\r\n" + b"content-length" * 9 + b": 1\r\n\r\n", b"0\r\n" + b"content-length" * 9 + b": 1\r\n\r\n", b""),
    "trailers that are almost others": (b"0\r\nhos:1\r\nhostx:1\r\nxte:1\r\n\r\n",) * 2 + (b"",),
    "the longest line": (
        b"5;" + b"x" * (testwire.MOST_LINE - 4) + b"\r\nhello\r\n" + END, b"5\r\nhello\r\n" + END, b"hello"),
}  # fmt: skip
UNWANTED = (
    b"Content-Length", b"transfer-encoding", b"HOST", b"Connection", b"TE", b"Trailer", b"Upgrade", b"Expect", b"Via",
    b"Keep-Alive", b"Proxy-Connection", b"Authorization", b"Proxy-Authorization", b"WWW-Authenticate", b"Cookie",
    b"Proxy-Authenticate", b"Set-Cookie", b"Content-Type", b"Content-Encoding", b"Content-Range", b"Cache-Control",
    b"Range", b"Max-Forwards", b"Location", b"Forwarded", b"X-Forwarded-For", b"X-Forwarded-Host", b"X-Request-ID",
    b"X-Forwarded-Proto", b"traceparent", b"Content_Length", b"transfer_encoding", b"X_forwarded-for",
)  # fmt: skip

BAD: dict[str, tuple[bytes, Refusal]] = {
    **{
        f"size {size!r}": (size + b"\r\nhello\r\n" + END, R.CHUNK)
        for size in (
            b"", b"g", b"-5", b"+5", b" 5", b"\t5", b"0x5", b"0X5", b"5_0", b"5 ", b"5\t", b"5 x", b"5,5", b"5.0",
            b"\r5", b"\x005",
            b"5\x00", b"5;a\x00", b"5;a\x7f", b"5;a\rb", b"5;a\nb", b"1" + b"0" * 15, b"f" * 16, b"f" * 17,
            b"10000000000000005", b'"5"', b"5;" + b"x" * 253,
            b"0" * 254 + b"5",
            b"\xb25", b"5\n",
        )
    },
    "bare LF behind a size": (b"5\nhello\r\n" + END, R.CHUNK),
    "bare CR behind a size": (b"5\rhello\r\n" + END, R.CHUNK),
    "CR CR LF behind a size": (b"5\r\r\nhello\r\n" + END, R.CHUNK),
    "too few bytes": (b"5\r\nhell\r\n" + END, R.CHUNK),
    "too many bytes": (b"5\r\nhello!\r\n" + END, R.CHUNK),
    "bare LF behind the bytes": (b"5\r\nhello\n" + END, R.CHUNK),
    "bare CR behind the bytes": (b"5\r\nhello\r" + END, R.CHUNK),
    "nothing behind the bytes": (b"5\r\nhello" + END, R.CHUNK),
    "another line behind the bytes": (b"5\r\nhello\r\n\r\n", R.CHUNK),
    "bare LF at the end": (b"0\r\n\n", R.TRAILER),
    "bare CR at the end": (b"0\r\n\rX", R.TRAILER),
    "bare LF behind the last size": (b"0\n\r\n", R.CHUNK),
    "a next request instead of the end": (b"0\r\nGET / HTTP/1.1\r\n\r\n", R.TRAILER),
    "a trailer without a colon": (b"0\r\nX\r\n\r\n", R.TRAILER),
    "a trailer without a name": (b"0\r\n: 1\r\n\r\n", R.TRAILER),
    "a space before the colon": (b"0\r\nX : 1\r\n\r\n", R.TRAILER),
    "a folded trailer": (b"0\r\nX: 1\r\n 2\r\n\r\n", R.TRAILER),
    "NUL in a trailer": (b"0\r\nX: \x00\r\n\r\n", R.TRAILER),
    "bare LF behind a trailer": (b"0\r\nX: 1\n\r\n", R.TRAILER),
    "bare CR in a trailer": (b"0\r\nX: 1\r2\r\n\r\n", R.TRAILER),
    "too many trailers": (b"0\r\n" + b"X: 1\r\n" * 1366, R.TOO_LONG),
    **{f"trailer {name!r}": (b"0\r\n" + name + b": 1\r\n\r\n", R.TRAILER) for name in UNWANTED},
}  # fmt: skip


def one_by_one(wire: bytes) -> list[bytes]:
    return [wire[i : i + 1] for i in range(len(wire))]


@pytest.mark.parametrize("case", GOOD)
def test_body_goes_on_in_one_form_however_it_is_cut(page: Guarded, case: str) -> None:
    wire, canonical, data = GOOD[case]
    for after in (b"", b"GET / HTTP/1.1\r\n"):
        for is_bare, expected in ((False, canonical), (True, data)):
            whole = Passed(len(wire), expected, True)
            assert pass_body(page, [wire + after], is_bare) == whole
            assert pass_body(page, one_by_one(wire + after), is_bare) == whole
            for at in range(1, len(wire)):
                assert pass_body(page, [wire[:at], wire[at:] + after], is_bare) == whole, at
    assert pass_body(page, [canonical]) == Passed(len(canonical), canonical, True)


@pytest.mark.parametrize("case", GOOD)
def test_body_has_not_ended_before_its_end(page: Guarded, case: str) -> None:
    wire = GOOD[case][0]
    for n in range(len(wire)):
        code, _, is_done = pass_body(page, [wire[:n]])
        assert (code, is_done) == (n, False)


@pytest.mark.parametrize("case", BAD)
def test_body_is_refused_however_it_is_cut(page: Guarded, case: str) -> None:
    wire, refusal = BAD[case]
    for is_bare in (False, True):
        whole = pass_body(page, [wire], is_bare)
        assert (whole.code, whole.is_done) == (refusal, False)
        assert pass_body(page, one_by_one(wire), is_bare) == whole
        for at in range(1, min(len(wire), 600)):
            assert pass_body(page, [wire[:at], wire[at:]], is_bare) == whole, at


def test_trailers_are_dropped_for_whoever_has_not_asked_for_them(page: Guarded) -> None:
    wire = b"1\r\na\r\n0\r\nX: 1\r\nY: 2\r\n\r\n"
    for pieces in ([wire], one_by_one(wire)):
        assert pass_body(page, pieces, drops_trailers=True) == Passed(len(wire), b"1\r\na\r\n" + END, True)
    assert pass_body(page, [b"0\r\nHost: a\r\n\r\n"], drops_trailers=True).code == R.TRAILER


def test_large_size_is_taken_and_a_larger_one_refused(page: Guarded) -> None:
    assert pass_body(page, [b"fffffffffffffff\r\nabc"]) == Passed(20, b"fffffffffffffff\r\nabc", False)
    assert pass_body(page, [b"1000000000000000\r\nabc"]).code == R.CHUNK


@pytest.mark.parametrize(("room", "sizes"), [(0, ()), (5, (5,)), (5, (2, 3)), (6, (1, 2, 3)), (99, (5,))])
def test_as_many_bytes_as_there_is_room_for_pass_and_one_more_is_refused_with_its_size(
    page: Guarded, room: int, sizes: tuple[int, ...]
) -> None:
    fits = b"".join(b"%x\r\n" % size + b"x" * size + b"\r\n" for size in sizes)
    line = b"%x;a=b\r\n" % (room - sum(sizes) + 1)
    for is_bare in (False, True):
        for cut in (lambda wire: [wire], one_by_one):
            assert pass_body(page, cut(fits + END), is_bare, room=room).is_done
            refused = pass_body(page, cut(fits + line), is_bare, room=room)
            assert (refused.code, refused.is_done) == (R.LARGE, False)
            assert refused.out.count(b"x") == sum(sizes)
            assert pass_body(page, cut((fits + line)[:-1]), is_bare, room=room).code > 0


LINE = re.compile(rb"([0-9A-Fa-f]+)(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?\r\n")
TRAILER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t\x20-\x7e\x80-\xff]*\r\n")
NAMES = {name.lower().replace(b"_", b"-") for name in UNWANTED}


def plain(wire: bytes) -> Passed | None:
    """The oracle: a whole body, decoded at once; None for what is refused or has not ended."""
    at, out = 0, b""
    while line := LINE.match(wire, at):
        size = int(line[1], 16)
        if line.end() - at > testwire.MOST_LINE or size >= 2**60:
            return None
        zero = b"0" if line[1][:1] == b"0" and size else b""
        out += zero + b"%x\r\n" % size
        at = line.end()
        if size == 0:
            break
        if wire[at + size : at + size + 2] != b"\r\n":
            return None
        out += wire[at : at + size + 2]
        at += size + 2
    if not line:
        return None
    while trailer := TRAILER.match(wire, at):
        if trailer[1].lower().replace(b"_", b"-") in NAMES:
            return None
        out += trailer[0]
        at = trailer.end()
    return Passed(at + 2, out + b"\r\n", True) if wire[at : at + 2] == b"\r\n" else None


SIZES = st.one_of(
    st.integers(0, 20).map(lambda n: b"%x" % n), st.integers(0, 20).map(lambda n: b"00%X" % n), st.binary(max_size=3)
)
ENDS = st.sampled_from([b"\r\n"] * 8 + [b"\n", b"\r", b";x\r\n", b" ;\r\n", b" \r\n", b""])
PARTS = st.one_of(
    st.binary(max_size=20).map(lambda data: b"%x\r\n%s\r\n" % (len(data), data)),
    st.tuples(SIZES, ENDS, st.binary(max_size=4), ENDS).map(b"".join),
    st.sampled_from([b"0\r\n", b"X: 1\r\n", b"\r\n", b"host:a\r\n", b"a b\r\n", b"5;a\r\nhello\r\n"]),
)


@given(st.lists(PARTS, max_size=8).map(b"".join), st.lists(st.integers(0, 120), max_size=6))
def test_any_bytes_pass_as_the_plain_decoder_says(page: Guarded, body: bytes, cuts: list[int]) -> None:
    for wire in (body, body + END):
        places = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
        pieces = [wire[a:b] for a, b in zip(places, places[1:], strict=False)]
        expected = plain(wire)
        whole = pass_body(page, [wire])
        assert whole == expected if expected else not whole.is_done
        assert pass_body(page, pieces) == pass_body(page, one_by_one(wire)) == whole
