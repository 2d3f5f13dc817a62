"""A worker dies: its clients are served with their next datagrams, the clients of others notice nothing."""

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest

from tests.conftest import StartNginy
from tests.tools.configs import udp_config
from tests.tools.datagrams import DatagramBackend, client_of, clients_of, exchange, exchange_again, tells_sender
from tests.tools.flows import LOST_S, LiveFlows
from tests.tools.nginy_process import Nginy
from tests.tools.waiting import wait_until

FLOWS = 200
CLIENTS = 24


@pytest.fixture
def peers() -> Iterator[list[DatagramBackend]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(DatagramBackend(answer=tells_sender(name))) for name in (b"a", b"b", b"c")]


def worker_of(nginy: Nginy, slot: int) -> dict:
    """One worker of the picture."""
    return next(row for row in nginy.workers() if row["slot"] == slot)


def kill_worker(nginy: Nginy, slot: int) -> int:
    """SIGKILL, and return its pid."""
    pid = int(worker_of(nginy, slot)["pid"])
    os.kill(pid, signal.SIGKILL)
    return pid


def wait_replaced(nginy: Nginy, slot: int, pid: int) -> None:
    """Until another worker serves in that slot."""
    wait_until(
        lambda: worker_of(nginy, slot)["pid"] not in (pid, 0, None) and worker_of(nginy, slot)["generation"] > 0,
        "the dead worker is replaced",
    )


def slot_of(nginy: Nginy, client) -> int:
    """Which worker got the one datagram that the client sends."""
    before = {row["slot"]: row["counters"]["accepted"] for row in nginy.workers()}
    exchange(client)
    after = {row["slot"]: row["counters"]["accepted"] for row in nginy.workers()}
    return next(slot for slot in after if after[slot] > before[slot])


def test_clients_stay_on_their_worker_and_flow(start_nginy: StartNginy, peers: list[DatagramBackend]) -> None:
    nginy = start_nginy(udp_config([peer.address for peer in peers], workers=3))
    with clients_of(nginy.address(), CLIENTS) as clients:
        ways = [exchange(client).split(b"|")[0] for client in clients]
        lives = [row["sessions_live"] for row in nginy.workers()]
        for _ in range(5):
            assert [exchange(client).split(b"|")[0] for client in clients] == ways
        assert [row["sessions_live"] for row in nginy.workers()] == lives
        assert sum(lives) == CLIENTS
        assert all(lives), lives


def test_sigkill_of_one_of_two_workers_costs_its_flows_one_datagram_at_most(
    start_nginy: StartNginy, peers: list[DatagramBackend], seed: int
) -> None:
    nginy = start_nginy(udp_config([peer.address for peer in peers], workers=2, pool={"policy": "source_hash"}))
    with LiveFlows(nginy.address(), FLOWS, rate=2000, seed=seed) as flows:
        wait_until(lambda: flows.all_answered, "every flow has a way")
        first = {flow: ways[0] for flow, ways in flows.tally.ways.items()}
        on_victim = worker_of(nginy, 0)["sessions_live"]
        pid = kill_worker(nginy, 0)
        wait_replaced(nginy, 0, pid)
        answered = flows.tally.answered
        wait_until(lambda: flows.tally.answered > answered + 5 * FLOWS, "most go on")
        wait_until(lambda: flows.longest_wait_s < LOST_S / 4, "so do those that have lost one")
        tally = flows.stop()
    assert not tally.wrong, tally.wrong[:5]
    moved = set(tally.flows_that_moved())
    print(f"{on_victim} flows died, {len(moved)} moved, {tally.lost} datagrams lost of {tally.sent}")
    assert len(moved) <= on_victim
    assert set(tally.lost_by) <= moved
    assert max(tally.lost_by.values(), default=0) <= 1
    assert all({name for name, _ in tally.ways[flow]} == {first[flow][0]} for flow in moved)
    died = nginy.reasons()["worker_died"]
    assert on_victim <= died
    assert nginy.listener("front")["sessions"] >= FLOWS + died


def test_with_source_hash_the_next_datagram_meets_the_same_backend(
    start_nginy: StartNginy, peers: list[DatagramBackend]
) -> None:
    """First through the stand-in, then through the new worker; each has a socket of its own."""
    nginy = start_nginy(udp_config([peer.address for peer in peers], workers=2, pool={"policy": "source_hash"}))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(client_of(nginy.address(), f"127.0.0.{2 + nth}")) for nth in range(CLIENTS)]
        names = [exchange(client)[:1] for client in clients]
        assert len(set(names)) == len(peers)
        for slot in (0, 1):
            pid = kill_worker(nginy, slot)
            assert [exchange_again(client)[:1] for client in clients] == names
            wait_replaced(nginy, slot, pid)
            assert [exchange_again(client)[:1] for client in clients] == names


def test_flows_outlive_control_and_are_adopted_by_the_next(
    start_nginy: StartNginy, peers: list[DatagramBackend], seed: int
) -> None:
    nginy = start_nginy(udp_config([peer.address for peer in peers], workers=2), checked=False)
    with LiveFlows(nginy.address(), FLOWS, rate=2000, seed=seed) as flows:
        wait_until(lambda: flows.all_answered, "every flow has a way")
        nginy.send(signal.SIGKILL)
        nginy.wait_exit()
        nginy.start()
        answered = flows.tally.answered
        wait_until(lambda: flows.tally.answered > answered + 2 * FLOWS, "all go on")
        tally = flows.stop()
    assert not tally.wrong, tally.wrong[:5]
    assert (tally.lost, tally.flows_that_moved()) == (0, [])
    assert nginy.listener("front")["sessions"] == FLOWS
    assert nginy.stop() == 0


def test_the_only_worker_is_replaced_and_what_waited_is_answered(
    start_nginy: StartNginy, peers: list[DatagramBackend]
) -> None:
    """Nobody can stand in: datagrams wait in the listener's queue."""
    nginy = start_nginy(udp_config([peers[0].address]))
    with client_of(nginy.address()) as client:
        exchange(client)
        pid = kill_worker(nginy, 0)
        assert exchange(client, b"patience").endswith(b"|patience")
        wait_replaced(nginy, 0, pid)
    wait_until(lambda: nginy.reasons().get("worker_died") == 1, "counted")


def test_replaced_worker_serves_the_same_clients_as_the_one_before(
    start_nginy: StartNginy, peers: list[DatagramBackend]
) -> None:
    session = {"requests": 1, "responses": 1}
    nginy = start_nginy(udp_config([peers[0].address], workers=2, session=session))
    with clients_of(nginy.address(), 8) as clients:
        slots = [slot_of(nginy, client) for client in clients]
        assert set(slots) == {0, 1}
        pid = kill_worker(nginy, 0)
        wait_replaced(nginy, 0, pid)
        for client in clients:
            exchange_again(client)
        wait_until(lambda: sum(row["sessions_live"] for row in nginy.workers()) == 0, "all answered", LOST_S * 5)
        assert [slot_of(nginy, client) for client in clients] == slots
