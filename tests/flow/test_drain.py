"""The end of nginy: drained, cut at the deadline, or at once; and what systemd is told about life."""

import signal
import time

from tests.conftest import StartNginy
from tests.tools.configs import tcp_config
from tests.tools.peers import Peer
from tests.tools.sockets import ask, connect, how_it_ends, recv_exact
from tests.tools.waiting import wait_until


def echo_once(sock) -> None:
    """One round, so that the session surely stands."""
    sock.sendall(b"x")
    assert recv_exact(sock, 1) == b"x"


def refuses(address: str) -> bool:
    """Whether new clients are refused."""
    try:
        connect(address, timeout_s=1).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def test_sigterm_lets_sessions_finish_and_takes_no_new_ones(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([backend.address], workers=2, runtime={"drain": "20s"}))
    address = nginy.address()
    with connect(address) as sock:
        echo_once(sock)
        nginy.send(signal.SIGTERM)
        wait_until(lambda: refuses(address), "new clients are refused")
        for _ in range(5):
            echo_once(sock)
        assert nginy.running.poll() is None
    assert nginy.wait_exit() == 0
    assert not nginy.pids_left()


def test_a_session_past_the_drain_deadline_is_cut_with_a_reset(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([backend.address], runtime={"drain": "500ms"}))
    with connect(nginy.address()) as sock:
        echo_once(sock)
        began_s = time.monotonic()
        nginy.send(signal.SIGTERM)
        assert how_it_ends(sock) == "reset"
        assert time.monotonic() - began_s > 0.4
    assert nginy.wait_exit() == 0
    assert not nginy.pids_left()


def test_a_second_sigterm_ends_at_once(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([backend.address], workers=2, runtime={"drain": "1h"}))
    address = nginy.address()
    with connect(address) as sock:
        echo_once(sock)
        nginy.send(signal.SIGTERM)
        wait_until(lambda: refuses(address), "it drains")
        nginy.send(signal.SIGTERM)
        assert how_it_ends(sock) == "reset"
    assert nginy.wait_exit() == 0
    assert not nginy.pids_left()


def test_sigint_ends_at_once(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([backend.address], runtime={"drain": "1h"}))
    with connect(nginy.address()) as sock:
        echo_once(sock)
        nginy.send(signal.SIGINT)
        assert how_it_ends(sock) == "reset"
    assert nginy.wait_exit() == 0


def test_a_hangup_during_drain_does_not_bring_it_back(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([backend.address], runtime={"drain": "20s"}))
    address = nginy.address()
    with connect(address) as sock:
        echo_once(sock)
        nginy.send(signal.SIGTERM)
        wait_until(lambda: refuses(address), "it drains")
        for _ in range(3):
            nginy.send(signal.SIGHUP)
        echo_once(sock)
        assert refuses(address)
    assert nginy.wait_exit() == 0


def test_a_removed_listener_drains_and_its_queue_is_served(start_nginy: StartNginy, backend: Peer) -> None:
    config = tcp_config([backend.address], workers=2)
    both = tcp_config([backend.address], workers=2)
    both["listeners"]["extra"] = {"bind": "127.0.0.1:0", "protocol": "tcp", "pool": "back"}
    nginy = start_nginy(both)
    nginy.is_same_at_end = False
    address = nginy.address("extra")
    with connect(address) as sock:
        echo_once(sock)
        nginy.reload(config)
        wait_until(lambda: refuses(address), "the removed listener refuses")
        echo_once(sock)
        assert ask(nginy.address("front"), b"kept") == b"kept"


def test_systemd_is_told_about_start_reload_and_stop(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([backend.address]))
    assert "READY=1" in nginy.read_notices()
    nginy.notices.clear()
    nginy.send(signal.SIGHUP)
    wait_until(lambda: "READY=1" in nginy.read_notices(), "ready again after the reload")
    assert nginy.notices.index("RELOADING=1") < nginy.notices.index("READY=1")
    assert any(notice.startswith("MONOTONIC_USEC=") for notice in nginy.notices)
    nginy.notices.clear()
    assert nginy.stop() == 0
    assert "STOPPING=1" in nginy.read_notices()


def test_the_watchdog_is_fed_while_control_lives(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([backend.address]), env={"WATCHDOG_USEC": "200000"})
    wait_until(lambda: nginy.read_notices().count("WATCHDOG=1") >= 3, "three notices")
