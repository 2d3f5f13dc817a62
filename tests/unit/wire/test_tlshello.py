"""The reader of TLS hellos: a table, every split, next to an unreadable page, against Python's own TLS, and noise."""

import random
import ssl
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginy._fast import testdoor
from tests.tools.guarded import Guarded
from tests.tools.hellos import (
    GREASE,
    PADDING,
    alpn_extension,
    extension,
    hello,
    message,
    names_extension,
    real_hello,
    records,
    sized,
)  # fmt: skip

MOST = 16389
NOT_TLS, NOT_HELLO, TOO_LONG, BAD_LENGTH, BAD_NAME, TWICE = -1, -2, -3, -4, -5, -6
LABEL = b"a" * 63
LONGEST = b".".join([LABEL] * 4)[:255]

Read = tuple[int, bytes, bytes]


@pytest.fixture(scope="module")
def page() -> Iterator[Guarded]:
    with Guarded(4 * MOST) as guarded:
        yield guarded


@pytest.fixture(scope="module")
def read(page: Guarded):
    """Read bytes that end at an unreadable page."""

    def read_guarded(given: bytes) -> Read:
        return testdoor.tls_hello(page.put(given), len(given))

    return read_guarded


GOOD = {
    "a name": (hello(b"app.example.org"), b"app.example.org", b""),
    "no name": (hello(), b"", b""),
    "no extensions at all": (records(message(None)), b"", b""),
    "capital letters": (hello(b"App.EXAMPLE.org"), b"app.example.org", b""),
    "an underscore and digits": (hello(b"_srv-1.x2"), b"_srv-1.x2", b""),
    "one label": (hello(b"x"), b"x", b""),
    "the longest label": (hello(LABEL + b".org"), LABEL + b".org", b""),
    "the longest name": (hello(LONGEST), LONGEST, b""),
    "several names": (hello(b"first.org", b"second.org"), b"first.org", b""),
    "another kind of name first": (
        records(message(extension(0, sized(b"\x07" + sized(b"?", 2) + b"\x00" + sized(b"a.org", 2), 2)))),
        b"a.org", b""),
    "only another kind of name": (records(message(names_extension(b"?!", kind=9))), b"", b""),
    "protocols": (records(message(alpn_extension(b"h2", b"http/1.1"))), b"", b"\x02h2\x08http/1.1"),
    "grease around": (
        records(message(
            extension(GREASE, b"") + alpn_extension(b"h2") + names_extension(b"a.org") + extension(GREASE + 1, b"0"))),
        b"a.org", b"\x02h2"),
    "SSL 3.0 in the record": (records(message(names_extension(b"a.org")), version=b"\x03\x00"), b"a.org", b""),
    "a session id of 32 bytes": (records(message(names_extension(b"a.org"), session=bytes(32))), b"a.org", b""),
    "three records": (records(message(names_extension(b"a.org")), 3, 40), b"a.org", b""),
    "a record for each byte": (records(m := message(names_extension(b"a.org")), *[1] * len(m)), b"a.org", b""),
}  # fmt: skip

