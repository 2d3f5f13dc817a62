"""The reader of requests: what they say, in every form of a target, cut anywhere, next to an unreadable page."""

from typing import Any

import pytest

from nginy._fast import testwire
from tests.unit.wire.heads import (
    ABSOLUTE,
    ASTERISK,
    AUTHORITY,
    CHUNKED,
    CONNECT,
    DELETE,
    FIELD_NAMES,
    GET,
    HEAD,
    LENGTH,
    NO_BODY,
    OPTIONS,
    ORIGIN,
    OTHER,
    PATCH,
    POST,
    PUT,
    TRACE,
    Reader,
    Refusal,
    request,
)

CLOSE, ALIVE = b"Connection: close\r\n", b"Connection: keep-alive\r\n"
UPGRADE = b"Connection: upgrade\r\nUpgrade: "

GOOD: dict[str, tuple[bytes, dict[str, Any]]] = {
    "the least": (request(), {"minor": 1, "method": GET, "path": b"/", "query": None, "host": b"a", "is_kept": True}),
    "HTTP/1.0 needs no host": (request(start=b"GET / HTTP/1.0", host=b""), {"minor": 0, "host": b"", "is_kept": False}),
    "HTTP/1.0 kept alive": (request(ALIVE, b"GET / HTTP/1.0"), {"minor": 0, "is_kept": True}),
    "close": (request(CLOSE), {"is_kept": False}),
    "close among others": (request(b"Connection: , keep-alive,\tCLOSE ,\r\n"), {"is_kept": False}),
    "close in a second field": (request(ALIVE + CLOSE), {"is_kept": False}),
    "an empty line before": (b"\r\n" + request(), {"path": b"/", "host": b"a"}),
    "path and query": (
        request(start=b"GET /a/b?c=d?e HTTP/1.1"), {"path": b"/a/b", "query": b"c=d?e", "target_form": ORIGIN}),
    "an empty query": (request(start=b"GET /a? HTTP/1.1"), {"path": b"/a", "query": b""}),
    "two slashes": (request(start=b"GET //b HTTP/1.1"), {"path": b"//b", "target_form": ORIGIN}),
    "odd bytes of a target": (request(start=b"GET /\"<>\\^`{|}~!$& HTTP/1.1"), {"path": b"/\"<>\\^`{|}~!$&"}),
    "an absolute target": (
        request(start=b"GET http://a/b?c HTTP/1.1"),
        {"target_form": ABSOLUTE, "path": b"/b", "query": b"c", "host": b"a", "target": b"http://a/b?c"}),
    "an absolute target in capitals": (
        request(start=b"GET HTTPS://A/b HTTP/1.1"), {"target_form": ABSOLUTE, "path": b"/b", "host": b"a"}),
    "an absolute target without a path": (
        request(start=b"GET http://a HTTP/1.1"), {"target_form": ABSOLUTE, "path": b"/", "query": None}),
    "an absolute target with a query alone": (
        request(start=b"OPTIONS http://a?q HTTP/1.1"), {"target_form": ABSOLUTE, "path": b"/", "query": b"q"}),
    "an absolute target says the host in HTTP/1.0": (
        request(start=b"GET http://a:8/ HTTP/1.0", host=b""), {"host": b"a:8", "path": b"/"}),
    "asterisk": (request(start=b"OPTIONS * HTTP/1.1"), {"target_form": ASTERISK, "path": b"", "method": OPTIONS}),
    "asterisk as an absolute target": (
        request(start=b"OPTIONS http://a HTTP/1.1"), {"target_form": ASTERISK, "path": b"", "host": b"a"}),
    "connect": (
        request(start=b"CONNECT a:443 HTTP/1.1", host=b"Host: a:443\r\n"),
        {"target_form": AUTHORITY, "method": CONNECT, "host": b"a:443", "path": b""}),
    "a host with a port": (request(host=b"Host: a.example-1.org.:65535\r\n"), {"host": b"a.example-1.org.:65535"}),
    "a host of IPv6": (request(host=b"Host: [2001:db8::1.2.3.4]:80\r\n"), {"host": b"[2001:db8::1.2.3.4]:80"}),
    "blanks around a value": (request(host=b"Host:\t a \t\r\n"), {"host": b"a"}),
    "no blank before a value": (request(host=b"Host:a\r\n"), {"host": b"a"}),
    "a length": (request(b"Content-Length: 42\r\n"), {"body": LENGTH, "body_bytes": 42}),
    "a length of nothing": (request(b"Content-Length: 0\r\n"), {"body": LENGTH, "body_bytes": 0}),
    "a length with zeros before": (request(b"Content-Length: 007\r\n"), {"body": LENGTH, "body_bytes": 7}),
    "the largest length": (
        request(b"Content-Length: 9223372036854775807\r\n"), {"body": LENGTH, "body_bytes": 2**63 - 1}),
    "chunked": (request(b"Transfer-Encoding: Chunked\r\n"), {"body": CHUNKED, "body_bytes": 0}),
    "no body": (request(start=b"POST / HTTP/1.1"), {"body": NO_BODY, "method": POST}),
    "expecting": (request(b"Expect: 100-Continue\r\nContent-Length: 1\r\n"), {"is_expecting": True}),
    "expecting without a body": (request(b"Expect: 100-continue\r\n"), {"is_expecting": False}),
    "expecting something else": (request(b"Expect: 200-ok\r\nContent-Length: 1\r\n"), {"is_expecting": False}),
    "expecting in HTTP/1.0": (
        request(b"Expect: 100-continue\r\nContent-Length: 1\r\n", b"POST / HTTP/1.0"), {"is_expecting": False}),
    "upgrade": (request(UPGRADE + b"websocket\r\n"), {"is_upgrade": True}),
    "upgrade to nothing": (request(UPGRADE + b"\r\n"), {"is_upgrade": False}),
    "upgrade that Connection does not name": (request(b"Upgrade: websocket\r\n"), {"is_upgrade": False}),
    "upgrade with a body": (request(UPGRADE + b"x\r\nContent-Length: 3\r\n"), {"is_upgrade": False}),
    "upgrade in HTTP/1.0": (request(UPGRADE + b"websocket\r\n", b"GET / HTTP/1.0"), {"is_upgrade": False}),
    "upgrade to HTTP/2 in plain text": (request(UPGRADE + b"websocket, H2C\r\n"), {"is_upgrade": False}),
    "trailers wanted": (request(b"TE: gzip;q=1, Trailers\r\n"), {"takes_trailers": True}),
    "trailers wanted by HTTP/1.0": (request(b"TE: trailers\r\n", b"GET / HTTP/1.0"), {"takes_trailers": False}),
    "obs-text in a value": (request(b"X: \xff\x80\r\n"), {"host": b"a"}),
    "an empty value": (request(b"X:\r\n"), {"host": b"a"}),
    "every mark in a name": (request(b"!#$%&'*+-.^_`|~09azAZ: 1\r\n"), {"host": b"a"}),
}  # fmt: skip


