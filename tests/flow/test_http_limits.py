"""HTTP: what a listener lets a client have, at each limit and one beyond it."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.flow.test_http import http_config
from tests.tools.configs import LOOPBACK, Tree
from tests.tools.nginy_process import Nginy
from tests.tools.peers import Peer
from tests.tools.sockets import connect, how_it_ends, read_to_end
from tests.tools.waiting import wait_until
from tests.tools.web import HEAD_END, Message, Seen, Stream, answering, text

CAPS: dict[str, Tree] = {
    "head": {"head": "200B"},
    "fields": {"fields": 5},
    "target": {"target": 20},
    "body": {"body": 10},
    "requests": {"requests": 3},
    "rate": {"request_rate": {"rate": "1/h", "burst": 3}},
    "steady": {"request_rate": "20/s"},
    "wide": {},
}
PIECES = pytest.mark.parametrize("piece", [1, 7, 10_000])


def early(request: Message) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nearly"


@pytest.fixture(scope="module")
def seen() -> Seen:
    return Seen()


@pytest.fixture(scope="module")
def capped(seen: Seen) -> Iterator[Nginy]:
    """A listener for each limit, named after it."""
    with ExitStack() as stack:
        peer = stack.enter_context(Peer(answering(text(), seen)))
        tree = http_config([peer.address], runtime={"workers": 1})
        front = tree["listeners"]["front"] | {"bind": LOOPBACK}
        tree["listeners"] = {name: front | {"limits": limits} for name, limits in CAPS.items()}
        nginy = Nginy(tree)
        stack.callback(nginy.clean_up)
        yield nginy.start()


def own(nginy: Nginy, listener: str) -> Tree:
    return nginy.listener(listener)["http"]["own"]  # type: ignore[no-any-return]


def say(sock: socket.socket, wire: bytes, piece: int = 10_000) -> None:
    """Send it in pieces, as far as it is taken."""
    for at in range(0, len(wire), piece):
        try:
            sock.sendall(wire[at : at + piece])
        except OSError:
            return


def said(nginy: Nginy, listener: str, wire: bytes, piece: int = 10_000) -> tuple[int, bool]:
    """Status of the answer, and whether the connection serves on."""
    with connect(nginy.address(listener)) as sock:
        say(sock, wire, piece)
        stream = Stream(sock)
        answer = stream.message()
        if answer.get("connection") == "close":
            return answer.status, False
        sock.sendall(b"GET /on HTTP/1.1\r\nHost: a\r\n\r\n")
        return answer.status, stream.message().status == 200


def head_of(n_bytes: int) -> bytes:
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX: "
    return head + b"x" * (n_bytes - len(head) - len(HEAD_END)) + HEAD_END


def fields(n: int) -> bytes:
    return b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: 1\r\n" * (n - 1) + b"\r\n"


def target(n_bytes: int) -> bytes:
    return b"GET /" + b"x" * (n_bytes - 1) + b" HTTP/1.1\r\nHost: a\r\n\r\n"


def length(n_bytes: int) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % n_bytes + b"x" * n_bytes


def chunks(*sizes: int) -> bytes:
    body = b"".join(b"%x\r\n" % size + b"x" * size + b"\r\n" for size in sizes)
    return b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"


@PIECES
def test_a_head_of_as_many_bytes_passes_and_a_longer_one_gets_431(capped: Nginy, piece: int) -> None:
    assert said(capped, "head", head_of(200), piece) == (200, True)
    assert said(capped, "head", head_of(201), piece) == (431, False)


def test_a_head_without_end_gets_431_as_soon_as_it_is_too_long(capped: Nginy) -> None:
    before = own(capped, "head").get("head_too_long", 0)
    with connect(capped.address("head")) as sock:
        sock.sendall(head_of(250)[:199])
        sock.sendall(b"x")
        assert Stream(sock).message().status == 431
    assert own(capped, "head") == {"head_too_long": before + 1}


def test_requests_sent_at_once_each_have_a_head_of_their_own(capped: Nginy) -> None:
    with connect(capped.address("head")) as sock:
        stream = Stream(sock)
        sock.sendall(head_of(190) * 5 + head_of(201))
        assert [stream.message().status for _ in range(6)] == [200] * 5 + [431]


@PIECES
def test_as_many_fields_pass_and_one_more_gets_431(capped: Nginy, piece: int) -> None:
    assert said(capped, "fields", fields(5), piece) == (200, True)
    assert said(capped, "fields", fields(6), piece) == (431, False)


@PIECES
def test_a_target_of_as_many_bytes_passes_and_a_longer_one_gets_414(capped: Nginy, piece: int) -> None:
    before = own(capped, "target").get("target_too_long", 0)
    assert said(capped, "target", target(20), piece) == (200, True)
    assert said(capped, "target", target(21), piece) == (414, True)
    assert own(capped, "target") == {"target_too_long": before + 1}


@PIECES
@pytest.mark.parametrize("wire", [length(10), chunks(10), chunks(4, 6), chunks(1, 1, 1, 7), chunks()])
def test_a_body_of_as_many_bytes_passes(capped: Nginy, seen: Seen, wire: bytes, piece: int) -> None:
    assert said(capped, "body", wire, piece) == (200, True)
    assert len(seen.requests[-2].body) in (0, 10)


def test_a_longer_body_gets_413_by_its_length_and_reaches_no_backend(capped: Nginy, seen: Seen) -> None:
    n_before, before = len(seen.requests), own(capped, "body").get("body_too_large", 0)
    with connect(capped.address("body")) as sock:
        sock.sendall(length(11)[:-11])  # not one byte of it has to come
        answer = Stream(sock).message()
    assert (answer.status, answer.get("connection")) == (413, "close")
    assert len(seen.requests) == n_before
    assert own(capped, "body") == {"body_too_large": before + 1}


HUGE = chunks(3)[:-5] + b"fffffffffffffff\r\n"


@PIECES
@pytest.mark.parametrize("wire", [chunks(11), chunks(4, 7), chunks(1, 1, 1, 8), chunks(10, 1), HUGE])
def test_a_longer_body_in_chunks_gets_413_when_it_says_so(
    capped: Nginy, seen: Seen, wire: bytes, piece: int
) -> None:
    n_before, before = len(seen.requests), own(capped, "body").get("body_too_large", 0)
    assert said(capped, "body", wire, piece) == (413, False)
    assert own(capped, "body") == {"body_too_large": before + 1}
    assert said(capped, "body", length(10)) == (200, True)
    assert len(seen.requests) == n_before + 2  # of the refused one no whole request was there


def test_a_body_that_is_too_large_cuts_a_response_that_has_begun(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    def serve(sock: socket.socket) -> None:
        Stream(sock).head()
        sock.sendall(early(Message("", [], b"")))
        ends.append(how_it_ends(sock))

    ends: list[str] = []
    nginy = start_nginy(http_config([start_peer(serve).address], listener={"limits": {"body": 10}}))
    with connect(nginy.address()) as sock:
        sock.sendall(chunks(4)[:-5])
        stream = Stream(sock)
        assert stream.head().status == 200
        assert stream.take(5) == b"early"
        sock.sendall(b"7\r\n")
        assert read_to_end(sock) == (b"", "reset")
    wait_until(lambda: nginy.reasons() == {"body_too_large": 1}, "it is counted")
    wait_until(lambda: ends == ["reset"], "the backend's connection is cut")


def test_a_connection_ends_with_its_last_request(capped: Nginy) -> None:
    with connect(capped.address("requests")) as sock:
        stream = Stream(sock)
        answers = []
        for _ in range(3):
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            answers.append(stream.message())
        assert [answer.status for answer in answers] == [200] * 3
        assert [answer.get("connection") for answer in answers] == [None, None, "close"]
        assert how_it_ends(sock) == "eof"


def test_a_client_that_asks_too_often_gets_429_and_is_told_when_to_come_back(capped: Nginy) -> None:
    address = capped.address("rate")
    with connect(address, source="127.0.0.2") as sock:
        stream = Stream(sock)
        answers = []
        for _ in range(5):
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            answers.append(stream.message())
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert [answer.get("connection") for answer in answers[3:]] == ["keep-alive"] * 2
    assert all(3590 < int(answer.get("retry-after") or 0) <= 3600 for answer in answers[3:])
    with connect(address, source="127.0.0.2") as again:  # another connection is the same client
        again.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert Stream(again).message().status == 429
    with connect(address, source="127.0.0.3") as other:
        other.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert Stream(other).message().status == 200
    assert own(capped, "rate") == {"request_rate": 3}


def test_a_client_that_asks_again_and_again_is_served_at_its_rate(capped: Nginy) -> None:
    """20 at once, then one in 50 ms."""
    answers, begin_s = [], time.monotonic()
    with connect(capped.address("steady")) as sock:
        stream = Stream(sock)
        while answers.count(200) < 24:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            answers.append(stream.message().status)
    assert time.monotonic() - begin_s >= 4 * 0.05
    assert set(answers) <= {200, 429}
    counts = capped.listener("steady")["http"]
    assert (counts["requests"], counts["own"].get("request_rate", 0)) == (len(answers), answers.count(429))


def test_a_listener_without_limits_keeps_to_the_widest(capped: Nginy) -> None:
    assert said(capped, "wide", head_of(16_384)) == (200, True)
    assert said(capped, "wide", head_of(16_385)) == (431, False)
    assert said(capped, "wide", fields(128)) == (200, True)
    assert said(capped, "wide", fields(129)) == (431, False)
    assert said(capped, "wide", chunks(100_000, 100_000)) == (200, True)


def test_limits_change_with_a_reload_for_connections_that_are_there(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    peer = start_peer(answering(text()))
    nginy = start_nginy(http_config([peer.address], listener={"bind": LOOPBACK}))
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        for limits, status in (({}, 200), ({"target": 10}, 414), ({"target": 11}, 200), ({"fields": 1}, 200)):
            nginy.reload(http_config([peer.address], listener={"bind": LOOPBACK, "limits": limits}))
            sock.sendall(target(11))
            assert stream.message().status == status, limits
