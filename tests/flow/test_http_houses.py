"""HTTP in every house: several workers, one that dies, inside another program, on unix sockets, at its limits."""

import os
import signal
import socket
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

import nginy as library
from tests.conftest import StartNginy, StartPeer
from tests.flow.test_http import GET, http_config, own
from tests.tools.configs import Tree
from tests.tools.nginy_process import Nginy
from tests.tools.sockets import connect, end_of, how_it_ends
from tests.tools.waiting import wait_until
from tests.tools.web import Seen, Stream, answering, text

N_CLIENTS = 24
CHECK = {"kind": "tcp", "interval": "100ms", "timeout": "100ms", "rise": 1, "fall": 1}


def get(stream: Stream) -> bytes:
    stream.sock.sendall(GET)
    return stream.message().body


def clients_of(nginy: Nginy, stack: ExitStack, n_clients: int = N_CLIENTS) -> list[Stream]:
    """Each has had one response, and stays."""
    streams = [Stream(stack.enter_context(connect(nginy.address()))) for _ in range(n_clients)]
    assert [get(stream) for stream in streams] == [b"ok"] * n_clients
    return streams


def serves_on(stream: Stream) -> bool:
    try:
        return get(stream) == b"ok"
    except (EOFError, ConnectionError):
        return False


def test_every_worker_has_its_clients_and_its_own_backend_connections(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    seen = Seen()
    nginy = start_nginy(http_config([start_peer(answering(text(), seen)).address], workers=2))
    with ExitStack() as stack:
        streams = clients_of(nginy, stack)
        assert all(row["sessions_live"] for row in nginy.workers())
        for _ in range(3):
            assert [get(stream) for stream in streams] == [b"ok"] * N_CLIENTS
    counts = nginy.listener("front")["http"]
    assert (counts["requests"], counts["responses"]) == (4 * N_CLIENTS, {"2xx": 4 * N_CLIENTS})
    assert seen.n_connections == 2
    assert counts["reused"] == 4 * N_CLIENTS - 2


def test_the_other_worker_stands_in_for_a_dead_one(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    nginy = start_nginy(http_config([start_peer(answering(text())).address], workers=2))
    address = nginy.address()
    with ExitStack() as stack:
        streams = clients_of(nginy, stack)
        victim = nginy.workers()[0]
        os.kill(victim["pid"], signal.SIGKILL)
        for _ in range(N_CLIENTS):  # half of them came to the dead one's socket
            with connect(address) as sock:
                assert get(Stream(sock)) == b"ok"
        alive = [serves_on(stream) for stream in streams]
        assert alive.count(False) == victim["sessions_live"] > 0
        wait_until(lambda: nginy.reasons().get("worker_died") == victim["sessions_live"], "they are counted")
        wait_until(lambda: nginy.workers()[0]["pid"] not in (victim["pid"], 0, None), "it is replaced")
    wait_until(lambda: all(row["sessions_live"] == 0 for row in nginy.backends("back")), "no lease is left")


@pytest.mark.parametrize("workers", [1, 2])
def test_unix_sockets_in_front_and_behind(
    start_nginy: StartNginy, start_peer: StartPeer, tmp_path: Path, workers: int
) -> None:
    seen = Seen()
    backend = start_peer(answering(text(), seen), path=tmp_path / "backend").address
    listener = {"bind": f"unix:{tmp_path / 'front'}"}
    nginy = start_nginy(http_config([backend], workers=workers, listener=listener))
    content = bytes(range(256)) * 4096
    with ExitStack() as stack:
        for stream in clients_of(nginy, stack, 4):
            stream.sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(content) + content)
            assert stream.message().body == b"ok"
    assert [request.body for request in seen.requests] == [b""] * 4 + [content] * 4
    assert seen.n_connections <= workers


def test_limits_of_sessions_count_connections_and_not_requests(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    listener = {"limits": {"sessions": 2}}
    nginy = start_nginy(http_config([start_peer(answering(text())).address], listener=listener))
    with ExitStack() as stack:
        first, second = clients_of(nginy, stack, 2)
        assert end_of(nginy.address()) == "reset"
        assert [get(first) for _ in range(5)] == [b"ok"] * 5
        second.sock.close()
        wait_until(lambda: nginy.listener("front")["sessions_live"] == 1, "one has left")
        (third,) = clients_of(nginy, stack, 1)
        assert get(third) == b"ok"
    wait_until(lambda: nginy.reasons() == {"closed": 3, "session_limit": 1}, "all ends are counted")


def test_on_down_reset_cuts_who_waits_for_that_backend_and_nobody_else(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    asked, may_go = threading.Event(), threading.Event()

    def serve(sock: socket.socket) -> None:
        if "/a" in Stream(sock).message().start:
            sock.sendall(text())
            return
        asked.set()
        may_go.wait(10)

    peer = start_peer(serve)
    pool = {"health": CHECK | {"on_down": "reset"}}
    nginy = start_nginy(http_config([peer.address], pool=pool))
    with ExitStack() as stack:
        (resting,) = clients_of(nginy, stack, 1)
        waiting = Stream(stack.enter_context(connect(nginy.address())))
        waiting.sock.sendall(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        assert asked.wait(10)
        peer.stop_listening()
        assert how_it_ends(waiting.sock) == "reset"
        may_go.set()
        resting.sock.sendall(GET)
        assert resting.message().status == 503
    assert own(nginy) == {"no_backend": 1}
    wait_until(lambda: nginy.reasons() == {"backend_down": 1, "closed": 1}, "both ends are counted")


def routed(*routes: Tree, **pools: str) -> Tree:
    front = {"bind": "127.0.0.1:0", "protocol": "http", "routes": list(routes)}
    return {
        "version": 1,
        "pools": {name: {"backends": [address]} for name, address in pools.items()},
        "listeners": {"front": front},
    }


def test_embedded_it_serves_routes_and_takes_others_between_two_requests(start_peer: StartPeer) -> None:
    a, b = (start_peer(answering(text(name))).address for name in (b"a", b"b"))
    with library.Server(routed({"path": "/", "pool": "a"}, a=a)) as server:
        with connect(server.addresses["front"][0]) as sock:
            stream = Stream(sock)
            assert [get(stream), get(stream)] == [b"a", b"a"]
            server.apply(routed({"path": "/a", "pool": "b"}, {"path": "/", "pool": "a"}, a=a, b=b))
            assert get(stream) == b"b"
            (listener,) = server.view().listeners
            assert listener.counters["accepted"] == 1
            server.apply(routed({"path": "/", "respond": {"body": "mine"}}))
            assert get(stream) == b"mine"
