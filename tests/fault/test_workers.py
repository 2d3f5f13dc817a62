"""A worker dies: the others lose nothing, nobody is refused, the dead one's sessions are counted."""

import os
import signal
import time

import pytest

from tests.conftest import StartNginy
from tests.tools.configs import tcp_config
from tests.tools.nginy_process import Nginy
from tests.tools.peers import Peer
from tests.tools.proc import is_alive
from tests.tools.sockets import ask, connect, how_it_ends, recv_exact
from tests.tools.traffic import EchoBackend, Traffic
from tests.tools.waiting import wait_until

LASTING = 40
SHORT = 8
CRASH_LOOP_S = 13.0  # the pauses up to the longest, of 5 s, are 11 s in all


def worker_of(nginy: Nginy, slot: int) -> dict:
    """One worker of the picture."""
    return next(row for row in nginy.workers() if row["slot"] == slot)


def kill_worker(nginy: Nginy, slot: int = 0) -> int:
    """SIGKILL, and return its pid."""
    pid = worker_of(nginy, slot)["pid"]
    os.kill(pid, signal.SIGKILL)
    return int(pid)


def wait_replaced(nginy: Nginy, slot: int, pid: int) -> None:
    """Until another worker serves in that slot."""
    wait_until(
        lambda: (
            worker_of(nginy, slot)["pid"] not in (pid, 0, None) and worker_of(nginy, slot)["generation"] > 0
        ),
        "the dead worker is replaced",
    )


def test_sigkill_of_one_of_two_workers_under_load(start_nginy: StartNginy, seed: int) -> None:
    with EchoBackend() as peer:
        nginy = start_nginy(tcp_config([peer.address], workers=2))
        with Traffic(seed) as traffic:
            traffic.lasting(nginy.address(), LASTING)
            wait_until(lambda: traffic.tally.lasting_live == LASTING, "all long sessions stand")
            traffic.short(nginy.address(), at_once=SHORT)
            wait_until(lambda: traffic.tally.done > 100, "short ones flow")
            on_victim = worker_of(nginy, 0)["sessions_live"]
            pid = kill_worker(nginy)
            wait_replaced(nginy, 0, pid)
            done = traffic.tally.done
            wait_until(lambda: traffic.tally.done > done + 200, "short ones go on")
            alive = traffic.tally.lasting_live
            tally = traffic.stop()
        assert not tally.refused, tally.refused
        died = nginy.reasons()["worker_died"]
        # between the look and the kill a few short sessions may have come to or gone from the victim
        assert abs(died - on_victim) <= SHORT, (died, on_victim)
        assert LASTING - alive <= died
        # a short session may have had its whole answer, but not yet its end, when the worker died
        assert died - SHORT <= len(tally.broken) <= died, (tally.broken, died)
        assert worker_of(nginy, 0)["deaths"] == 1


def test_sessions_of_a_dead_worker_look_cut(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([backend.address]))
    with connect(nginy.address()) as sock:
        sock.sendall(b"x")
        assert recv_exact(sock, 1) == b"x"
        kill_worker(nginy)
        assert how_it_ends(sock) in ("reset", "eof")
    wait_until(lambda: nginy.reasons() == {"worker_died": 1}, "counted")
    assert ask(nginy.address(), b"served by the next one") == b"served by the next one"


def test_connections_wait_for_the_replacement_when_the_only_worker_died(
    start_nginy: StartNginy, backend: Peer
) -> None:
    nginy = start_nginy(tcp_config([backend.address]))
    address = nginy.address()
    for _ in range(3):
        pid = kill_worker(nginy)
        assert ask(address, b"patience") == b"patience"
        wait_replaced(nginy, 0, pid)


def test_leases_of_a_dead_worker_are_free_again(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([{"address": backend.address, "max_conns": 1}], workers=2))
    with connect(nginy.address()) as sock:
        sock.sendall(b"x")
        assert recv_exact(sock, 1) == b"x"
        slot = next(row["slot"] for row in nginy.workers() if row["sessions_live"])
        kill_worker(nginy, slot)
        wait_until(lambda: nginy.backends("back")[0]["sessions_live"] == 0, "the place is free")
        assert ask(nginy.address(), b"free") == b"free"


@pytest.mark.slow
def test_in_a_crash_loop_no_connection_waits_longer_than_a_tenth_of_a_second(
    start_nginy: StartNginy, seed: int, record_property
) -> None:
    """One slot dies again and again, up to the full backoff; the living worker serves its sockets
    meanwhile."""
    with EchoBackend() as peer:
        nginy = start_nginy(tcp_config([peer.address], workers=2))
        with Traffic(seed) as traffic:
            traffic.short(nginy.address(), at_once=8, pause_s=0.02)
            wait_until(lambda: traffic.tally.done > 50, "short ones flow")
            traffic.tally.first_byte_s.clear()
            end_s = time.monotonic() + CRASH_LOOP_S
            kills = 0
            while time.monotonic() < end_s:
                pid = worker_of(nginy, 0)["pid"]
                if pid and is_alive(pid):
                    os.kill(pid, signal.SIGKILL)
                    kills += 1
                time.sleep(0.02)
            tally = traffic.stop()
        wait = tally.percentile_ms(0.999)
        record_property("connect_first_byte_p999_ms", wait)
        print(f"{kills} kills, {tally.done} sessions, {len(tally.broken)} broken, p99.9 {wait:.1f} ms")
        assert kills >= 4
        assert not tally.refused, tally.refused
        died = nginy.reasons().get("worker_died", 0)
        assert len(tally.broken) <= died, (tally.broken[:5], died)
        assert wait <= 100.0
        wait_until(
            lambda: worker_of(nginy, 0)["generation"] > 0 and worker_of(nginy, 0)["pid"], "it came back", 30
        )


@pytest.mark.slow
def test_a_stopped_worker_is_noticed_and_replaced(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([backend.address], workers=2))
    pid = worker_of(nginy, 0)["pid"]
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: not is_alive(pid), "the one without a pulse is ended", 20)
    wait_replaced(nginy, 0, pid)
    for _ in range(20):
        assert ask(nginy.address(), b"both") == b"both"
