"""UDP flows across reloads: their backend, their upstream socket and the listener's sockets stay what they were."""

import contextlib
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import StartNginy
from tests.tools.configs import udp_config
from tests.tools.datagrams import DatagramBackend, client_of, exchange, listening_inodes, tells_sender
from tests.tools.flows import LiveFlows
from tests.tools.nginy_process import Nginy
from tests.tools.waiting import wait_until

FLOWS = 1000
RELOADS = 4


@pytest.fixture
def peers() -> Iterator[list[DatagramBackend]]:
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(DatagramBackend(answer=tells_sender(name))) for name in (b"a", b"b", b"c", b"extra")
        ]


def turning_config(turn: int, peers: list[DatagramBackend], **options: Any) -> dict[str, Any]:
    """Three backends with other weights each turn; the fourth comes and goes."""
    backends: list[Any] = [
        {"address": peer.address, "weight": 1 + (turn + nth) % 5} for nth, peer in enumerate(peers[:3])
    ]
    if turn % 2:
        backends.append(peers[3].address)
    return udp_config(backends, workers=2, session={"idle": "2s"}, **options)


def hang_up(nginy: Nginy, config: dict[str, Any]) -> None:
    """Reload by SIGHUP, and return when every worker has adopted it."""
    generation = nginy.status()["generation"]
    nginy.write(config)
    nginy.send(signal.SIGHUP)
    wait_until(
        lambda: min(row["generation"] for row in nginy.workers()) > generation, "all workers have adopted the file"
    )


def inodes_of(nginy: Nginy) -> list[set[int]]:
    """The listener's sockets, as control and each worker hold them."""
    port = int(nginy.address().rpartition(":")[2])
    return [listening_inodes(pid, port) for pid in (nginy.pid, *nginy.worker_pids())]


def test_reload_each_second_loses_no_datagram_of_a_thousand_flows(
    start_nginy: StartNginy, peers: list[DatagramBackend], seed: int
) -> None:
    """Weights change, a backend comes and goes. Flows on those that stay keep their way to the end.

    A flow on the one that goes begins anew with its next datagram; it may lose the one that was under way.
    """
    nginy = start_nginy(turning_config(1, peers))
    before = inodes_of(nginy)
    with LiveFlows(nginy.address(), FLOWS, rate=3000, seed=seed) as flows:
        wait_until(lambda: flows.all_answered, "every flow has a way")
        for turn in range(2, RELOADS + 2):
            began_s = time.monotonic()
            hang_up(nginy, turning_config(turn, peers))
            time.sleep(max(0.0, 1.0 - (time.monotonic() - began_s)))
        tally = flows.stop()
    moved = {flow for flow, ways in tally.ways.items() if ways[0][0] == b"extra"}
    print(f"{tally.sent} datagrams, {len(moved)} flows moved, longest wait {tally.gap_s * 1000:.0f} ms")
    assert moved
    assert set(tally.flows_that_moved()) == moved
    assert set(tally.lost_by) <= moved
    assert not tally.wrong, tally.wrong[:5]
    assert tally.refused == 0
    assert inodes_of(nginy) == before
    assert set(nginy.listener("front")["datagrams"]["dropped"]) <= {"unexpected"}
    assert nginy.reasons() == {"backend_removed": len(moved)}


def test_flow_on_a_removed_backend_ends_with_a_reason_and_begins_anew(
    start_nginy: StartNginy, peers: list[DatagramBackend]
) -> None:
    nginy = start_nginy(udp_config([peers[0].address, peers[1].address]))
    with client_of(nginy.address()) as one, client_of(nginy.address()) as two:
        ways = [exchange(one).split(b"|")[0], exchange(two).split(b"|")[0]]
        hang_up(nginy, udp_config([peers[1].address, peers[2].address]))
        wait_until(lambda: nginy.reasons() == {"backend_removed": 1}, "its flow has ended")
        later = [exchange(one).split(b"|")[0], exchange(two).split(b"|")[0]]
    gone = 0 if ways[0].startswith(b"a ") else 1
    assert later[gone][:1] in (b"b", b"c")
    assert later[1 - gone] == ways[1 - gone]


def test_socket_that_rests_is_not_used_for_another_backend(
    start_nginy: StartNginy, peers: list[DatagramBackend]
) -> None:
    """Ids of backends are used again; a socket towards the old one must not come with them."""
    reuse = {"requests": 1, "responses": 0, "reuse": True, "idle": "10s"}
    nginy = start_nginy(udp_config([peers[0].address], session=reuse))
    nginy.is_same_at_end = False
    with client_of(nginy.address()) as client:
        for turn in range(1, 12):
            peer, other = peers[turn % 2], peers[1 - turn % 2]
            hang_up(nginy, udp_config([peer.address], session=reuse))
            seen = len(other.received)
            client.send(b"%d" % turn)
            wait_until(lambda peer=peer, turn=turn: b"%d" % turn in peer.payloads, "the new backend gets it")
            assert len(other.received) == seen


def test_changed_option_of_a_listener_keeps_its_sockets_and_flows(
    start_nginy: StartNginy, peers: list[DatagramBackend]
) -> None:
    nginy = start_nginy(udp_config([peer.address for peer in peers]))
    before = inodes_of(nginy)
    with client_of(nginy.address()) as client:
        way = exchange(client).split(b"|")[0]
        changed = {"udp": {"rcvbuf": "1M", "gro": True}, "limits": {"flow_rate": "1000/s"}}
        hang_up(nginy, udp_config([peer.address for peer in peers], listener=changed))
        assert exchange(client).split(b"|")[0] == way
    assert inodes_of(nginy) == before
    assert nginy.listener("front")["datagrams"]["receive_buffer_bytes"] == 1 << 20


def test_removed_listener_ends_its_flows_at_once_and_others_go_on(
    start_nginy: StartNginy, peers: list[DatagramBackend]
) -> None:
    config = udp_config([peers[0].address], session={"idle": "30s"})
    config["listeners"]["other"] = {"bind": "127.0.0.1:0", "protocol": "udp", "pool": "back"}
    nginy = start_nginy(config, checked=False)
    with client_of(nginy.address()) as client, client_of(nginy.address("other")) as stayer:
        exchange(client)
        way = exchange(stayer)
        kept = {name: row for name, row in config["listeners"].items() if name == "other"}
        hang_up(nginy, config | {"listeners": kept})
        wait_until(lambda: nginy.workers()[0]["sessions_live"] == 1, "its flow has ended")
        with pytest.raises(ConnectionRefusedError):
            exchange(client)
        assert exchange(stayer) == way
    assert nginy.stop() == 0
