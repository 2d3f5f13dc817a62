"""The writer of heads: one form for everything that was read, and what is cut, set, added and left out on the way."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginy._fast import testwire
from tests.unit.wire import test_http1_request as requests
from tests.unit.wire import test_http1_response as responses
from tests.unit.wire.heads import GET, HEAD, KINDS, UNTIL_END, Reader, request, response
from tests.unit.wire.meaning import CLOSE, KEEP_ALIVE, UPGRADE, Writer, check_request_again, check_response_again

DROP, SET, FILL, ADD = range(1, 5)
EDIT_SET, EDIT_ADD, EDIT_REMOVE = range(1, 4)
FOR, VIA = KINDS["X-Forwarded-For"], KINDS["Via"]
BEGIN = b"GET / HTTP/1.1\r\nHost: a\r\n"


WRITTEN: dict[str, tuple[bytes, bytes]] = {
    "the least": (request(), BEGIN + b"\r\n"),
    "HTTP/1.0": (request(start=b"GET / HTTP/1.0"), BEGIN + b"\r\n"),
    "host first": (request(b"X: 1\r\nhoST:\ta \r\nY: 2\r\n", host=b""), BEGIN + b"X: 1\r\nY: 2\r\n\r\n"),
    "blanks": (
        request(b"A:1\r\nB:  2\r\nC: 3\r\nD: 4 \r\nE:\r\n"), BEGIN + b"A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: \r\n\r\n"),
    "a tab for a space": (request(b"A:\t1\r\n"), BEGIN + b"A: 1\r\n\r\n"),
    "spelling and order": (request(b"zZ: 1\r\naA: 2\r\nzz: 3\r\n"), BEGIN + b"zZ: 1\r\naA: 2\r\nzz: 3\r\n\r\n"),
    "an absolute target": (request(start=b"GET HTTP://a/b?c HTTP/1.1"), b"GET /b?c HTTP/1.1\r\nHost: a\r\n\r\n"),
    "an absolute target without a path": (
        request(start=b"GET http://a?c HTTP/1.1"), b"GET /?c HTTP/1.1\r\nHost: a\r\n\r\n"),
    "an absolute target of HTTP/1.0": (request(start=b"GET http://a/ HTTP/1.0", host=b""), BEGIN + b"\r\n"),
    "an empty query": (request(start=b"GET /? HTTP/1.1"), b"GET /? HTTP/1.1\r\nHost: a\r\n\r\n"),
    "OPTIONS of a host": (request(start=b"OPTIONS http://a HTTP/1.1"), b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
    "CONNECT": (
        request(start=b"CONNECT a:1 HTTP/1.1", host=b"Host: a:1\r\n"), b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"),
    "a length": (request(b"content-length:\t007\r\nX: 1\r\n"), BEGIN + b"X: 1\r\nContent-Length: 7\r\n\r\n"),
    "a length of nothing": (request(b"Content-Length: 0\r\n"), BEGIN + b"Content-Length: 0\r\n\r\n"),
    "the largest length": (
        request(b"Content-Length: %d\r\n" % (2**63 - 1)), BEGIN + b"Content-Length: %d\r\n\r\n" % (2**63 - 1)),
    "chunks": (request(b"transfer-encoding: CHUNKED\r\n"), BEGIN + b"Transfer-Encoding: chunked\r\n\r\n"),
    "for one connection": (
        request(b"Connection: close, x\r\nX: 1\r\nKeep-Alive: 1\r\nProxy-Connection: a\r\nUpgrade: a\r\nTE: a\r\n"),
        BEGIN + b"\r\n"),
    "an announced trailer": (
        request(b"Trailer: X\r\nTransfer-Encoding: chunked\r\n"),
        BEGIN + b"Trailer: X\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "a trailer that cannot come": (request(b"Trailer: X\r\n"), BEGIN + b"\r\n"),
    "an empty line before": (b"\r\n" + request(), BEGIN + b"\r\n"),
    "an expectation": (
        request(b"expect: 100-continue\r\nContent-Length: 1\r\n"),
        BEGIN + b"expect: 100-continue\r\nContent-Length: 1\r\n\r\n"),
    "an expectation of HTTP/1.0, which has none": (
        request(b"Expect: 100-continue\r\nContent-Length: 1\r\n", b"POST / HTTP/1.0"),
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"),
}  # fmt: skip

TOLD: dict[str, tuple[bytes, dict[str, Any], bytes]] = {
    "close": (request(), {"connection": CLOSE}, BEGIN + b"Connection: close\r\n\r\n"),
    "keep alive": (request(), {"connection": KEEP_ALIVE}, BEGIN + b"Connection: keep-alive\r\n\r\n"),
    "trailers": (request(), {"takes_trailers": 1}, BEGIN + b"Connection: TE\r\nTE: trailers\r\n\r\n"),
    "close and trailers": (
        request(), {"connection": CLOSE, "takes_trailers": 1},
        BEGIN + b"Connection: close, TE\r\nTE: trailers\r\n\r\n"),
    "upgrade": (
        request(b"Upgrade: a\r\nConnection: upgrade\r\nUpgrade: b/1, c\r\n"), {"connection": UPGRADE},
        BEGIN + b"Connection: upgrade\r\nUpgrade: a, b/1, c\r\n\r\n"),
    "another host": (
        request(b"X: 1\r\n"), {"ways": {1: (SET, b"b:8")}}, b"GET / HTTP/1.1\r\nHost: b:8\r\nX: 1\r\n\r\n"),
    "dropped": (request(b"Via: x\r\nX: 1\r\nvia: y\r\n"), {"ways": {VIA: (DROP, b"")}}, BEGIN + b"X: 1\r\n\r\n"),
    "set": (request(b"Via: x\r\nX: 1\r\nvia: y\r\n"), {"ways": {VIA: (SET, b"z")}}, BEGIN + b"X: 1\r\nVia: z\r\n\r\n"),
    "set where none came": (request(), {"ways": {VIA: (SET, b"z")}}, BEGIN + b"Via: z\r\n\r\n"),
    "filled where none came": (request(), {"ways": {VIA: (FILL, b"z")}}, BEGIN + b"Via: z\r\n\r\n"),
    "not filled where one came": (request(b"VIA: x\r\n"), {"ways": {VIA: (FILL, b"z")}}, BEGIN + b"VIA: x\r\n\r\n"),
    "filled where one was for this connection": (
        request(b"Via: x\r\nConnection: via\r\n"), {"ways": {VIA: (FILL, b"z")}}, BEGIN + b"Via: z\r\n\r\n"),
    "added where none came": (request(), {"ways": {FOR: (ADD, b"::1")}}, BEGIN + b"X-Forwarded-For: ::1\r\n\r\n"),
    "added behind those that came": (
        request(b"x-forwarded-for: 1, 2\r\nX: 1\r\nX-Forwarded-For:\r\nX-FORWARDED-FOR: 3\r\n"),
        {"ways": {FOR: (ADD, b"::1")}}, BEGIN + b"X: 1\r\nX-Forwarded-For: 1, 2, 3, ::1\r\n\r\n"),
    "added where one was for this connection": (
        request(b"Via: x\r\nConnection: via\r\n"), {"ways": {VIA: (ADD, b"z")}}, BEGIN + b"Via: z\r\n\r\n"),
    "the path loses its beginning": (
        request(start=b"GET /task/1?q HTTP/1.1"), {"n_path_cut": 5}, b"GET /1?q HTTP/1.1\r\nHost: a\r\n\r\n"),
    "the path loses all": (
        request(start=b"GET /task?q HTTP/1.1"), {"n_path_cut": 9}, b"GET /?q HTTP/1.1\r\nHost: a\r\n\r\n"),
    "the path gets a beginning": (
        request(start=b"GET /1 HTTP/1.1"), {"path": b"/v1"}, b"GET /v1/1 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "one slash where two would meet": (
        request(start=b"GET /task/1 HTTP/1.1"), {"path": b"/v1/", "n_path_cut": 5},
        b"GET /v1/1 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "the path is another": (
        request(start=b"GET /a/b?c HTTP/1.1"), {"path": b"x", "n_path_cut": 4},
        b"GET /x?c HTTP/1.1\r\nHost: a\r\n\r\n"),
    "no path to cut": (
        request(start=b"OPTIONS * HTTP/1.1"), {"path": b"/x", "n_path_cut": 1},
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
    "set by an edit": (
        request(b"x: 0\r\nY: 1\r\nX: 2\r\n"), {"edits": testwire.edit(EDIT_SET, b"X", b"3")},
        BEGIN + b"Y: 1\r\nX: 3\r\n\r\n"),
    "added by an edit": (
        request(b"X: 1\r\n"), {"edits": testwire.edit(EDIT_ADD, b"X", b"2")}, BEGIN + b"X: 1\r\nX: 2\r\n\r\n"),
    "removed by an edit": (
        request(b"X: 1\r\nXx: 2\r\n"), {"edits": testwire.edit(EDIT_REMOVE, b"x", b"")}, BEGIN + b"Xx: 2\r\n\r\n"),
    "several edits": (
        request(b"A: 1\r\nB: 2\r\nC: 3\r\n"),
        {"edits": testwire.edit(EDIT_REMOVE, b"B") + testwire.edit(EDIT_SET, b"A", b"")
          + testwire.edit(EDIT_ADD, b"D", b"4")},
        BEGIN + b"C: 3\r\nA: \r\nD: 4\r\n\r\n"),
    "an edit of what is for this connection": (
        request(b"Connection: x\r\nX: 1\r\n"), {"edits": testwire.edit(EDIT_ADD, b"X", b"2")}, BEGIN + b"X: 2\r\n\r\n"),
    "variables of an edit": (
        request(), {"edits": testwire.edit(EDIT_ADD, b"X", b"a \x01-\x02\x08\t"), "variables": (b"one", b"two")},
        BEGIN + b"X: a one-two\t\r\n\r\n"),
    "half an edit": (request(), {"edits": testwire.edit(EDIT_ADD, b"X", b"2")[:-1]}, BEGIN + b"\r\n"),
}  # fmt: skip

OK = b"HTTP/1.1 200 OK\r\n"
ANSWERED: dict[str, tuple[bytes, int, dict[str, Any], bytes]] = {
    "a length": (response(b"X:1\r\nContent-Length: 05\r\n"), GET, {}, OK + b"X: 1\r\nContent-Length: 5\r\n\r\n"),
    "HTTP/1.0": (response(start=b"HTTP/1.0 200 OK"), GET, {"connection": CLOSE}, OK + b"Connection: close\r\n\r\n"),
    "chunks as bare bytes": (
        response(b"Trailer: X\r\nTransfer-Encoding: chunked\r\n"), GET, {"body": UNTIL_END}, OK + b"\r\n"),
    "HEAD": (response(b"Content-Length: 5\r\n"), HEAD, {}, OK + b"Content-Length: 5\r\n\r\n"),
    "HEAD and chunks": (response(b"Transfer-Encoding: chunked\r\n"), HEAD, {}, OK + b"\r\n"),
    "304": (
        response(b"Content-Length: 5\r\n", b"HTTP/1.1 304 Not Modified"), GET, {},
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
    "204": (response(b"Content-Length: 0\r\n", b"HTTP/1.1 204 x"), GET, {}, b"HTTP/1.1 204 x\r\n\r\n"),
    "no reason": (
        response(b"Content-Length: 0\r\n", b"HTTP/1.1 200"), GET, {}, b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"),
    "101": (
        response(b"Upgrade: a\r\nConnection: Upgrade\r\nX: 1\r\n", b"HTTP/1.1 101 S"), GET, {"connection": UPGRADE},
        b"HTTP/1.1 101 S\r\nX: 1\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n"),
    "one more cookie": (
        response(b"Set-Cookie: a\r\nX: 1\r\n"), GET, {"ways": {KINDS["Set-Cookie"]: (ADD, b"b")}},
        OK + b"Set-Cookie: a\r\nX: 1\r\nSet-Cookie: b\r\n\r\n"),
    "a host": (response(b"Host: a\r\nContent-Length: 1\r\n"), GET, {}, OK + b"Content-Length: 1\r\n\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRITTEN)
def test_request_is_written_in_one_form(writer: Writer, case: str) -> None:
    wire, expected = WRITTEN[case]
    assert writer.request(wire) == expected
    assert writer.request(expected) == expected


@pytest.mark.parametrize("case", TOLD)
def test_request_is_rewritten_as_told(writer: Writer, case: str) -> None:
    wire, told, expected = TOLD[case]
    assert writer.request(wire, **told) == expected


@pytest.mark.parametrize("case", ANSWERED)
def test_response_is_written_in_one_form(writer: Writer, case: str) -> None:
    wire, method, told, expected = ANSWERED[case]
    assert writer.response(wire, method, **told) == expected


@pytest.mark.parametrize("case", requests.GOOD)
def test_request_is_read_as_it_was_written_and_written_as_it_was_read(
    reader: Reader, writer: Writer, case: str
) -> None:
    check_request_again(reader, writer, requests.GOOD[case][0])


@pytest.mark.parametrize("case", responses.GOOD)
def test_response_is_read_as_it_was_written(reader: Reader, writer: Writer, case: str) -> None:
    wire, method, _ = responses.GOOD[case]
    check_response_again(reader, writer, wire, method)


@given(st.dictionaries(st.integers(2, 19), st.tuples(st.integers(0, 4), st.sampled_from([b"a", b"b, c"]))))
def test_ways_never_touch_framing_nor_what_is_for_the_connection(
    reader: Reader, writer: Writer, ways: dict[int, tuple[int, bytes]]
) -> None:
    wire = request(b"Content-Length: 3\r\nConnection: close\r\nKeep-Alive: 1\r\nUpgrade: a\r\nTE: trailers\r\n")
    _, head = reader.request(writer.request(wire, ways=ways))
    assert head is not None
    assert (head["body_bytes"], head["is_kept"], head["takes_trailers"]) == (3, True, False)
    assert not any(field[3] for field in head["fields"])
