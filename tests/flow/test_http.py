"""HTTP through a running nginy: each request gets a backend, connections are kept, nothing is ambiguous."""

import socket
from collections.abc import Sequence
from contextlib import suppress

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import Tree, tcp_config
from tests.tools.sockets import connect, how_it_ends, reset
from tests.tools.waiting import wait_until
from tests.tools.web import Message, Seen, Stream, answering, text

GET = b"GET /a?b=1 HTTP/1.1\r\nHost: example.org\r\n\r\n"


def http_config(backends: Sequence[str | Tree], **given: object) -> Tree:
    listener = {"protocol": "http", **given.pop("listener", {})}  # type: ignore[dict-item]
    pool = {"http": {"idle": "300ms"}, **given.pop("pool", {})}  # type: ignore[dict-item]
    return tcp_config(backends, listener=listener, pool=pool, **given)  # type: ignore[arg-type]


def own(nginy: object) -> dict[str, int]:
    return nginy.listener("front")["http"]["own"]  # type: ignore[attr-defined, no-any-return]


def test_a_request_and_its_response_pass_and_both_connections_are_kept(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    seen = Seen()
    nginy = start_nginy(http_config([start_peer(answering(text(b"hello"), seen)).address]))
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        for _ in range(5):
            sock.sendall(GET)
            answer = stream.message()
            assert (answer.status, answer.body) == (200, b"hello")
    assert [request.start for request in seen.requests] == ["GET /a?b=1 HTTP/1.1"] * 5
    assert seen.n_connections == 1
    counts = nginy.listener("front")["http"]
    assert (counts["requests"], counts["responses"], counts["reused"]) == (5, {"2xx": 5}, 4)
    wait_until(lambda: nginy.reasons() == {"closed": 1}, "one clean end")


def test_a_backend_connection_serves_one_client_after_the_other(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    seen = Seen()
    nginy = start_nginy(http_config([start_peer(answering(text(), seen)).address]))
    for _ in range(10):
        with connect(nginy.address()) as sock:
            sock.sendall(GET)
            assert Stream(sock).message().body == b"ok"
    assert (seen.n_connections, len(seen.requests)) == (1, 10)


def test_requests_sent_at_once_are_answered_in_order(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    def say(request: Message) -> bytes:
        return text(request.start.split()[1].encode())

    nginy = start_nginy(http_config([start_peer(answering(say)).address]))
    paths = [f"/{nth}" for nth in range(200)]
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        sock.sendall(b"".join(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for path in paths))
        assert [stream.message().body.decode() for _ in paths] == paths


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
def test_a_request_sent_byte_by_byte_is_the_same_request(
    start_nginy: StartNginy, start_peer: StartPeer, is_chunked: bool
) -> None:
    seen = Seen()
    nginy = start_nginy(http_config([start_peer(answering(text(), seen)).address]))
    framing = b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n" if is_chunked else (
        b"Content-Length: 5\r\n\r\nabcde")
    whole = b"POST /p HTTP/1.1\r\nHost: a\r\n" + framing
    with connect(nginy.address()) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = Stream(sock)
        for _ in range(2):
            for at in range(len(whole)):
                sock.sendall(whole[at : at + 1])
            assert stream.message().status == 200
    assert [(request.start, request.body) for request in seen.requests] == [("POST /p HTTP/1.1", b"abcde")] * 2


ANSWERS = {
    "length": text(b"x" * 300),
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n" + b"y" * 100 + b"\r\n0\r\n\r\n",
    "empty": text(b""),
    "nothing": b"HTTP/1.1 204 No Content\r\n\r\n",
    "interim": b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" + text(b"after"),
}


def test_a_response_in_any_pieces_is_the_same_response(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    def serve(sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = Stream(sock)
        while True:
            try:
                kind, piece = stream.message().start.split()[1][1:].split(".")
            except (EOFError, OSError):
                return
            answer = ANSWERS[kind]
            for at in range(0, len(answer), int(piece)):
                sock.sendall(answer[at : at + int(piece)])

    nginy = start_nginy(http_config([start_peer(serve).address]))
    bodies = {"length": b"x" * 300, "chunked": b"y" * 100, "interim": b"after"}
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        for kind in ANSWERS:
            for piece in (1, 2, 7, 100_000):
                sock.sendall(f"GET /{kind}.{piece} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                if kind == "interim":
                    assert stream.head().status == 103
                assert stream.message().body == bodies.get(kind, b""), (kind, piece)
                assert stream.rest == b""
    assert nginy.listener("front")["http"]["reused"] == len(ANSWERS) * 4 - 1


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
def test_large_bodies_pass_both_ways_unchanged(
    start_nginy: StartNginy, start_peer: StartPeer, is_chunked: bool
) -> None:
    content = bytes(range(256)) * 4096 * 8

    def framed(body: bytes) -> bytes:
        if not is_chunked:
            return f"Content-Length: {len(body)}\r\n\r\n".encode() + body
        pieces = [body[at : at + 70_001] for at in range(0, len(body), 70_001)]
        whole = b"".join(f"{len(piece):X}\r\n".encode() + piece + b"\r\n" for piece in pieces)
        return b"Transfer-Encoding: chunked\r\n\r\n" + whole + b"0\r\n\r\n"

    seen = Seen()
    nginy = start_nginy(
        http_config(
            [start_peer(answering(b"HTTP/1.1 200 OK\r\n" + framed(content), seen)).address],
            pool={"http": {"idle": "1s"}},      # a slow build's client looks at its bytes for a while
        )
    )
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        for _ in range(2):
            sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\n" + framed(content))
            assert stream.message().body == content
    assert [request.body == content for request in seen.requests] == [True, True]
    assert nginy.listener("front")["http"]["reused"] == 1
    spliced = nginy.workers()[0]["counters"]["spliced_bytes"]
    assert spliced == 0 if is_chunked else spliced > 3 * len(content), "a length says that it is bulk"


def test_an_event_stream_arrives_event_by_event(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    ours, theirs = socket.socketpair()

    def serve(sock: socket.socket) -> None:
        Stream(sock).message()
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for nth in range(5):
            sock.sendall(b"3\r\n%d\n\n\r\n" % nth)
            theirs.recv(1)  # not before the client has this one
        sock.sendall(b"0\r\n\r\n")

    nginy = start_nginy(http_config([start_peer(serve).address]))
    with connect(nginy.address()) as sock, ours:
        stream = Stream(sock)
        sock.sendall(GET)
        assert stream.head().get("content-type") == "text/event-stream"
        for nth, event in enumerate(stream.chunks()):
            assert event == b"%d\n\n" % nth
            ours.send(b"x")


def test_a_response_until_the_end_ends_the_clients_connection(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    nginy = start_nginy(http_config([start_peer(until_end(b"until the end")).address]))
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        sock.sendall(GET)
        answer = stream.message()
        assert (answer.body, answer.get("connection")) == (b"until the end", "close")


def until_end(body: bytes):
    def serve(sock: socket.socket) -> None:
        Stream(sock).message()
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + body)

    return serve


def test_a_client_of_http_1_0_gets_no_chunks_and_its_connections_end(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    seen = Seen()
    nginy = start_nginy(http_config([start_peer(answering(ANSWERS["chunked"], seen)).address]))
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = stream.message()
        assert answer.get("transfer-encoding") is None
        assert answer.body == b"y" * 100
    assert (seen.requests[0].start, seen.requests[0].get("host")) == ("GET / HTTP/1.1", "localhost")


def test_head_and_not_modified_have_no_body_whatever_their_length_says(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    def say(request: Message) -> bytes:
        status = "304 Not Modified" if "304" in request.start else "200 OK"
        return f"HTTP/1.1 {status}\r\nContent-Length: 1000\r\n\r\n".encode()

    nginy = start_nginy(http_config([start_peer(answering(say)).address]))
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        for _ in range(2):
            sock.sendall(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert stream.message(of_head=True).get("content-length") == "1000"
            sock.sendall(b"GET /304 HTTP/1.1\r\nHost: a\r\n\r\n")
            assert stream.message().status == 304


def test_an_upgraded_connection_is_relayed_both_ways(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    def serve(sock: socket.socket) -> None:
        stream = Stream(sock)
        request = stream.message()
        assert request.get("upgrade") == "echo"
        sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nfirst")
        sock.sendall(stream.rest)
        while got := sock.recv(65536):
            sock.sendall(got)

    nginy = start_nginy(http_config([start_peer(serve).address]))
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        sock.sendall(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly")
        assert stream.head().status == 101
        assert stream.take(10) == b"firstearly"
        for size in (1, 1000, 300_000):
            sock.sendall(bytes(size))
            assert stream.take(size) == bytes(size)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""
    wait_until(lambda: nginy.reasons() == {"closed": 1}, "one clean end")


# ---- what goes wrong ----


def test_a_kept_connection_that_the_backend_has_closed_is_replaced_unseen(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    seen = Seen()

    def serve(sock: socket.socket) -> None:
        seen.n_connections += 1
        stream = Stream(sock)
        request = stream.message()
        seen.requests.append(request)
        sock.sendall(text())
        with suppress(EOFError):  # the next one is read, and never answered
            seen.requests.append(stream.message())

    nginy = start_nginy(http_config([start_peer(serve).address]))
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        for _ in range(6):
            sock.sendall(GET)
            assert stream.message().body == b"ok"
    assert nginy.listener("front")["http"]["retried"] >= 1
    assert own(nginy) == {}


def test_a_post_is_never_sent_twice(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    seen = Seen()

    def serve(sock: socket.socket) -> None:
        seen.requests.append(Stream(sock).message())
        reset(sock)

    nginy = start_nginy(http_config([start_peer(serve).address, start_peer(serve).address]))
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
        assert stream.message().status == 502
        sock.sendall(GET)
        assert stream.message().status == 502
    assert [request.start.split()[0] for request in seen.requests] == ["POST", "GET", "GET", "GET"]
    assert own(nginy) == {"back_reset": 2}


def test_a_get_that_was_lost_is_sent_to_another_backend(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    bad = start_peer(lambda sock: (Stream(sock).message(), reset(sock)))
    nginy = start_nginy(http_config([bad.address, start_peer(answering(text(b"good"))).address]))
    for _ in range(4):
        with connect(nginy.address()) as sock:
            sock.sendall(GET)
            assert Stream(sock).message().body == b"good"


def test_nobody_and_nobody_reached_are_told_and_the_client_may_ask_again(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    peer = start_peer(answering(text()))
    peer.stop_listening()
    nginy = start_nginy(http_config([peer.address]))
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        for _ in range(3):
            sock.sendall(GET)
            answer = stream.message()
            assert (answer.status, answer.body) == (502, b"502 Bad Gateway\n")
    assert own(nginy) == {"connect_failed": 3}


BAD_REQUESTS = {
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two framings": (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "signed length": (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx", 400),
    "bare LF": (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    "version": (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    "too long": (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 5000, 431),
    "bad chunk": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
}


def test_what_cannot_be_understood_is_answered_and_the_connection_ends(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    seen = Seen()
    nginy = start_nginy(http_config([start_peer(answering(text(), seen)).address]))
    for kind, (said, status) in BAD_REQUESTS.items():
        with connect(nginy.address()) as sock:
            sock.sendall(said)
            answer = Stream(sock).message()
            assert (answer.status, answer.get("connection")) == (status, "close"), kind
            assert sock.recv(1) == b"", kind
    assert seen.requests == []
    assert own(nginy) == {"bad_request": 5, "bad_version": 1, "head_too_long": 1}


def test_connect_is_refused(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    nginy = start_nginy(http_config([start_peer(answering(text())).address]))
    with connect(nginy.address()) as sock:
        sock.sendall(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n")
        assert Stream(sock).message().status == 405


BAD_ANSWERS = {
    "two framings": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "no http": b"SSH-2.0-nothing\r\n\r\n",
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
}


def test_a_response_that_cannot_be_understood_is_a_bad_gateway(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    kinds = list(BAD_ANSWERS)

    def say(request: Message) -> bytes:
        return BAD_ANSWERS[kinds[int(request.start.split()[1][1:])]]

    nginy = start_nginy(http_config([start_peer(answering(say)).address]))
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        for nth, kind in enumerate(kinds):
            sock.sendall(f"GET /{nth} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert stream.message().status == 502, kind
    assert own(nginy) == {"bad_response": len(kinds)}


CUT = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
    "between": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
}


def test_a_truncated_response_looks_truncated(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    def serve(sock: socket.socket) -> None:
        kind = Stream(sock).message().start.split()[1][1:]
        sock.sendall(CUT[kind])

    nginy = start_nginy(http_config([start_peer(serve).address]))
    for kind in CUT:
        with connect(nginy.address()) as sock:
            stream = Stream(sock)
            sock.sendall(f"GET /{kind} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            with pytest.raises((EOFError, ConnectionResetError)):
                stream.message()
    wait_until(lambda: nginy.reasons() == {"back_reset": len(CUT)}, "its end says so")


def test_a_backend_that_says_too_much_is_not_used_again(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    seen = Seen()
    nginy = start_nginy(http_config([start_peer(answering(text(b"ok") + b"left over", seen)).address]))
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        for _ in range(3):
            sock.sendall(GET)
            assert stream.message().body == b"ok"
    assert seen.n_connections == 3


def test_a_client_that_leaves_cancels_its_request(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    ends: list[str] = []

    def serve(sock: socket.socket) -> None:
        Stream(sock).message()
        ends.append(how_it_ends(sock))

    nginy = start_nginy(http_config([start_peer(serve).address]))
    with connect(nginy.address()) as sock:
        sock.sendall(GET)
        wait_until(lambda: nginy.backends("back")[0]["sessions_live"] == 1, "it is under way")
    wait_until(lambda: ends == ["reset"], "the backend was told")
    wait_until(lambda: nginy.reasons() == {"client_gone": 1}, "and it is counted")


def test_heads_and_responses_that_do_not_come_in_time_are_told(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    timeouts = {"head": "300ms", "keep_alive": "400ms", "response": "500ms"}
    silent = start_peer(lambda sock: how_it_ends(sock))
    nginy = start_nginy(http_config([silent.address], listener={"timeouts": timeouts}))
    with connect(nginy.address()) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHo")
        assert Stream(sock).message().status == 408
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        sock.sendall(GET)
        assert stream.message().status == 504
        assert sock.recv(1) == b""  # and nothing for the time of keep_alive
    assert own(nginy) == {"head_timeout": 1, "response_timeout": 1}


def test_a_connection_at_rest_leaves_when_nginy_drains(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    nginy = start_nginy(http_config([start_peer(answering(text())).address], runtime={"drain": "30s"}))
    with connect(nginy.address()) as sock:
        sock.sendall(GET)
        assert Stream(sock).message().status == 200
        assert nginy.stop() == 0
        assert sock.recv(1) == b""


def test_each_request_is_balanced_of_its_own(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    backends = [start_peer(answering(text(name))).address for name in (b"a", b"b", b"c")]
    nginy = start_nginy(http_config(backends))
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        said = []
        for _ in range(9):
            sock.sendall(GET)
            said.append(stream.message().body)
    assert sorted(said) == [b"a"] * 3 + [b"b"] * 3 + [b"c"] * 3
    wait_until(lambda: all(b["sessions_live"] == 0 for b in nginy.backends("back")), "no lease is left")