BAD = {
    "http": (b"GET / HTTP/1.1\r\n", NOT_TLS),
    "one byte of something else": (b"\x00", NOT_TLS),
    "SSL 2": (b"\x80\x2e\x01\x03\x01" + bytes(41), NOT_TLS),
    "an alert": (records(b"\x02\x28", kind=21), NOT_TLS),
    "a record of TLS 2": (b"\x16\x04", NOT_TLS),
    "a record of a version that is not there yet": (b"\x16\x03\x05", NOT_TLS),
    "a server's hello": (records(message(kind=2)), NOT_HELLO),
    "a server's hello, its first byte alone": (b"\x16\x03\x01\x00\x40\x02", NOT_HELLO),
    "an empty record": (b"\x16\x03\x01\x00\x00", BAD_LENGTH),
    "a record beyond 2^14": (b"\x16\x03\x01\x40\x01", BAD_LENGTH),
    "a message beyond the bound": (b"\x16\x03\x01\x40\x00\x01\x00\x40\x00", TOO_LONG),
    "bytes behind the message in its record": (records(message() + b"\x00"), BAD_LENGTH),
    "a session id of 33 bytes": (records(message(session=bytes(33))), BAD_LENGTH),
    "no cipher suite": (records(message(suites=b"")), BAD_LENGTH),
    "half a cipher suite": (records(message(suites=b"\x13\x01\x13")), BAD_LENGTH),
    "a version that no hello has": (records(message().replace(b"\x03\x03", b"\x04\x03", 1)), BAD_LENGTH),
    "a body of one byte": (records(b"\x01\x00\x00\x01\x03"), BAD_LENGTH),
    "an empty body": (records(b"\x01\x00\x00\x00"), BAD_LENGTH),
    "an extension beyond the others": (records(message(b"\x00\x0a\x00\x05\x00")), BAD_LENGTH),
    "three bytes of an extension": (records(message(b"\x00\x0a\x00")), BAD_LENGTH),
    "names beyond their extension": (records(message(extension(0, b"\x00\x09\x00\x00\x02ab"))), BAD_LENGTH),
    "bytes behind the names": (records(message(extension(0, sized(b"\x00\x00\x01a", 2) + b"\x00"))), BAD_LENGTH),
    "no names in the list": (records(message(extension(0, b"\x00\x00"))), BAD_LENGTH),
    "an empty extension of names": (records(message(extension(0, b""))), BAD_LENGTH),
    "a name beyond the list": (records(message(extension(0, b"\x00\x05\x00\x00\x09ab"))), BAD_LENGTH),
    "an empty name": (hello(b""), BAD_NAME),
    "a name of 256 bytes": (hello(b".".join([LABEL] * 4) + b".abcdefghij"[:1]), BAD_NAME),
    "a label of 64 bytes": (hello(LABEL + b"a.org"), BAD_NAME),
    "a dot at the end": (hello(b"a.org."), BAD_NAME),
    "a dot at the beginning": (hello(b".a.org"), BAD_NAME),
    "two dots": (hello(b"a..org"), BAD_NAME),
    "a NUL": (hello(b"a.org\x00.evil"), BAD_NAME),
    "an address of IPv6": (hello(b"::1"), BAD_NAME),
    "letters beyond ASCII": (hello("bücher.de".encode()), BAD_NAME),
    "an asterisk": (hello(b"*.example.org"), BAD_NAME),
    "two extensions of names": (records(message(names_extension(b"a") + names_extension(b"b"))), TWICE),
    "two extensions of protocols": (records(message(alpn_extension(b"a") + alpn_extension(b"b"))), TWICE),
    "an empty protocol": (records(message(alpn_extension(b""))), BAD_LENGTH),
    "no protocols": (records(message(extension(16, b"\x00\x00"))), BAD_LENGTH),
}  # fmt: skip


@pytest.mark.parametrize("case", GOOD)
def test_hello_tells_name_and_protocols(read, case: str) -> None:
    wire, name, alpn = GOOD[case]
    assert read(wire) == (len(wire), name, alpn)
    assert read(wire + b"early data, or anything") == (len(wire), name, alpn)


@pytest.mark.parametrize("case", GOOD)
def test_hello_that_is_cut_anywhere_needs_more_and_says_nothing_yet(read, case: str) -> None:
    wire = GOOD[case][0]
    for n in range(len(wire)):
        assert read(wire[:n]) == (0, b"", b""), n


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_hello_is_refused_by_name(read, case: str) -> None:
    wire, refusal = BAD[case]
    assert read(wire) == (refusal, b"", b"")


@pytest.mark.parametrize("case", BAD)
def test_a_refusal_comes_once_and_stays(read, case: str) -> None:
    wire, refusal = BAD[case]
    codes = [read(wire[:n])[0] for n in range(len(wire) + 1)]
    first = codes.index(refusal)
    assert set(codes[:first]) <= {0} and set(codes[first:]) == {refusal}


