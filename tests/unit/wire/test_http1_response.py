"""The reader of responses: what follows the head, whose connection lives on, and what is refused."""

from typing import Any

import pytest

from tests.unit.wire.heads import (
    CHUNKED,
    CONNECT,
    GET,
    HEAD,
    LENGTH,
    NO_BODY,
    OPTIONS,
    POST,
    UNTIL_END,
    Reader,
    Refusal,
    refusals_by_cut,
    response,
)

R = Refusal
FIVE, CHUNKS = b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"
CLOSE, ALIVE = b"Connection: close\r\n", b"Connection: keep-alive\r\n"
SWITCH = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"

GOOD: dict[str, tuple[bytes, int, dict[str, Any]]] = {
    "a length": (
        response(FIVE), GET, {"status": 200, "reason": b"OK", "body": LENGTH, "body_bytes": 5, "is_kept": True}),
    "chunks": (response(CHUNKS), POST, {"body": CHUNKED, "is_kept": True}),
    "until the end": (response(), GET, {"body": UNTIL_END, "is_kept": False}),
    "until the end of HTTP/1.0": (response(ALIVE, b"HTTP/1.0 200 OK"), GET, {"body": UNTIL_END, "is_kept": False}),
    "close": (response(FIVE + CLOSE), GET, {"is_kept": False}),
    "HTTP/1.0": (response(FIVE, b"HTTP/1.0 200 OK"), GET, {"minor": 0, "body": LENGTH, "is_kept": False}),
    "HTTP/1.0 kept alive": (response(FIVE + ALIVE, b"HTTP/1.0 200 OK"), GET, {"is_kept": True}),
    "HEAD": (response(FIVE), HEAD, {"body": NO_BODY, "body_bytes": 5, "has_length": True, "is_kept": True}),
    "HEAD without a length": (response(), HEAD, {"body": NO_BODY, "has_length": False, "is_kept": True}),
    "HEAD and chunks": (response(CHUNKS), HEAD, {"body": NO_BODY, "is_kept": True}),
    "204": (response(start=b"HTTP/1.1 204 No Content"), GET, {"body": NO_BODY, "is_kept": True}),
    "204 and a length of nothing": (
        response(b"Content-Length: 0\r\n", b"HTTP/1.1 204 No Content"), GET, {"body": NO_BODY, "has_length": False}),
    "304": (response(FIVE, b"HTTP/1.1 304 Not Modified"), GET, {"body": NO_BODY, "body_bytes": 5, "has_length": True}),
    "100": (response(start=b"HTTP/1.1 100 Continue"), POST, {"status": 100, "body": NO_BODY}),
    "103": (response(b"Link: a\r\n", b"HTTP/1.1 103 Early Hints"), GET, {"status": 103, "body": NO_BODY}),
    "101": (response(SWITCH, b"HTTP/1.1 101 Switching Protocols"), GET, {"is_upgrade": True, "is_kept": False}),
    "101 to nothing": (response(start=b"HTTP/1.1 101 Switching Protocols"), GET, {"is_upgrade": False}),
    "upgrade offered": (response(SWITCH + FIVE, b"HTTP/1.1 426 Upgrade"), GET, {"is_upgrade": False, "body": LENGTH}),
    "CONNECT granted": (response(FIVE), CONNECT, {"body": NO_BODY, "has_length": False}),
    "CONNECT refused": (response(FIVE, b"HTTP/1.1 403 No"), CONNECT, {"body": LENGTH}),
    "OPTIONS": (response(b"Content-Length: 0\r\n"), OPTIONS, {"body": LENGTH, "body_bytes": 0}),
    "no reason": (response(FIVE, b"HTTP/1.1 599 "), GET, {"status": 599, "reason": b""}),
    "no reason and no space": (response(FIVE, b"HTTP/1.1 404"), GET, {"status": 404, "reason": b""}),
    "a reason of several words": (
        response(start=b"HTTP/1.1 404 \tNot \xe9 Found"), GET, {"reason": b"\tNot \xe9 Found"}),
    "no host": (response(FIVE), GET, {"method": GET}),
    "several cookies": (response(FIVE + b"Set-Cookie: a\r\nSet-Cookie: b\r\n"), GET, {"body": LENGTH}),
}  # fmt: skip