@pytest.mark.parametrize("case", GOOD)
def test_request_says_what_it_says(reader: Reader, case: str) -> None:
    wire, expected = GOOD[case]
    code, head = reader.request(wire)
    assert code == len(wire)
    assert head is not None
    assert {key: head[key] for key in expected} == expected
    assert reader.request(wire + b"GET /next") == (code, head)


@pytest.mark.parametrize("case", GOOD)
def test_request_that_is_cut_anywhere_needs_more(reader: Reader, case: str) -> None:
    wire = GOOD[case][0]
    for n in range(len(wire)):
        assert reader.request(wire[:n]) == (0, None), n


@pytest.mark.parametrize("case", GOOD)
def test_request_byte_by_byte_is_the_same_as_whole(reader: Reader, case: str) -> None:
    wire = GOOD[case][0]
    for n in range(len(wire)):
        assert reader.request(wire[:n], max(n - 1, 0)) == (0, None), n
    assert reader.request(wire, len(wire) - 1) == reader.request(wire)


@pytest.mark.parametrize(
    ("name", "method"),
    [("GET", GET), ("HEAD", HEAD), ("POST", POST), ("PUT", PUT), ("DELETE", DELETE), ("PATCH", PATCH), ("TRACE", TRACE)]
    + [(name, OTHER) for name in ("get", "G", "GETS", "POTS", "SEARCH-ALL", "HEAP", "DELETX", "OPTIONX", "PATCX")],
)
def test_method_is_told_by_its_exact_name(reader: Reader, name: str, method: int) -> None:
    code, head = reader.request(request(start=f"{name} / HTTP/1.1".encode()))
    assert code > 0 and head is not None
    assert (head["method"], head["method_name"]) == (method, name.encode())


