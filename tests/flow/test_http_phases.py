"""HTTP: what one exchange leaves behind reaches no other one, whoever leaves in whatever phase."""

import fcntl
import os
import signal
import socket
import struct
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.flow.test_http import GET, http_config, own
from tests.tools.nginy_process import Nginy
from tests.tools.sockets import connect, read_to_end, reset
from tests.tools.waiting import wait_until
from tests.tools.web import Message, Seen, Stream, answering, text

DEADLINE_S = 10
LAST_GET = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@contextmanager
def stopped(nginy: Nginy) -> Iterator[None]:
    """Its only worker takes no event meanwhile, so that all of them come in one turn, in their order."""
    (pid,) = nginy.worker_pids()
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "T", "the worker's halt")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def unsent(sock: socket.socket) -> int:
    """Bytes that the other side's kernel has not acknowledged."""
    (n_bytes,) = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4))
    return int(n_bytes)


def test_half_a_head_of_one_client_changes_no_request_of_another(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    seen = Seen()
    nginy = start_nginy(http_config([start_peer(answering(text(), seen)).address]))
    with connect(nginy.address()) as whole, connect(nginy.address()) as half:
        wait_until(lambda: nginy.listener("front")["sessions_live"] == 2, "both are there")
        with stopped(nginy):
            whole.sendall(b"GET /whole HTTP/1.1\r\nHost: whole\r\nX-Mine: 1\r\n\r\n")
            half.sendall(b"GET /some/other/path HTTP/1.1\r\nHost: half\r\nX-A: 22222222\r\n\r")
        assert Stream(whole).message().status == 200
    (request,) = seen.requests
    assert (request.start, request.get("host"), request.get("x-mine")) == ("GET /whole HTTP/1.1", "whole", "1")


def test_a_body_that_one_backend_did_not_take_reaches_no_other(
    start_nginy: StartNginy, start_peer: StartPeer, tmp_path: Path
) -> None:
    """A unix socket holds little, so that for some length the last bytes of a body wait in nginy."""
    left_over: list[bytes] = []
    may_answer = threading.Event()

    def serve(sock: socket.socket) -> None:
        stream = Stream(sock)
        request = stream.head()
        if request.start.startswith("POST"):
            may_answer.wait(DEADLINE_S)
            sock.sendall(text(b"early"))
            return
        sock.sendall(text(b"next"))
        while stream.more():
            pass
        left_over.append(stream.rest)

    backends = [start_peer(serve, path=tmp_path / "backend").address]
    nginy = start_nginy(http_config(backends, pool={"http": {"kept": 0}}))
    lengths = range(140_000, 320_000, 20_000)
    for length in lengths:
        may_answer.clear()
        with connect(nginy.address()) as sock:
            stream = Stream(sock)
            sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % length + b"x" * length)
            wait_until(lambda: unsent(sock) == 0, "nginy has it")  # noqa: B023
            may_answer.set()
            answer = stream.message()
            assert answer.body == b"early"
            if answer.get("connection") != "close":
                sock.sendall(GET)
                assert stream.message().body == b"next"
            else:
                left_over.append(b"")
    wait_until(lambda: len(left_over) == len(lengths), "all connections of the backend are over")
    assert set(left_over) == {b""}


def test_half_a_response_head_is_forgotten_with_its_exchange(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    def say(request: Message) -> bytes:
        return b"HTTP/1.1 200 OK\r\nX-Stale: 1\r\n" if "half" in request.start else text(b"fresh")

    backends = [start_peer(answering(say)).address]
    nginy = start_nginy(http_config(backends, listener={"timeouts": {"response": "300ms"}}))
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        for path, status in (("/half", 504), ("/next", 200)):
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            answer = stream.message()
            assert (answer.status, answer.get("x-stale")) == (status, None)


def test_a_lost_request_is_not_sent_again_once_its_client_was_told(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    seen = Seen()

    def serve(sock: socket.socket) -> None:
        seen.requests.append(Stream(sock).message())
        reset(sock)

    nginy = start_nginy(http_config([start_peer(serve).address, start_peer(serve).address]))
    with connect(nginy.address()) as sock:
        sock.sendall(LAST_GET)
        said, end = read_to_end(sock)
    assert (said.split(b"\r\n")[0], end) == (b"HTTP/1.1 502 Bad Gateway", "eof")
    wait_until(lambda: nginy.reasons() == {"closed": 1}, "one clean end")
    assert [request.start for request in seen.requests] == ["GET /last HTTP/1.1"] * 3
    assert own(nginy) == {"back_reset": 1}


def test_an_end_that_came_with_the_request_ends_the_connection_after_the_response(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    nginy = start_nginy(http_config([start_peer(answering(text())).address]))
    with connect(nginy.address(), timeout_s=DEADLINE_S) as sock:
        wait_until(lambda: nginy.listener("front")["sessions_live"] == 1, "it is there")
        with stopped(nginy):
            sock.sendall(GET)
            sock.shutdown(socket.SHUT_WR)
        said, end = read_to_end(sock)
    assert (said.split(b"\r\n")[0], end) == (b"HTTP/1.1 200 OK", "eof")


def test_a_refusal_after_a_head_request_has_its_body(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    nginy = start_nginy(
        http_config([start_peer(answering(text())).address], listener={"timeouts": {"head": "300ms"}})
    )
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        sock.sendall(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert stream.message(of_head=True).status == 200
        sock.sendall(b"GET / HT")
        assert stream.message().body == b"408 Request Timeout\n"


@pytest.mark.parametrize("is_asking", [False, True], ids=["silent", "asking"])
def test_a_client_that_came_just_before_the_end_is_still_served(
    start_nginy: StartNginy, start_peer: StartPeer, is_asking: bool
) -> None:
    nginy = start_nginy(http_config([start_peer(answering(text())).address], runtime={"drain": "30s"}))
    with stopped(nginy):
        sock = connect(nginy.address(), timeout_s=DEADLINE_S)
        if is_asking:
            sock.sendall(GET)
        nginy.send(signal.SIGTERM)
        wait_until(lambda: "draining" in nginy.log(), "the worker has its order")
    with sock:
        if not is_asking:
            sock.sendall(GET)
        said, end = read_to_end(sock)
    assert (said.split(b"\r\n")[0], end) == (b"HTTP/1.1 200 OK", "eof")
    assert nginy.wait_exit() == 0