BAD: dict[str, tuple[bytes, int, Refusal]] = {
    "not HTTP": (b"220 mail ESMTP\r\n", GET, R.LINE),
    "HTTP/2": (response(start=b"HTTP/2.0 200 OK"), GET, R.VERSION),
    "a version in small letters": (response(start=b"http/1.1 200 OK"), GET, R.LINE),
    "no version": (response(start=b"200 OK"), GET, R.LINE),
    "an empty line before": (b"\r\n" + response(), GET, R.LINE),
    "two spaces": (response(start=b"HTTP/1.1  200 OK"), GET, R.STATUS),
    "a tab": (response(start=b"HTTP/1.1\t200 OK"), GET, R.LINE),
    "no status": (response(start=b"HTTP/1.1 OK"), GET, R.STATUS),
    "two digits": (response(start=b"HTTP/1.1 20 OK"), GET, R.STATUS),
    "four digits": (response(start=b"HTTP/1.1 2000 OK"), GET, R.STATUS),
    "099": (response(start=b"HTTP/1.1 099 OK"), GET, R.STATUS),
    "600": (response(start=b"HTTP/1.1 600 OK"), GET, R.STATUS),
    "a sign": (response(start=b"HTTP/1.1 +20 OK"), GET, R.STATUS),
    "bare LF behind the reason": (b"HTTP/1.1 200 OK\n" + FIVE + b"\r\n", GET, R.LINE),
    "bare CR in the reason": (response(start=b"HTTP/1.1 200 O\rK"), GET, R.LINE),
    "NUL in the reason": (response(start=b"HTTP/1.1 200 O\x00K"), GET, R.LINE),
    "bare LF behind the status": (b"HTTP/1.1 200\n" + FIVE + b"\r\n", GET, R.STATUS),
    "a folded line": (response(b"X: a\r\n b\r\n"), GET, R.NAME),
    "a space before the colon": (response(b"Content-Length : 5\r\n"), GET, R.NAME),
    "a length and chunks": (response(FIVE + CHUNKS), GET, R.LENGTH),
    "a length and chunks for HEAD": (response(FIVE + CHUNKS), HEAD, R.LENGTH),
    "two lengths": (response(FIVE + FIVE), GET, R.LENGTH),
    "two lengths in one": (response(b"Content-Length: 5, 5\r\n"), GET, R.LENGTH),
    "chunks in HTTP/1.0": (response(CHUNKS, b"HTTP/1.0 200 OK"), GET, R.CODING),
    "another coding": (response(b"Transfer-Encoding: gzip, chunked\r\n"), GET, R.CODING),
    "204 and a length": (response(FIVE, b"HTTP/1.1 204 No Content"), GET, R.LENGTH),
    "204 and chunks": (response(CHUNKS, b"HTTP/1.1 204 No Content"), GET, R.CODING),
    "100 and a length": (response(FIVE, b"HTTP/1.1 100 Continue"), GET, R.LENGTH),
    "101 and chunks": (response(SWITCH + CHUNKS, b"HTTP/1.1 101 Switching"), GET, R.CODING),
    "Connection names the length": (response(FIVE + b"Connection: content-length\r\n"), GET, R.VALUE),
}  # fmt: skip


@pytest.mark.parametrize("case", GOOD)
def test_response_says_what_it_says(reader: Reader, case: str) -> None:
    wire, method, expected = GOOD[case]
    code, head = reader.response(wire, method)
    assert code == len(wire)
    assert head is not None
    assert {key: head[key] for key in expected} == expected
    assert reader.response(wire + b"a body", method) == (code, head)


@pytest.mark.parametrize("case", GOOD)
def test_response_that_is_cut_anywhere_needs_more(reader: Reader, case: str) -> None:
    wire, method, _ = GOOD[case]
    for n in range(len(wire)):
        assert reader.response(wire[:n], method) == (0, None), n
        assert reader.response(wire[:n], method, max(n - 1, 0)) == (0, None), n
    assert reader.response(wire, method, len(wire) - 1) == reader.response(wire, method)


@pytest.mark.parametrize("case", BAD)
def test_response_is_refused_by_name_once_and_for_good(reader: Reader, case: str) -> None:
    wire, method, refusal = BAD[case]
    codes = refusals_by_cut(lambda given: reader.response(given, method), wire)
    assert codes[-1] == refusal
    first = codes.index(refusal)
    assert set(codes[:first]) <= {0} and set(codes[first:]) == {refusal}


@pytest.mark.parametrize("status", range(100, 600))
def test_status_is_told(reader: Reader, status: int) -> None:
    code, head = reader.response(response(start=b"HTTP/1.1 %d x" % status))
    assert code > 0 and head is not None
    assert head["status"] == status
    assert head["body"] == (NO_BODY if status < 200 or status in (204, 304) else UNTIL_END)
