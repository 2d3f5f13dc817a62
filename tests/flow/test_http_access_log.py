"""One line for each request of HTTP, true in every field: none is lost or comes twice, and a full ring is counted."""

import json
import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.flow.test_http import http_config
from tests.tools.configs import Tree
from tests.tools.nginy_process import Nginy
from tests.tools.sockets import connect, free_port, read_to_end, reset
from tests.tools.waiting import wait_until
from tests.tools.web import Message, Seen, Stream, answering, text

N_CLIENTS, N_EACH = 8, 125
ADMIN = {"http": {"bind": "127.0.0.1:0"}}


def logged_config(backends: Sequence[str], log: Path, shape: str = "json", **given: object) -> Tree:
    return http_config(backends, runtime={"access_log": {"output": str(log), "format": shape}}, **given)


def with_routes(config: Tree, *routes: Tree) -> Tree:
    front = {key: value for key, value in config["listeners"]["front"].items() if key != "pool"}
    return config | {"listeners": {"front": front | {"routes": list(routes)}}}


def lines_of(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


def records_of(log: Path, n: int) -> list[Tree]:
    """The records, once there are so many; more of them are an error."""
    wait_until(lambda: len(lines_of(log)) >= n, f"{n} lines")
    records = [json.loads(line) for line in lines_of(log)]
    assert len(records) == n, records
    return records


def ask(nginy: Nginy, request: bytes, *, of_head: bool = False) -> Message:
    with connect(nginy.address()) as sock:
        sock.sendall(request)
        return Stream(sock).message(of_head=of_head)


def echo_path(request: Message) -> bytes:
    return text(request.start.split()[1].encode())


def test_a_thousand_requests_of_many_clients_leave_a_thousand_lines(
    start_nginy: StartNginy, start_peer: StartPeer, tmp_path: Path
) -> None:
    """Some of them pipelined, over both workers."""
    backends = [start_peer(answering(echo_path)).address for _ in range(2)]
    nginy = start_nginy(logged_config(backends, tmp_path / "log", workers=2))
    got: list[str] = []

    def client(number: int) -> None:
        with connect(address) as sock:
            stream = Stream(sock)
            for first in range(0, N_EACH, 5):
                paths = [f"/{number}-{nth}" for nth in range(first, first + 5)]
                sock.sendall(b"".join(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for path in paths))
                got.extend(stream.message().body.decode() for _ in paths)

    address = nginy.address()
    threads = [threading.Thread(target=client, args=(number,)) for number in range(N_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == N_CLIENTS * N_EACH
    records = records_of(tmp_path / "log", N_CLIENTS * N_EACH)
    assert Counter(record["path"] for record in records) == Counter(got)
    for record in records:
        assert (record["status"], record["bytes_out"], record["pool"]) == (200, len(record["path"]), "back")
        assert record["reason"] == "closed" and record["backend"] in backends and record["attempts"] == 1
        assert 0 <= record["first_byte_ms"] <= record["duration_ms"]
        assert (record["connect_ms"] is None) == record["reused"]


def test_a_record_says_what_the_client_said_and_got(
    start_nginy: StartNginy, start_peer: StartPeer, tmp_path: Path
) -> None:
    seen = Seen()
    chunked = b"HTTP/1.1 201 Made\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    config = logged_config([start_peer(answering(chunked, seen)).address], tmp_path / "log")
    nginy = start_nginy(with_routes(config, {"path": "/other", "pool": "back"}, {"path": "/a", "pool": "back"}))
    ask(nginy, b"POST /a/b?c=1 HTTP/1.1\r\nHost: Example.org:80\r\nuser-agent: me/1\r\nReferer: http://b/\r\n"
               b"Content-Length: 5\r\n\r\nhello")
    (record,) = records_of(tmp_path / "log", 1)
    wanted = {
        "listener": "front", "protocol": "http", "method": "POST", "host": "Example.org:80", "path": "/a/b?c=1",
        "version": "1.1", "status": 201, "own": None, "route": "routes[1]", "pool": "back", "bytes_in": 5,
        "attempts": 1, "reused": False, "agent": "me/1", "referer": "http://b/", "reason": "closed",
    }  # fmt: skip
    assert {name: record[name] for name in wanted} == wanted
    assert record["client"].startswith("127.0.0.1:") and record["connect_ms"] > 0
    assert record["request_id"] == seen.requests[0].get("x-request-id")
    assert record["bytes_out"] == len(b"3\r\nabc\r\n0\r\n\r\n")


@pytest.mark.parametrize("size", [0, 1, 20_000, 3_000_000])
def test_bytes_are_those_of_bodies(
    start_nginy: StartNginy, start_peer: StartPeer, tmp_path: Path, size: int
) -> None:
    nginy = start_nginy(logged_config([start_peer(answering(text(b"x" * size))).address], tmp_path / "log"))
    post = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode() + b"y" * size
    assert len(ask(nginy, post).body) == size
    ask(nginy, b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", of_head=True)
    found = {record["method"]: record for record in records_of(tmp_path / "log", 2)}
    assert (found["POST"]["bytes_in"], found["POST"]["bytes_out"]) == (size, size)
    assert found["HEAD"]["bytes_in"] == 0
    if size == 0:
        assert found["HEAD"]["bytes_out"] == 0


OWN = [
    (b"GET /fine HTTP/1.1\r\nHost: a\r\n\r\n", "responded", 299, "routes[0]", 4),
    (b"GET /gone HTTP/1.1\r\nHost: a\r\n\r\n", "redirected", 302, "routes[1]", 0),
    (b"GET /nobody HTTP/1.1\r\nHost: a\r\n\r\n", "no_backend", 503, "routes[2]", 24),
    (b"GET /dead HTTP/1.1\r\nHost: a\r\n\r\n", "connect_failed", 502, "routes[3]", 16),
    (b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n", "no_route", 404, None, 14),
    (b"GET / HTTP/1.1\r\n\r\n", "bad_request", 400, None, 16),
    (b"GET / HTTP/1.7\r\nHost: a\r\n\r\n", "bad_version", 505, None, 31),
    (b"GET /" + b"x" * 17_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", "head_too_long", 431, None, 36),
]


def test_responses_of_our_own_are_recorded_with_their_reason(
    start_nginy: StartNginy, start_peer: StartPeer, tmp_path: Path
) -> None:
    config = logged_config([start_peer(answering(echo_path)).address], tmp_path / "log")
    config["pools"]["nobody"] = {"backends": [{"address": f"127.0.0.1:{free_port()}", "state": "maint"}]}
    config["pools"]["dead"] = {"backends": [f"127.0.0.1:{free_port()}"]}
    routes = [
        {"path": "/fine", "respond": {"status": 299, "body": "fine"}},
        {"path": "/gone", "redirect": "http://b/"},
        {"path": "/nobody", "pool": "nobody"},
        {"path": "/dead", "pool": "dead"},
    ]
    nginy = start_nginy(with_routes(config, *routes, {"path": "/ok", "pool": "back"}))
    ask(nginy, b"GET /ok HTTP/1.1\r\nHost: a\r\n\r\n")
    for nth, (request, why, status, route, n_body) in enumerate(OWN):
        answer = ask(nginy, request)
        assert (answer.status, len(answer.body)) == (status, n_body), why
        record = records_of(tmp_path / "log", nth + 2)[-1]
        assert (record["own"], record["status"], record["route"]) == (why, status, route)
        assert record["bytes_out"] == n_body, why
        assert record["request_id"] == (answer.get("x-request-id") or record["request_id"])
        is_read = why not in ("bad_request", "bad_version", "head_too_long")
        assert (record["method"], record["path"]) == (("GET", request.split()[1].decode()) if is_read else (None, None))
        assert record["pool"] == {"no_backend": "nobody", "connect_failed": "dead"}.get(why)
        assert (record["backend"] is None) == (why != "connect_failed")


def test_a_bad_request_after_a_good_one_has_nothing_of_it(
    start_nginy: StartNginy, start_peer: StartPeer, tmp_path: Path
) -> None:
    nginy = start_nginy(logged_config([start_peer(answering(text(b"ok"))).address], tmp_path / "log"))
    with connect(nginy.address()) as sock:
        sock.sendall(b"GET /good HTTP/1.1\r\nHost: a\r\n\r\n")
        assert Stream(sock).message().status == 200
        sock.sendall(b"GET /bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        read_to_end(sock)
    good, bad = records_of(tmp_path / "log", 2)
    assert (good["path"], good["status"]) == ("/good", 200)
    assert (bad["status"], bad["own"]) == (400, "bad_request")
    assert [bad[name] for name in ("method", "path", "route", "pool", "backend")] == [None] * 5
    assert (bad["bytes_in"], bad["attempts"], bad["reused"], bad["connect_ms"]) == (0, 0, False, None)


@pytest.mark.parametrize("is_begun", [False, True], ids=["unanswered", "cut"])
def test_a_client_that_leaves_is_recorded_as_gone(
    start_nginy: StartNginy, start_peer: StartPeer, tmp_path: Path, is_begun: bool
) -> None:
    asked: list[Message] = []

    def serve(sock: socket.socket) -> None:
        stream = Stream(sock)
        asked.append(stream.message())
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf" if is_begun else b"")
        while stream.more():
            pass

    nginy = start_nginy(logged_config([start_peer(serve).address], tmp_path / "log"))
    with connect(nginy.address()) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        if is_begun:
            assert Stream(sock).head().status == 200
        wait_until(lambda: len(asked) == 1, "the backend has it")
        reset(sock)
    (record,) = records_of(tmp_path / "log", 1)
    assert record["reason"] in ("front_reset", "client_gone")
    assert record["status"] == (200 if is_begun else None)
    assert record["bytes_out"] == (4 if is_begun else 0)
    assert (record["first_byte_ms"] is not None) == is_begun


def test_another_protocol_is_one_record_at_its_end(
    start_nginy: StartNginy, start_peer: StartPeer, tmp_path: Path
) -> None:
    def serve(sock: socket.socket) -> None:
        stream = Stream(sock)
        stream.message()
        sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: mine\r\nConnection: upgrade\r\n\r\nhello")
        sock.sendall(stream.take(7))

    nginy = start_nginy(logged_config([start_peer(serve).address], tmp_path / "log"))
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: mine\r\nConnection: upgrade\r\n\r\n")
        assert stream.head().status == 101
        assert stream.take(5) == b"hello" and not lines_of(tmp_path / "log")
        sock.sendall(b"7 bytes")
        assert stream.take(7) == b"7 bytes"
    (record,) = records_of(tmp_path / "log", 1)
    assert (record["status"], record["bytes_in"], record["bytes_out"], record["reason"]) == (101, 7, 12, "closed")


def test_a_request_that_was_sent_twice_is_one_record(
    start_nginy: StartNginy, start_peer: StartPeer, tmp_path: Path
) -> None:
    def say_or_close(request: Message) -> bytes:
        return b""

    backends = [start_peer(answering(say_or_close)).address, start_peer(answering(text(b"ok"))).address]
    nginy = start_nginy(logged_config(backends, tmp_path / "log", pool={"policy": "first"}))
    answer = ask(nginy, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.status == 200
    (record,) = records_of(tmp_path / "log", 1)
    assert (record["attempts"], record["backend"], record["bytes_in"]) == (2, backends[1], 0)


def test_long_texts_are_cut_with_a_mark(start_nginy: StartNginy, start_peer: StartPeer, tmp_path: Path) -> None:
    nginy = start_nginy(logged_config([start_peer(answering(text())).address], tmp_path / "log"))
    fields = b"User-Agent: %s\r\nReferer: %s\r\n" % (b"a" * 5000, b"b" * 5000)
    ask(nginy, b"%s /%s HTTP/1.1\r\nHost: a\r\n%s\r\n" % (b"M" * 50, b"p" * 3000, fields))
    (record,) = records_of(tmp_path / "log", 1)
    wanted = {"method": "M" * 32, "path": "/" + "p" * 1023, "agent": "a" * 256, "referer": "b" * 256}
    assert {name: record[name] for name in wanted} == {name: said + "…" for name, said in wanted.items()}
    assert record["host"] == "a"


def test_what_does_not_fit_is_dropped_and_counted(
    start_nginy: StartNginy, start_peer: StartPeer, tmp_path: Path
) -> None:
    """Control stands still meanwhile, so that nobody empties the ring."""
    nginy = start_nginy(logged_config([start_peer(answering(text())).address], tmp_path / "log", admin=ADMIN))
    n_requests, path = 2600, "/" + "p" * 1000
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        os.kill(nginy.pid, signal.SIGSTOP)
        try:
            for _ in range(n_requests // 100):
                sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() * 100)
                assert [stream.message().status for _ in range(100)] == [200] * 100
        finally:
            os.kill(nginy.pid, signal.SIGCONT)
    dropped = nginy.metric("nginy_access_log_dropped_total")
    assert 500 < dropped < 1000, "the ring has 2 MiB"
    records_of(tmp_path / "log", n_requests - int(dropped))


def test_switching_the_log_on_and_off_under_way_breaks_no_record(
    start_nginy: StartNginy, start_peer: StartPeer, tmp_path: Path
) -> None:
    go_on = threading.Event()

    def serve(sock: socket.socket) -> None:
        stream = Stream(sock)
        while stream.more():
            request = stream.message()
            if "slow" in request.start:
                go_on.wait(10)
            sock.sendall(text())

    backend = start_peer(serve).address
    on, off = logged_config([backend], tmp_path / "log"), http_config([backend])
    for before, after, n_lines in ((off, on, 1), (on, off, 1)):
        for config in (on, off):
            config["listeners"]["front"]["bind"] = f"127.0.0.1:{free_port()}"
        go_on.clear()
        nginy = start_nginy(before, checked=False)
        with connect(nginy.address()) as sock:
            stream = Stream(sock)
            sock.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: nginy.listener("front")["http"]["requests"] == 1, "it is under way")  # noqa: B023
            after["listeners"] = before["listeners"]
            nginy.reload(after)
            go_on.set()
            assert stream.message().status == 200
            sock.sendall(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
            assert stream.message().status == 200
        if after is on:
            assert [record["path"] for record in records_of(tmp_path / "log", n_lines)] == ["/next"]
        nginy.stop()
