"""A reload changes what it says and nothing else: nobody is refused, nobody is cut."""

import signal
import time

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.tools.changes import changing_config
from tests.tools.configs import tcp_config
from tests.tools.peers import Peer, echo, named
from tests.tools.proc import resident_bytes
from tests.tools.sockets import ask, connect, free_port, how_it_ends, recv_exact
from tests.tools.traffic import EchoBackend, Traffic
from tests.tools.waiting import stays_true, wait_until

RELOADS, RELOAD_EVERY_S = 20, 0.5
LASTING = 40


@pytest.mark.slow
def test_twenty_reloads_under_load_refuse_nobody_and_break_no_session(
    start_nginy: StartNginy, start_peer: StartPeer, seed: int
) -> None:
    """Twice a second other weights, a backend, a pool and a listener come and go; half of the sessions live
    across all."""
    with EchoBackend() as a, EchoBackend() as b, EchoBackend() as c, EchoBackend() as extra:
        addresses = [a.address, b.address, c.address]
        nginy = start_nginy(changing_config(0, addresses, extra.address, workers=2))
        with Traffic(seed) as traffic:
            traffic.lasting(nginy.address(), LASTING)
            wait_until(lambda: traffic.tally.lasting_live == LASTING, "all long sessions stand")
            traffic.short(nginy.address(), at_once=LASTING // 4)
            for turn in range(1, RELOADS + 1):
                began_s = time.monotonic()
                report = nginy.reload(changing_config(turn, addresses, extra.address, workers=2))
                assert report["late_workers"] == []
                assert ask(nginy.address(f"listener-{turn}"), b"new one") == b"new one"
                time.sleep(max(0.0, RELOAD_EVERY_S - (time.monotonic() - began_s)))
            assert traffic.tally.lasting_live == LASTING
            tally = traffic.stop()
        assert not tally.failures(), tally.failures()[:10]
        assert tally.done > RELOADS * 10
        print(f"{tally.done} short sessions, connect + first byte p99.9 {tally.percentile_ms(0.999):.1f} ms")
        nginy.reload(changing_config(0, addresses, extra.address, workers=2))


def test_a_reload_without_a_change_does_nothing(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([backend.address], workers=2))
    before = nginy.status()["generation"]
    with connect(nginy.address()) as sock:
        for _ in range(5):
            assert nginy.reload()["changes"] == []
        sock.sendall(b"same")
        assert recv_exact(sock, 4) == b"same"
    assert nginy.status()["generation"] == before


def test_a_hangup_reloads_the_file(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    old, new = start_peer(named("old")), start_peer(named("new"))
    nginy = start_nginy(tcp_config([old.address]))
    assert ask(nginy.address(), b"") == b"old\n"
    nginy.write(tcp_config([new.address]))
    nginy.send(signal.SIGHUP)
    wait_until(lambda: ask(nginy.address(), b"") == b"new\n", "the new backend answers")


def test_after_a_reload_has_answered_every_worker_uses_it(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    peers = [start_peer(named(str(number))) for number in range(2)]
    nginy = start_nginy(tcp_config([peers[0].address], workers=2))
    for turn in range(1, 21):
        nginy.reload(tcp_config([peers[turn % 2].address], workers=2))
        assert {ask(nginy.address(), b"") for _ in range(6)} == {f"{turn % 2}\n".encode()}


@pytest.mark.parametrize(
    "content",
    [
        "pools: {",
        "version: 1\npools: {back: {backends: []}}\nlisteners: {front: {bind: '127.0.0.1:0', pool: back}}\n",
        "version: 1\npools: {back: {backends: ['127.0.0.1:1']}}\nlisteners: {front: {bindd: '127.0.0.1:0'}}\n",
        "",
    ],
    ids=["not yaml", "an empty pool", "an unknown key", "an empty file"],
)
def test_a_bad_file_changes_nothing_and_says_why(start_nginy: StartNginy, backend: Peer, content: str) -> None:
    nginy = start_nginy(tcp_config([backend.address]))
    before = nginy.status()["generation"]
    with connect(nginy.address()) as sock:
        nginy.write(content)
        answer = nginy.ask("reload")
        assert (answer["ok"], answer["kind"]) == (False, "config")
        assert answer["problems"][0]["file"].endswith("nginy.yaml")
        assert answer["problems"][0]["message"]
        sock.sendall(b"fine")
        assert recv_exact(sock, 4) == b"fine"
    assert nginy.status()["generation"] == before
    assert ask(nginy.address(), b"still") == b"still"
    nginy.send(signal.SIGHUP)
    wait_until(lambda: "refused" in nginy.log(), "the log tells of the refusal")


def test_a_port_taken_by_another_program_refuses_the_whole_reload(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    old, new = start_peer(named("old")), start_peer(named("new"))
    nginy = start_nginy(tcp_config([old.address]))
    changed = tcp_config([new.address])
    changed["listeners"]["taken"] = {"bind": old.address, "protocol": "tcp", "pool": "back"}
    changed["listeners"]["free"] = {"bind": f"127.0.0.1:{free_port()}", "protocol": "tcp", "pool": "back"}
    nginy.write(changed)
    answer = nginy.ask("reload")
    assert not answer["ok"]
    assert str(old.port) in answer["error"]
    assert ask(nginy.address(), b"") == b"old\n"
    assert [row["name"] for row in nginy.status()["listeners"]] == ["front"]


def test_sessions_on_a_removed_backend_live_on(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    old, new = start_peer(echo), start_peer(named("new"))
    nginy = start_nginy(tcp_config([old.address]))
    with connect(nginy.address()) as sock:
        sock.sendall(b"1")
        assert recv_exact(sock, 1) == b"1"
        nginy.reload(tcp_config([new.address]))
        sock.sendall(b"2")
        assert recv_exact(sock, 1) == b"2"
        assert ask(nginy.address(), b"") == b"new\n"


def test_a_backend_that_comes_back_does_not_inherit_a_lease(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    """Removed while it held a session, added again under a cap: the old session must not be lost or counted
    twice."""
    a, b = start_peer(named("a")), start_peer(named("b"))
    capped = [{"address": a.address, "max_conns": 1}]
    nginy = start_nginy(tcp_config(capped))
    with connect(nginy.address()) as sock:
        assert recv_exact(sock, 2) == b"a\n"
        nginy.reload(tcp_config([b.address]))
        nginy.reload(tcp_config(capped))
        sock.sendall(b"x")
        assert recv_exact(sock, 1) == b"x"
    wait_until(lambda: nginy.listener("front")["sessions_live"] == 0, "the old session ended")
    for _ in range(5):
        assert ask(nginy.address(), b"") == b"a\n"
        wait_until(lambda: nginy.listener("front")["sessions_live"] == 0, "its place is free again")


def test_changed_timeouts_hold_for_new_sessions(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([backend.address], listener={"timeouts": {"idle": "1h"}}))
    nginy.reload(tcp_config([backend.address], listener={"timeouts": {"idle": "200ms"}}))
    with connect(nginy.address()) as sock:
        how_it_ends(sock)
    wait_until(lambda: nginy.reasons() == {"idle": 1}, "cut as idle")


def test_a_storm_of_hangups_ends_in_the_last_file(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    peers = [start_peer(named(str(number))) for number in range(2)]
    nginy = start_nginy(tcp_config([peers[0].address], workers=2))
    for turn in range(60):
        nginy.write(tcp_config([peers[turn % 2].address], workers=2))
        nginy.send(signal.SIGHUP)
    wait_until(lambda: ask(nginy.address(), b"") == b"1\n", "the last file holds")
    stays_true(lambda: ask(nginy.address(), b"") == b"1\n", "no earlier file comes back", 0.5)


def test_many_reloads_leave_memory_and_descriptors_where_they_were(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    peers = [start_peer(named(str(number))) for number in range(2)]
    nginy = start_nginy(tcp_config([peers[0].address], workers=2))
    for turn in range(20):
        nginy.reload(tcp_config([peers[turn % 2].address], workers=2))
    before = {pid: resident_bytes(pid) for pid in nginy.worker_pids()}
    for turn in range(150):
        nginy.reload(tcp_config([peers[turn % 2].address], workers=2))
    for pid, was in before.items():
        assert resident_bytes(pid) - was < 1 << 20
