"""Filters of HTTP with real workers: what a backend and a client see, byte by byte."""

import re
import socket
import threading

from tests.conftest import StartNginy, StartPeer
from tests.flow.test_http_routes import ask, ask_on, own, routed
from tests.tools.configs import Tree
from tests.tools.sockets import connect
from tests.tools.waiting import wait_until
from tests.tools.web import Message, Seen, Stream, answering, text

ID = re.compile(r"[0-9a-f]{32}")
FILTERS: list[Tree] = [
    {"request": {
        "set": {"X-Team": "{listener}/{route}", "X-Where": "{host} {method} {path}", "X-A": "outer"},
        "remove": ["X-Debug", "Cookie"],
    }},
    {"response": {"set": {"X-Outer": "{client}", "Server": "front"}, "remove": "X-Powered-By"}},
]  # fmt: skip
INNER: list[Tree] = [
    {"request": {"add": {"X-A": "inner {{x}}"}, "set": {"Host": "inner.org:81"}}},
    {"response": {"set": {"X-Outer": "inner"}, "add": {"X-From": "{backend} {request_id}", "Set-Cookie": "n=1"}}},
]  # fmt: skip


def test_heads_are_changed_outer_to_inner_and_back(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    seen = Seen()
    answer = text(b"ok", "HTTP/1.1 200 OK", "Server: x", "X-Powered-By: y", "Set-Cookie: a=b", "X-Outer: backend")
    backend = start_peer(answering(answer, seen)).address
    nginy = start_nginy(routed([{"path": "/a", "pool": "p", "strip": "on", "filters": INNER}],
                               listener={"filters": FILTERS}, p=backend))
    got = ask(nginy, "/a/b?c", "A.org:80", "X-Debug: 1", "x-a: client", "COOKIE: c=d", "X-Team: spoofed", "Y: 1")
    (request,) = seen.requests
    id = request.get("x-request-id")
    assert id is not None and ID.fullmatch(id)
    assert request.head == (
        "GET /b?c HTTP/1.1\r\nHost: inner.org:81\r\nY: 1\r\n"
        f"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Request-ID: {id}\r\n"
        "X-Team: front/0\r\nX-Where: A.org:80 GET /a/b\r\nX-A: outer\r\nX-A: inner {x}\r\n\r\n").encode()
    assert got.head == (
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\n"
        f"X-From: {backend} {id}\r\nSet-Cookie: n=1\r\nX-Outer: 127.0.0.1\r\nServer: front\r\n"
        "Content-Length: 2\r\n\r\n").encode()


def test_a_listener_without_routes_has_filters_too(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    seen = Seen()
    tree = routed([], listener={"filters": FILTERS, "pool": "p"}, p=start_peer(answering(text(), seen)).address)
    del tree["listeners"]["front"]["routes"]
    nginy = start_nginy(tree)
    assert ask(nginy, "/a/../b%2f").get("x-outer") == "127.0.0.1"
    assert seen.requests[0].start == "GET /a/../b%2f HTTP/1.1"
    assert seen.requests[0].get("x-team") == "front/0"


def test_a_client_says_nothing_of_the_id_and_each_request_has_its_own(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    seen = Seen()
    nginy = start_nginy(routed([{"pool": "p"}], p=start_peer(answering(text(), seen)).address))
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        for _ in range(3):
            ask_on(stream, "/", "a", "X-Request-ID: " + "0" * 32, "x-request-id: mine")
    ids = [request.get("x-request-id") for request in seen.requests]
    assert len(set(ids)) == 3 and all(ID.fullmatch(id or "") for id in ids)
    assert "0" * 32 not in ids


def test_a_request_keeps_its_id_when_it_is_sent_once_more(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    seen = Seen()

    def say(request: Message) -> bytes:
        return b"" if len(seen.requests) == 1 else text()

    addresses = [start_peer(answering(say, seen)).address for _ in range(2)]
    tree = routed([{"pool": "p"}], p="x")
    tree["pools"]["p"]["backends"] = addresses
    nginy = start_nginy(tree)
    assert ask(nginy, "/").status == 200
    assert len(seen.requests) == 2
    assert seen.requests[0].get("x-request-id") == seen.requests[1].get("x-request-id")


def test_own_responses_have_an_id_and_what_rules_add(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    rules = [{"response": {
        "set": {"X-Id": "{request_id}", "X-Back": "[{backend}]", "Content-Type": "text/html", "Location": "/evil"}}}]
    nginy = start_nginy(routed([
        {"exact": "/none", "pool": "gone"},
        {"exact": "/moved", "redirect": "/b"},
        {"exact": "/said", "respond": {"headers": ["X-Id: own", "X-Own: {1}"], "body": "hi"}},
    ], listener={"filters": rules, "limits": {"retries": 0}}, gone="127.0.0.1:1"))  # fmt: skip
    for target, status in {"/none": 502, "/x": 404}.items():
        got = ask(nginy, target)
        id = got.get("x-request-id")
        assert (got.status, got.get("x-id"), got.get("x-back"), got.get("content-type")) == (
            status, id, "[]", "text/plain")
        assert ID.fullmatch(id or "")
    moved, said = ask(nginy, "/moved"), ask(nginy, "/said")
    assert (moved.get("location"), ID.fullmatch(moved.get("x-id") or "") is not None) == ("/b", True)
    assert (said.get("x-own"), said.get("content-type"), said.body) == ("{1}", "text/html", b"hi")
    assert ID.fullmatch(said.get("x-id") or ""), "a filter runs after what the route says"


def test_a_refused_request_has_an_id_of_its_own(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    nginy = start_nginy(routed([{"pool": "p"}], p=start_peer(answering(text())).address))
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/9\r\n\r\n")
        assert stream.message().status == 200
        bad = stream.message()
    assert bad.status in (400, 505) and ID.fullmatch(bad.get("x-request-id") or "")


def test_rules_are_those_of_the_generation_in_which_a_head_passes(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    go, asked = threading.Event(), threading.Event()

    def serve(sock: socket.socket) -> None:
        Stream(sock).message()
        asked.set()
        go.wait(10)
        sock.sendall(text(b"ok", "HTTP/1.1 200 OK", "X-Secret: 1"))

    def tree(n: int, extra: list[Tree]) -> Tree:
        hide = {"response": {"remove": "X-Secret"}}
        mine = [{"pool": "p", "filters": [{"response": {"set": {"X-Same": "1"}}}]}, *extra]
        return routed(mine, listener={"filters": [hide, {"request": {"set": {"X-N": str(n)}}}]}, p=backend)

    backend = start_peer(serve).address
    nginy = start_nginy(tree(1, []))
    for n, extra in ((2, [{"path": "/x", "respond": {"status": 204}}]), (3, [])):
        go.clear(), asked.clear()
        with connect(nginy.address()) as sock:
            sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            assert asked.wait(10)
            nginy.reload(tree(n, extra))
            go.set()
            got = Stream(sock).message()
        assert (got.status, got.get("x-secret")) == (200, None), "what rules hide is hidden across a reload"


def test_a_pipelined_request_goes_by_its_own_routes_rules(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    seen = Seen()
    rules = [{"request": {"set": {"X-Route": "{route}"}}}, {"response": {"set": {"X-Route": "{route}"}}}]
    routes = [{"path": path, "pool": "p"} | ({"filters": rules} if path != "/b" else {}) for path in ("/a", "/b", "/c")]
    nginy = start_nginy(routed(routes, p=start_peer(answering(text(), seen)).address))
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        paths = ["/a", "/b", "/c", "/b", "/a"]
        sock.sendall(b"".join(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for path in paths))
        got = [stream.message().get("x-route") for _ in paths]
    assert got == ["0", None, "2", None, "0"]
    assert [request.get("x-route") for request in seen.requests] == got
    wait_until(lambda: nginy.reasons() == {"closed": 1}, "one clean end")
    assert own(nginy) == {}
