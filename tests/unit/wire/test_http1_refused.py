"""Requests that two readers could take differently are refused by name, however they are cut."""

import pytest

from tests.unit.wire.heads import HOST, Reader, Refusal, refusals_by_cut, request

R = Refusal
LENGTH, CODING = b"Content-Length: ", b"Transfer-Encoding: "

BAD: dict[str, tuple[bytes, Refusal]] = {
    # start line
    "no method": (request(start=b" / HTTP/1.1"), R.METHOD),
    "a method that is no token": (request(start=b"G(T / HTTP/1.1"), R.METHOD),
    "TLS": (b"\x16\x03\x01\x02\x00\x01", R.METHOD),
    "two empty lines before": (b"\r\n\r\n" + request(), R.METHOD),
    "a blank before the method": (b" " + request(), R.METHOD),
    "bare LF before": (b"\n" + request(), R.METHOD),
    "bare CR before": (b"\r" + request(), R.LINE),
    "a tab behind the method": (request(start=b"GET\t/ HTTP/1.1"), R.METHOD),
    "the method alone": (request(start=b"GET"), R.METHOD),
    "two spaces behind the method": (request(start=b"GET  / HTTP/1.1"), R.TARGET),
    "two spaces behind the target": (request(start=b"GET /  HTTP/1.1"), R.LINE),
    "a tab behind the target": (request(start=b"GET /\tHTTP/1.1"), R.TARGET),
    "a space in the target": (request(start=b"GET /a b HTTP/1.1"), R.LINE),
    "HTTP/0.9": (b"GET /\r\n", R.LINE),
    "HTTP/0.9 with a space": (b"GET / \r\n\r\n", R.LINE),
    "HTTP/0.9 with its version": (request(start=b"GET / HTTP/0.9"), R.VERSION),
    "HTTP/1.2": (request(start=b"GET / HTTP/1.2"), R.VERSION),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", R.METHOD),
    "the method of HTTP/2 alone": (request(start=b"PRI / HTTP/1.1"), R.METHOD),
    "HTTP/2.0": (request(start=b"GET / HTTP/2.0"), R.VERSION),
    "a version in small letters": (request(start=b"GET / http/1.1"), R.LINE),
    "a version of other letters": (request(start=b"GET / ICAP/1.0"), R.LINE),
    "a version of three digits": (request(start=b"GET / HTTP/1.10"), R.LINE),
    "a version with a zero before": (request(start=b"GET / HTTP/01.1"), R.LINE),
    "a short version": (request(start=b"GET / HTTP/1"), R.LINE),
    "a comma in the version": (request(start=b"GET / HTTP/1,1"), R.LINE),
    "a space behind the version": (request(start=b"GET / HTTP/1.1 "), R.LINE),
    "bare LF behind the version": (b"GET / HTTP/1.1\nHost: a\r\n\r\n", R.LINE),
    "bare CR behind the version": (b"GET / HTTP/1.1\rHost: a\r\n\r\n", R.LINE),
    # target
    "a fragment": (request(start=b"GET /a#b HTTP/1.1"), R.TARGET),
    "a fragment in the query": (request(start=b"GET /a?b#c HTTP/1.1"), R.TARGET),
    "NUL in the target": (request(start=b"GET /\x00 HTTP/1.1"), R.TARGET),
    "DEL in the target": (request(start=b"GET /\x7f HTTP/1.1"), R.TARGET),
    "bytes beyond ASCII in the target": (request(start=b"GET /\xc3\xa9 HTTP/1.1"), R.TARGET),
    "a path without its slash": (request(start=b"GET a/b HTTP/1.1"), R.TARGET),
    "a query alone": (request(start=b"GET ?a HTTP/1.1"), R.TARGET),
    "another scheme": (request(start=b"GET ftp://a/ HTTP/1.1"), R.TARGET),
    "a scheme without slashes": (request(start=b"GET http:/a HTTP/1.1"), R.TARGET),
    "a scheme and no host": (request(start=b"GET http:///a HTTP/1.1"), R.TARGET),
    "a scheme and a query": (request(start=b"GET http://?a HTTP/1.1"), R.TARGET),
    "asterisk without OPTIONS": (request(start=b"GET * HTTP/1.1"), R.TARGET),
    "asterisk and a query": (request(start=b"OPTIONS *?a HTTP/1.1"), R.TARGET),
    "asterisk and a path": (request(start=b"OPTIONS */a HTTP/1.1"), R.TARGET),
    "an authority without CONNECT": (request(start=b"GET a:80 HTTP/1.1"), R.TARGET),
    "CONNECT without a port": (request(start=b"CONNECT a HTTP/1.1"), R.HOST),
    "CONNECT to a path": (request(start=b"CONNECT /a HTTP/1.1", host=b"Host: /a\r\n"), R.HOST),
    "CONNECT to a query": (request(start=b"CONNECT a:1?b HTTP/1.1", host=b"Host: a:1?b\r\n"), R.HOST),
    "CONNECT somewhere else": (request(start=b"CONNECT a:1 HTTP/1.1", host=b"Host: a:2\r\n"), R.HOST),
    "CONNECT with a length": (request(b"Host: a:1\r\n" + LENGTH + b"1\r\n", b"CONNECT a:1 HTTP/1.1", b""), R.LENGTH),
    "CONNECT with chunks": (
        request(CODING + b"chunked\r\n", b"CONNECT a:1 HTTP/1.1", b"Host: a:1\r\n"), R.CODING),
    # host
    "no host": (request(host=b""), R.HOST),
    "two hosts": (request(HOST), R.HOST),
    "two hosts apart": (request(b"X: 1\r\nhost: b\r\n"), R.HOST),
    "two hosts of HTTP/1.0": (request(HOST, b"GET / HTTP/1.0"), R.HOST),
    "an empty host": (request(host=b"Host: \r\n"), R.HOST),
    "an empty host of HTTP/1.0": (request(host=b"Host:\r\n", start=b"GET / HTTP/1.0"), R.HOST),
    "an absolute target and no host": (request(start=b"GET http://a/ HTTP/1.1", host=b""), R.HOST),
    "an absolute target elsewhere": (request(start=b"GET http://b/ HTTP/1.1"), R.HOST),
    "an absolute target elsewhere in HTTP/1.0": (request(start=b"GET http://b/ HTTP/1.0"), R.HOST),
    "an absolute target with another port": (request(start=b"GET http://a:80/ HTTP/1.1"), R.HOST),
    "a user in the target": (request(start=b"GET http://u@a/ HTTP/1.1", host=b"Host: u@a\r\n"), R.HOST),
    **{
        f"host {value!r}": (request(host=b"Host: " + value + b"\r\n"), R.HOST)
        for value in (
            b"u@a", b"a b", b"a,b", b"a/b", b"a\\b", b"a?b", b"a#b", b"a%2eb", b"a;b", b"a:", b"a:0", b"a:65536",
            b"a:8x", b"a:080000", b"a:1:2", b":80", b"a:-1", b"[::1", b"[]", b"[:]", b"[::1]x", b"[::1]:", b"[::g]",
            b"[::1%25eth0]", b"::1", b"http://a", b"\xc3\xa9", b"a\tb", b"x" * 256, b"*",
        )
    },
    # fields
    "a space before the colon": (request(b"X : 1\r\n"), R.NAME),
    "a tab before the colon": (request(b"X\t: 1\r\n"), R.NAME),
    "a space before the name": (request(b" X: 1\r\n"), R.NAME),
    "a folded line": (request(b"X: 1\r\n 2\r\n"), R.NAME),
    "a folded line of a tab": (request(b"X: 1\r\n\t2\r\n"), R.NAME),
    "a blank in front of the first field": (request(host=b" Host: a\r\n"), R.NAME),
    "no colon": (request(b"X\r\n"), R.NAME),
    "no name": (request(b": 1\r\n"), R.NAME),
    "NUL in a name": (request(b"X\x00: 1\r\n"), R.NAME),
    "a byte beyond ASCII in a name": (request(b"X\xe9: 1\r\n"), R.NAME),
    "a slash in a name": (request(b"A/B: 1\r\n"), R.NAME),
    "CR in a name": (request(b"X\r: 1\r\n"), R.NAME),
    "a line of CR and more": (request(b"\rX: 1\r\n"), R.LINE),
    "a length with an underscore": (request(b"Content_Length: 3\r\n"), R.NAME),
    "a coding with an underscore": (request(b"transfer_ENCODING: chunked\r\n"), R.NAME),
    "an address with underscores": (request(b"X_Forwarded-For: ::1\r\n"), R.NAME),
    "NUL in a value": (request(b"X: a\x00b\r\n"), R.VALUE),
    "DEL in a value": (request(b"X: a\x7fb\r\n"), R.VALUE),
    "ESC in a long value": (request(b"X: " + b"a" * 40 + b"\x1b\r\n"), R.VALUE),
    "bare CR in a value": (request(b"X: a\rb\r\n"), R.VALUE),
    "CR CR LF": (request(b"X: a\r\r\n"), R.VALUE),
    "bare LF behind a value": (request(b"X: a\nY: b\r\n"), R.LINE),
    "bare LF at the end": (b"GET / HTTP/1.1\r\nHost: a\r\n\n", R.LINE),
    "bare CR at the end": (b"GET / HTTP/1.1\r\nHost: a\r\n\rX", R.LINE),
    "bare LF everywhere": (b"GET / HTTP/1.1\nHost: a\n\n", R.LINE),
    "a list that is none in Connection": (request(b"Connection: a b\r\n"), R.VALUE),
    "Connection names Host": (request(b"Connection: close, host\r\n"), R.VALUE),
    "Connection names the length": (request(b"Connection: Content-Length\r\n"), R.VALUE),
    "Connection names the coding": (request(b"Connection: transfer-encoding\r\n"), R.VALUE),
    "Connection names too much": (request(b"Connection: " + b"a," * 33 + b"\r\n"), R.VALUE),
    "Connection names too much in fields": (request(b"Connection: a\r\n" * 33), R.VALUE),
    # framing
    **{
        f"length {value!r}": (request(LENGTH + value + b"\r\n"), R.LENGTH)
        for value in (
            b"", b"+5", b"-5", b"0x5", b"5_0", b"5 0", b"5,5", b"5, 5", b",5", b"5,", b"5;a", b"5.0", b"1e1", b'"5"',
            b"a", b"\xb25", b"9223372036854775808", b"18446744073709551621", b"1" * 40,
        )
    },
    "two lengths": (request(LENGTH + b"5\r\n" + LENGTH + b"6\r\n"), R.LENGTH),
    "two equal lengths": (request(LENGTH + b"5\r\ncontent-length:5\r\n"), R.LENGTH),
    "a length and chunks": (request(LENGTH + b"5\r\n" + CODING + b"chunked\r\n"), R.LENGTH),
    "chunks and a length": (request(CODING + b"chunked\r\n" + LENGTH + b"5\r\n"), R.LENGTH),
    "chunks in HTTP/1.0": (request(CODING + b"chunked\r\n", b"POST / HTTP/1.0"), R.CODING),
    "chunks twice": (request((CODING + b"chunked\r\n") * 2), R.CODING),
    **{
        f"coding {value!r}": (request(CODING + value + b"\r\n"), R.CODING)
        for value in (
            b"", b"chunked, chunked", b"gzip, chunked", b"chunked, gzip", b",chunked", b"chunked,", b"identity",
            b"xchunked",            b"chunkedx", b"chunked;q=1", b'"chunked"', b"chunke", b"chun\tked", b"cow",
        )
    },
    "a vertical tab before chunked": (request(CODING + b"\x0bchunked\r\n"), R.VALUE),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_request_is_refused_by_name(reader: Reader, case: str) -> None:
    wire, refusal = BAD[case]
    assert reader.request(wire) == (refusal, None)


@pytest.mark.parametrize("case", BAD)
def test_refusal_comes_once_and_stays(reader: Reader, case: str) -> None:
    wire, refusal = BAD[case]
    codes = refusals_by_cut(reader.request, wire)
    first = codes.index(refusal)
    assert set(codes[:first]) <= {0} and set(codes[first:]) == {refusal}
    assert reader.request(wire + request()).code == refusal


@pytest.mark.parametrize("case", [case for case in BAD if BAD[case][0].endswith((b"\n\r\n", b"\n\n"))])
def test_slow_sender_gets_the_same_refusal_at_the_end_of_the_head_at_the_latest(reader: Reader, case: str) -> None:
    wire, refusal = BAD[case]
    codes = [reader.request(wire[:n], n - 1).code for n in range(2, len(wire) + 1)]
    assert codes[-1] == refusal
    assert set(codes) == {0, refusal}
