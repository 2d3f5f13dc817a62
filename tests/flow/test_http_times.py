"""HTTP: whose silence ends what; and what becomes of a response that its client does not take."""

import ast
import socket
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.flow.test_http import GET, http_config, own
from tests.flow.test_http_phases import stopped
from tests.tools.injected import failing
from tests.tools.sockets import connect, how_it_ends, read_to_end, reset
from tests.tools.waiting import wait_until
from tests.tools.web import HEAD_END, Message, Seen, Stream, answering, text

POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\na\r\n"
SLOW_S = 0.1


def slowly(sock: socket.socket, wire: bytes) -> float:
    """Byte after byte until the other side says something, and when it did."""
    begin_s = time.monotonic()
    sock.settimeout(SLOW_S)
    for byte in wire:
        try:
            sock.sendall(bytes([byte]))
            if sock.recv(1, socket.MSG_PEEK):
                break
        except TimeoutError:
            continue
    took_s = time.monotonic() - begin_s
    sock.settimeout(15)
    return took_s


def test_a_head_has_one_time_however_it_comes(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    nginy = start_nginy(http_config([start_peer(answering(text())).address], listener={"timeouts": {"head": "600ms"}}))
    with connect(nginy.address()) as sock:
        assert 0.5 < slowly(sock, GET * 3) < 3
        assert Stream(sock).message().status == 408
    assert own(nginy) == {"head_timeout": 1}


@pytest.mark.parametrize("begin", [POST, CHUNKED], ids=["length", "chunked"])
def test_a_client_that_is_silent_in_a_body_gets_408(
    start_nginy: StartNginy, start_peer: StartPeer, begin: bytes
) -> None:
    ends: list[str] = []
    timeouts = {"body": "300ms", "response": "30s"}
    backend = start_peer(lambda sock: ends.append(how_it_ends(sock)))
    nginy = start_nginy(http_config([backend.address], listener={"timeouts": timeouts}))
    with connect(nginy.address()) as sock:
        sock.sendall(begin + b"x")
        answer = Stream(sock).message()
        assert (answer.status, answer.get("connection")) == (408, "close")
    assert own(nginy) == {"body_timeout": 1}
    wait_until(lambda: ends == ["reset"], "the backend's connection is cut")


def test_a_slow_body_is_no_silent_one(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    timeouts = {"body": "400ms", "response": "200ms"}
    nginy = start_nginy(http_config([start_peer(answering(text())).address], listener={"timeouts": timeouts}))
    with connect(nginy.address()) as sock:
        sock.sendall(POST)
        assert slowly(sock, b"x" * 10) > 9 * SLOW_S
        assert Stream(sock).message().status == 200
    assert own(nginy) == {}


def test_a_backend_that_takes_nothing_of_a_body_is_to_blame(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    over = threading.Event()
    timeouts = {"body": "100ms", "response": "600ms"}
    backend = start_peer(lambda sock: over.wait(15))
    nginy = start_nginy(http_config([backend.address], listener={"timeouts": timeouts}))
    with connect(nginy.address()) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
        sock.setblocking(False)
        wait_until(lambda: bool(fill(sock)), "it is answered")
        sock.setblocking(True)
        assert Stream(sock).message().status == 504
    over.set()
    assert own(nginy) == {"response_timeout": 1}


def fill(sock: socket.socket) -> bytes:
    """Send as much as goes; what has come back."""
    try:
        while True:
            sock.send(b"x" * 65536)
    except OSError:
        pass
    try:
        return sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return b""


def test_a_client_that_was_told_to_wait_is_not_blamed(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    def serve(sock: socket.socket) -> None:
        stream = Stream(sock)
        stream.head()
        how_long.wait(0.5)
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        stream.take(10)
        sock.sendall(text())

    how_long = threading.Event()
    nginy = start_nginy(http_config([start_peer(serve).address], listener={"timeouts": {"body": "200ms"}}))
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        sock.sendall(POST.replace(HEAD_END, b"\r\nExpect: 100-continue\r\n\r\n"))
        assert stream.head().status == 100
        sock.sendall(b"x" * 10)
        assert stream.message().status == 200


def trickle(sock: socket.socket) -> None:
    Stream(sock).head()
    try:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            sock.sendall(b"x")
            time.sleep(SLOW_S)
    except OSError:
        pass


def test_all_of_a_request_has_one_time(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    listener = {"timeouts": {"request": "500ms"}}
    silent = start_nginy(http_config([start_peer(lambda sock: how_it_ends(sock)).address], listener=listener))
    with connect(silent.address()) as sock:
        stream = Stream(sock)
        for _ in range(2):
            begin_s = time.monotonic()
            sock.sendall(GET)
            assert stream.message().status == 504
            assert 0.4 < time.monotonic() - begin_s < 3
    assert own(silent) == {"request_timeout": 2}


def test_a_response_that_has_begun_is_cut_when_the_time_is_over(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    nginy = start_nginy(http_config([start_peer(trickle).address], listener={"timeouts": {"request": "500ms"}}))
    with connect(nginy.address()) as sock:
        sock.sendall(GET)
        said, end = read_to_end(sock)
    assert said.startswith(b"HTTP/1.1 200") and end == "reset"
    wait_until(lambda: nginy.reasons() == {"request_timeout": 1}, "it is counted")


def test_attempts_to_connect_end_with_the_requests_time(start_nginy: StartNginy) -> None:
    """Nobody answers at this address: each attempt would take its whole time."""
    listener = {"timeouts": {"connect": "30s", "request": "400ms"}, "limits": {"retries": 7}}
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = f"127.0.0.1:{full.getsockname()[1]}"
        held = [connect(address)]
        nginy = start_nginy(http_config([address], listener=listener))
        with connect(nginy.address()) as sock:
            begin_s = time.monotonic()
            sock.sendall(GET)
            assert Stream(sock).message().status == 504
            assert time.monotonic() - begin_s < 5
        for one in held:
            one.close()
    assert own(nginy) == {"request_timeout": 1}


def test_requests_that_are_refused_wait_for_a_client_that_does_not_read(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    """Every answer of nginy's own arrives as a whole, in order, however late it is taken."""
    n_requests = 30_000
    tree = http_config([start_peer(answering(text())).address])
    tree["listeners"]["front"] |= {"routes": [{"exact": "/only", "pool": "back"}]}
    del tree["listeners"]["front"]["pool"]
    nginy = start_nginy(tree)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(30)
    host, _, port = nginy.address().rpartition(":")
    with sock:
        sock.connect((host, int(port)))
        sender = threading.Thread(target=sock.sendall, args=(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n" * n_requests,))
        sender.start()
        wait_until(lambda: is_stuck(nginy), "its answers fill all there is")
        stream = Stream(sock)
        assert {stream.message().status for _ in range(n_requests)} == {404}
        sender.join()
    assert own(nginy) == {"no_route": n_requests}


def is_stuck(nginy: object) -> bool:
    before = own(nginy)
    time.sleep(0.2)
    return own(nginy) == before != {}


@pytest.mark.parametrize("error", ["ECONNRESET", "EPIPE"])
def test_a_post_of_which_nothing_was_sent_goes_over_another_connection(
    start_nginy: StartNginy, start_peer: StartPeer, error: str
) -> None:
    seen = Seen()
    nginy = start_nginy(http_config([start_peer(answering(text(), seen)).address], pool={"http": {"idle": "1s"}}))
    (pid,) = nginy.worker_pids()
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        sock.sendall(GET)
        assert stream.message().status == 200
        with failing(pid, "sendto", error, "1"):
            sock.sendall(POST + b"x" * 10)
            assert stream.message().status == 200
    assert [request.body for request in seen.requests] == [b"", b"x" * 10]
    assert nginy.listener("front")["http"]["retried"] == 1


def test_a_post_of_which_something_was_sent_is_lost_with_its_connection(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    seen = Seen()

    def serve(sock: socket.socket) -> None:
        stream = Stream(sock)
        seen.requests.append(stream.message())
        if seen.requests[-1].start.startswith("GET"):
            sock.sendall(text())
            seen.requests.append(stream.message())
        reset(sock)

    nginy = start_nginy(http_config([start_peer(serve).address], pool={"http": {"idle": "1s"}}))
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        sock.sendall(GET)
        assert stream.message().status == 200
        sock.sendall(POST + b"x" * 10)
        assert stream.message().status == 502
    assert [request.start.split()[0] for request in seen.requests] == ["GET", "POST"]


def test_bytes_that_nobody_asked_for_are_no_response_to_the_next_client(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    """They come just before the next request is read, in one turn of the worker's."""
    backend: list[socket.socket] = []

    def serve(sock: socket.socket) -> None:
        stream = Stream(sock)
        backend.append(sock)
        while True:
            try:
                request = stream.message()
            except (EOFError, OSError):
                return
            sock.sendall(text(request.start.split()[1].encode()))

    nginy = start_nginy(http_config([start_peer(serve).address], pool={"http": {"idle": "1s"}}))
    with connect(nginy.address()) as first, connect(nginy.address()) as second:
        ours, theirs = Stream(first), Stream(second)
        for nth in range(30):
            first.sendall(b"GET /a%d HTTP/1.1\r\nHost: a\r\n\r\n" % nth)
            assert ours.message().body == b"/a%d" % nth
            with stopped(nginy):
                second.sendall(b"GET /b%d HTTP/1.1\r\nHost: a\r\n\r\n" % nth)
                backend[-1].sendall(text(b"evil"))
            assert theirs.message().body == b"/b%d" % nth
    assert len(backend) > 1


def test_requests_under_way_at_a_backend_are_no_more_than_its_max_conns(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    """It is requests that count, not connections at rest; beyond it 503, and afterwards there is room again."""
    may_answer = threading.Event()

    def say(request: Message) -> bytes:
        may_answer.wait(15)
        return text()

    backend = {"address": start_peer(answering(say)).address, "max_conns": 2}
    nginy = start_nginy(http_config([backend], pool={"http": {"idle": "1s"}}))
    with connect(nginy.address()) as one, connect(nginy.address()) as two, connect(nginy.address()) as three:
        for sock in (one, two):
            sock.sendall(GET)
        wait_until(lambda: nginy.backends("back")[0]["sessions_live"] == 2, "both are under way")
        three.sendall(GET)
        stream = Stream(three)
        assert stream.message().status == 503
        may_answer.set()
        assert [Stream(sock).message().status for sock in (one, two)] == [200, 200]
        for _ in range(5):
            three.sendall(GET)
            assert stream.message().status == 200
    assert own(nginy) == {"backends_full": 1}


def test_a_class_is_told_how_a_request_ended_that_nginy_answered_itself(
    start_nginy: StartNginy, start_peer: StartPeer, tmp_path: Path
) -> None:
    def serve(sock: socket.socket) -> None:
        request = Stream(sock).message()
        if request.start.startswith("POST"):
            reset(sock)
        elif "slow" in request.start:
            how_it_ends(sock)
        else:
            sock.sendall(text())

    notes = tmp_path / "notes"
    address = start_peer(serve).address
    call = {"kind": "python", "call": "tests.tools.policy_classes:ByPort", "deadline": "1s"}
    pool = {"policy": call, "http": {"kept": 0}}
    config = http_config([address], pool=pool, listener={"timeouts": {"response": "300ms"}})
    nginy = start_nginy(config, env={"POLICY_NOTES": str(notes)})
    statuses = []
    for wire in (GET, POST + b"x" * 10, GET.replace(b"/a", b"/slow")):
        with connect(nginy.address()) as sock:
            sock.sendall(wire)
            statuses.append(Stream(sock).message().status)
    assert statuses == [200, 502, 504]
    wait_until(lambda: notes.exists() and notes.read_text().count("\n") == 3, "all records are there")
    told = [ast.literal_eval(line)[:4] for line in notes.read_text().splitlines()]
    assert told == [(address, kind, True, True) for kind in ("closed", "back_reset", "idle")]
