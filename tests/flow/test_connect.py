"""Choosing again when a backend refuses, as long as no byte has reached one."""

import time

from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import tcp_config
from tests.tools.peers import Peer, echo, named
from tests.tools.sockets import ask, connect, end_of, free_port, how_it_ends, recv_exact
from tests.tools.waiting import wait_until

TCP_CHECK = {"kind": "tcp", "interval": "200ms", "timeout": "200ms", "rise": 1, "fall": 1}


def closed_address() -> str:
    """An address that refuses."""
    return f"127.0.0.1:{free_port()}"


def test_a_refused_connect_goes_to_the_next_backend_on_the_same_client_connection(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    good = start_peer(named("good"))
    nginy = start_nginy(tcp_config([closed_address(), good.address]))
    for _ in range(20):
        with connect(nginy.address()) as sock:
            assert recv_exact(sock, 5) == b"good\n"
    wait_until(lambda: nginy.reasons() == {"closed": 20}, "twenty clean ends")
    refused, connected = (row["attempts"] for row in nginy.backends("back"))
    assert refused.get("refused", 0) >= 1
    assert connected.get("connected") == 20


def test_no_more_backends_are_tried_than_retries_allow(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    backends = [closed_address() for _ in range(6)]
    nginy = start_nginy(tcp_config(backends, listener={"limits": {"retries": 2}}))
    assert end_of(nginy.address()) == "reset"
    wait_until(lambda: nginy.reasons() == {"connect_failed": 1}, "counted as a failed connect")
    assert sum(row["attempts"].get("refused", 0) for row in nginy.backends("back")) == 3


def test_without_retries_one_refusal_is_the_end(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    good = start_peer(echo)
    nginy = start_nginy(tcp_config([closed_address(), good.address], listener={"limits": {"retries": 0}}))
    assert end_of(nginy.address()) == "reset"
    assert ask(nginy.address(), b"next") == b"next"


def test_with_all_backends_down_clients_are_reset_at_once_and_counted(start_nginy: StartNginy) -> None:
    config = tcp_config([closed_address(), closed_address()], pool={"health": TCP_CHECK})
    nginy = start_nginy(config)
    wait_until(lambda: {row["verdict"] for row in nginy.backends("back")} == {"down"}, "both are down")
    wait_until(lambda: end_of(nginy.address()) == "reset" and nginy.reasons().get("no_backend"), "workers know it")
    before, took_s = nginy.reasons()["no_backend"], []
    for _ in range(20):
        began_s = time.monotonic()
        assert end_of(nginy.address()) == "reset"
        took_s.append(time.monotonic() - began_s)
    assert sorted(took_s)[len(took_s) // 2] < 0.1, took_s
    wait_until(lambda: nginy.reasons()["no_backend"] == before + 20, "counted as without backend")


def test_the_first_backend_that_returns_serves_within_one_check_interval(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    peer = start_peer(echo)
    peer.stop_listening()
    interval_s = 0.5
    check = TCP_CHECK | {"interval": f"{interval_s}s"}
    nginy = start_nginy(tcp_config([peer.address, closed_address()], pool={"health": check}))
    wait_until(lambda: {row["verdict"] for row in nginy.backends("back")} == {"down"}, "both are down")
    peer.listen()
    began_s = time.monotonic()

    def answers() -> bool:
        try:
            return ask(nginy.address(), b"back?") == b"back?"
        except ConnectionError:
            return False

    wait_until(answers, "the returned backend serves")
    # jitter of a tenth, the check itself, the publishing, and a slow machine
    assert time.monotonic() - began_s < interval_s * 1.1 + 0.5


def test_a_backend_is_used_but_not_reported_up_before_its_first_check(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    check = TCP_CHECK | {"interval": "1h", "rise": 2}
    nginy = start_nginy(tcp_config([start_peer(echo).address], pool={"health": check}))
    assert ask(nginy.address(), b"early") == b"early"
    assert [row["verdict"] for row in nginy.backends("back")] == ["unknown"]


def test_with_start_down_a_backend_waits_for_its_first_verdict(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    check = TCP_CHECK | {"interval": "1h", "rise": 2, "start": "down"}
    nginy = start_nginy(tcp_config([start_peer(echo).address], pool={"health": check}))
    assert end_of(nginy.address()) == "reset"
    assert nginy.reasons() == {"no_backend": 1}


def http_answer(status: int):
    """A backend that answers any request with this status."""

    def serve(sock) -> None:
        sock.recv(4096)
        sock.sendall(f"HTTP/1.1 {status} x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".encode())

    return serve


def test_an_http_check_tells_good_answers_from_bad_ones(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    good, bad = start_peer(http_answer(204)), start_peer(http_answer(503))
    check = {
        "kind": "http",
        "path": "/up",
        "interval": "200ms",
        "rise": 1,
        "fall": 1,
        "expect": {"status": ["200-299"]},
    }
    nginy = start_nginy(tcp_config([good.address, bad.address], pool={"health": check}))
    wait_until(lambda: [row["verdict"] for row in nginy.backends("back")] == ["up", "down"], "both verdicts")
    request = b"GET / HTTP/1.0\r\n\r\n"
    wait_until(lambda: all(b" 204 " in ask(nginy.address(), request) for _ in range(4)), "workers have the verdicts")
    for _ in range(10):
        assert b" 204 " in ask(nginy.address(), request)


def test_on_down_reset_cuts_sessions_and_keep_leaves_them(start_nginy: StartNginy) -> None:
    for choice in ("keep", "reset"):
        with Peer(echo) as peer:
            nginy = start_nginy(tcp_config([peer.address], pool={"health": TCP_CHECK | {"on_down": choice}}))
            with connect(nginy.address()) as sock:
                sock.sendall(b"1")
                assert recv_exact(sock, 1) == b"1"
                peer.stop_listening()
                wait_until(lambda nginy=nginy: nginy.backends("back")[0]["verdict"] == "down", "down")
                if choice == "keep":
                    sock.sendall(b"2")
                    assert recv_exact(sock, 1) == b"2"
                else:
                    assert how_it_ends(sock) == "reset"
                    wait_until(lambda nginy=nginy: nginy.reasons() == {"backend_down": 1}, "counted")
