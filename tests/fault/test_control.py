"""Control dies: workers go on, and the next `nginy run` takes them over."""

import os
import signal

from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import tcp_config
from tests.tools.nginy_process import Nginy
from tests.tools.peers import Peer, named
from tests.tools.proc import is_alive
from tests.tools.sockets import ask, connect, free_port, how_it_ends, recv_exact
from tests.tools.traffic import EchoBackend, Traffic
from tests.tools.waiting import wait_until

LASTING = 20


def kill_control(nginy: Nginy) -> list[int]:
    """SIGKILL control; returns the workers' pids."""
    pids = nginy.worker_pids()
    nginy.send(signal.SIGKILL)
    nginy.wait_exit()
    return pids


def test_sigkill_of_control_under_load_and_adoption_by_the_next_run(
    start_nginy: StartNginy, seed: int
) -> None:
    with EchoBackend() as peer:
        nginy = start_nginy(tcp_config([peer.address], workers=2))
        address = nginy.address()
        with Traffic(seed) as traffic:
            traffic.lasting(address, LASTING)
            traffic.short(address, at_once=6)
            wait_until(
                lambda: traffic.tally.lasting_live == LASTING and traffic.tally.done > 50, "traffic flows"
            )
            workers = kill_control(nginy)
            done = traffic.tally.done
            wait_until(lambda: traffic.tally.done > done + 100, "traffic goes on without control")
            nginy.start()
            assert sorted(nginy.worker_pids()) == sorted(workers)
            assert nginy.address() == address
            done = traffic.tally.done
            wait_until(lambda: traffic.tally.done > done + 100, "traffic goes on with the new control")
            assert traffic.tally.lasting_live == LASTING
            tally = traffic.stop()
        assert not tally.failures(), tally.failures()[:10]
        assert nginy.listener("front")["sessions"] >= tally.done + LASTING


def test_counters_and_config_survive_the_change_of_control(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    old, new = start_peer(named("old")), start_peer(named("new"))
    nginy = start_nginy(tcp_config([old.address], workers=2))
    for _ in range(10):
        ask(nginy.address(), b"")
    wait_until(lambda: nginy.reasons() == {"closed": 10}, "ten ends")
    kill_control(nginy)
    nginy.write(tcp_config([new.address], workers=2))
    nginy.start()
    assert nginy.reasons() == {"closed": 10}
    wait_until(lambda: ask(nginy.address(), b"") == b"new\n", "the changed file holds")
    nginy.reload(tcp_config([old.address], workers=2))
    assert ask(nginy.address(), b"") == b"old\n"


def test_control_may_die_again_and_again(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([backend.address], workers=2))
    with connect(nginy.address()) as sock:
        for turn in range(3):
            workers = kill_control(nginy)
            nginy.start()
            assert sorted(nginy.worker_pids()) == sorted(workers)
            sock.sendall(b"%d" % turn)
            assert recv_exact(sock, 1) == b"%d" % turn


def test_a_worker_that_died_while_control_was_away_is_replaced(
    start_nginy: StartNginy, backend: Peer
) -> None:
    nginy = start_nginy(tcp_config([backend.address], workers=2))
    address = nginy.address()
    workers = kill_control(nginy)
    os.kill(workers[0], signal.SIGKILL)
    nginy.start()
    wait_until(
        lambda: len(nginy.worker_pids()) == 2 and workers[1] in nginy.worker_pids(), "two workers again"
    )
    assert nginy.address() == address
    for _ in range(20):
        assert ask(address, b"served") == b"served"


def test_orphaned_workers_take_no_second_nginy_by_surprise(start_nginy: StartNginy, backend: Peer) -> None:
    """Another configuration with another control socket must not bind beside workers that go on serving."""
    port = free_port()
    config = tcp_config([backend.address], workers=2, listener={"bind": f"127.0.0.1:{port}"})
    nginy = start_nginy(config)
    kill_control(nginy)
    other = start_nginy(config, wait=False)
    assert other.wait_exit() == 2
    assert str(port) in other.log()
    assert ask(f"127.0.0.1:{port}", b"first") == b"first"
    nginy.start()


def test_a_stop_after_adoption_ends_the_adopted_workers(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([backend.address], workers=2))
    kill_control(nginy)
    nginy.start()
    with connect(nginy.address()) as sock:
        sock.sendall(b"x")
        assert recv_exact(sock, 1) == b"x"
        nginy.send(signal.SIGTERM)
        nginy.send(signal.SIGTERM)
        how_it_ends(sock)
    assert nginy.wait_exit() == 0
    wait_until(lambda: not nginy.pids_left(), "no worker is left")


def test_orphaned_workers_finish_their_sessions_and_end_on_sigterm(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([backend.address], workers=2), checked=False)
    with connect(nginy.address()) as sock:
        sock.sendall(b"1")
        assert recv_exact(sock, 1) == b"1"
        busy = next(row["pid"] for row in nginy.workers() if row["sessions_live"])
        orphans = kill_control(nginy)
        for pid in orphans:
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: [pid for pid in orphans if is_alive(pid)] == [busy], "the idle one has ended")
        sock.sendall(b"2")
        assert recv_exact(sock, 1) == b"2"
    wait_until(lambda: not is_alive(busy), "the busy one ends with its last session")