def test_hello_in_records_of_every_two_sizes(read) -> None:
    handshake = message(extension(GREASE, b"\x00") + names_extension(b"app.example.org") + alpn_extension(b"h2"))
    for first in range(1, len(handshake)):
        wire = records(handshake, first)
        assert read(wire) == (len(wire), b"app.example.org", b"\x02h2"), first


def test_hello_may_fill_its_bound_and_not_more(read) -> None:
    head = len(message(names_extension(b"a.org") + extension(PADDING, b"")))
    full = records(message(names_extension(b"a.org") + extension(PADDING, bytes(16384 - head))))
    assert len(full) == MOST
    assert read(full)[:2] == (MOST, b"a.org")
    assert read(full[:-1]) == (0, b"", b"")
    more = message(names_extension(b"a.org") + extension(PADDING, bytes(16385 - head)))
    assert read(records(more, 8192))[0] == TOO_LONG
    tiny = message(extension(PADDING, bytes(4000)))
    assert read(records(tiny, *[1] * len(tiny)))[0] == TOO_LONG  # six bytes on the wire for each


def test_protocols_that_do_not_fit_are_left_out_whole(read) -> None:
    many = [bytes([65 + i]) * 60 for i in range(8)]
    wire = records(message(alpn_extension(*many, b"h2")))
    code, _, alpn = read(wire)
    assert code == len(wire)
    assert alpn == b"".join(sized(protocol, 1) for protocol in [*many[:4], b"h2"])


@pytest.mark.parametrize("most", [None, ssl.TLSVersion.TLSv1_2])
@pytest.mark.parametrize("alpn", [(), ("h2", "http/1.1")])
def test_real_hello_is_read(read, most: ssl.TLSVersion | None, alpn: tuple[str, ...]) -> None:
    for name in (None, "www.example.org", "xn--bcher-kva.de"):
        wire = real_hello(name, alpn, most)
        expected = b"".join(sized(protocol.encode(), 1) for protocol in alpn)
        assert read(wire) == (len(wire), (name or "").encode(), expected)
        for n in range(len(wire)):
            assert read(wire[:n])[0] == 0


LDH = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", min_size=1, max_size=63)


@given(
    st.lists(LDH, min_size=1, max_size=5).map(".".join).filter(lambda name: len(name) <= 255),
    st.lists(st.binary(min_size=1, max_size=30), max_size=5),
    st.lists(st.tuples(st.integers(30, 65535), st.binary(max_size=80)), max_size=6),
    st.lists(st.integers(1, 60), max_size=20),
    st.binary(max_size=32),
)
def test_any_hello_that_is_built_well_is_read(read, name, protocols, others, sizes, session) -> None:
    parts = [extension(kind, part) for kind, part in others] + [names_extension(name.encode())]
    if protocols:
        parts.insert(len(parts) // 2, alpn_extension(*protocols))
    wire = records(message(b"".join(parts), session=session), *sizes)
    assert read(wire) == (len(wire), name.lower().encode(), b"".join(sized(one, 1) for one in protocols))


@given(st.binary(max_size=600))
def test_noise_is_never_read_beyond_its_end(read, noise: bytes) -> None:
    for wire in (noise, b"\x16\x03\x01" + noise, records(b"\x01" + sized(noise, 3)) if noise else b""):
        assert -7 < read(wire)[0] <= len(wire)


def test_damaged_hellos_are_read_or_refused_and_never_beyond_their_end(read) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    seeds = [wire for wire, _, _ in GOOD.values()] + [real_hello("a.example.org", ("h2",))]
    for _ in range(20000):
        wire = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(wire))
            wire[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        if chance.random() < 0.3:
            del wire[chance.randrange(len(wire)) :]
        code, name, alpn = read(bytes(wire))
        assert -7 < code <= len(wire)
        assert code > 0 or not name and not alpn