@pytest.mark.parametrize("kind", range(1, len(FIELD_NAMES)))
def test_field_that_means_something_is_known_by_its_name_in_any_case(reader: Reader, kind: int) -> None:
    values = {"Host": "a", "Content-Length": "1", "Transfer-Encoding": "chunked"}
    name = FIELD_NAMES[kind]
    host = b"" if name == "Host" else b"Host: a\r\n"
    for spelled in (name, name.lower(), name.upper()):
        code, head = reader.request(request(f"{spelled}: {values.get(name, 'x')}\r\n".encode(), host=host))
        assert code > 0 and head is not None
        assert [field[2] for field in head["fields"] if field[0] == spelled.encode()] == [kind]


@pytest.mark.parametrize("name", FIELD_NAMES[1:])
def test_field_with_almost_that_name_is_another(reader: Reader, name: str) -> None:
    for at in range(len(name)):
        letter = "." if name[at] == "-" else chr(ord(name[at]) ^ 1)
        other = f"{name[:at]}{letter}{name[at + 1:]}"
        if not letter.isalpha() and letter != ".":
            continue
        code, head = reader.request(request(f"{other}: 1\r\n".encode()))
        assert code > 0 and head is not None
        assert head["fields"][1][::2] == (other.encode(), 0)


def test_fields_for_one_connection_are_marked(reader: Reader) -> None:
    fields = b"Keep-Alive: 5\r\nX-Own: 1\r\nTE: trailers\r\nX-Other: 2\r\nConnection: x-OWN, te\r\n"
    more = b"Proxy-Connection: close\r\nUpgrade: x\r\nX-OwN: 3\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n"
    code, head = reader.request(request(fields + more))
    assert code > 0 and head is not None
    marked = [name for name, _, _, is_hop in head["fields"] if is_hop]
    assert marked == [
        b"Keep-Alive", b"X-Own", b"TE", b"Connection", b"Proxy-Connection", b"Upgrade", b"X-OwN", b"Transfer-Encoding",
    ]  # fmt: skip


def test_values_are_without_the_blanks_around_them(reader: Reader) -> None:
    _, head = reader.request(request(b"X: \t a\t b \t\r\nY:c\r\nZ: \t\r\n"))
    assert head is not None
    assert [field[:2] for field in head["fields"][1:]] == [(b"X", b"a\t b"), (b"Y", b"c"), (b"Z", b"")]


def test_head_may_fill_its_bound_and_not_more(reader: Reader) -> None:
    room = testwire.MOST_BYTES - len(request(b"X: \r\n"))
    wire = request(b"X: " + b"v" * room + b"\r\n")
    assert reader.request(wire + b"more").code == testwire.MOST_BYTES
    assert reader.request(wire[:-1]).code == 0
    longer = request(b"X: " + b"v" * (room + 1) + b"\r\n")
    assert reader.request(longer).code == Refusal.TOO_LONG
    assert reader.request(longer[:-1]).code == reader.request(longer[:-1], 100).code == Refusal.TOO_LONG
    assert reader.request(b"GET /" + b"x" * testwire.MOST_BYTES).code == Refusal.TOO_LONG
    assert reader.request(b"G" * testwire.MOST_BYTES).code == Refusal.TOO_LONG


def test_fields_may_be_as_many_as_there_is_room_for_and_not_more(reader: Reader) -> None:
    most = testwire.MOST_FIELDS - 1
    _, head = reader.request(request(b"X: 1\r\n" * most))
    assert head is not None and len(head["fields"]) == testwire.MOST_FIELDS
    assert reader.request(request(b"X: 1\r\n" * (most + 1))).code == Refusal.TOO_LONG


def test_pipelined_requests_are_read_one_after_another(reader: Reader) -> None:
    wires = [wire for wire, _ in GOOD.values()]
    at, row = 0, b"".join(wires)
    for wire in wires:
        code, head = reader.request(row[at:])
        assert (code, head) == reader.request(wire)
        at += code
    assert at == len(row)
    assert testwire.requests(row, 2) == 2 * len(wires)
