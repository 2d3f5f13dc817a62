"""Policies by key over real sockets: the same client, the same backend, on every worker, in every generation."""

import collections
import os
import select
import signal
import time
from contextlib import ExitStack
from typing import Any

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import tcp_config, udp_config
from tests.tools.datagrams import datagram_socket
from tests.tools.named import NAMES, who
from tests.tools.nginx_stream import nginx_stream
from tests.tools.nginy_process import Nginy
from tests.tools.peers import Peer, named
from tests.tools.sockets import connect, parse_address, recv_exact
from tests.tools.waiting import wait_until

TABLED = ("ring", "maglev", "hash_preserve")  # not the bounded ones: a session that is still ending counts
SOURCES = [f"127.0.{i}.1" for i in range(1, 25)]


@pytest.fixture
def peers(start_peer: StartPeer) -> list[Peer]:
    """Eight backends that say their one-letter names."""
    return [start_peer(named(name)) for name in NAMES]


def everybody(nginy: Nginy) -> dict[str, str]:
    return {source: who(nginy, source) for source in SOURCES}


@pytest.mark.parametrize("policy", [*TABLED, "rendezvous", "jump"])
def test_a_client_meets_the_same_backend_on_every_worker_and_again_after_a_drain(
    start_nginy: StartNginy, peers: list[Peer], policy: str
) -> None:
    pool = {"policy": policy}
    addresses: list[Any] = [peer.address for peer in peers]
    nginy = start_nginy(tcp_config(addresses, workers=2, pool=pool))
    first = everybody(nginy)
    assert len(set(first.values())) >= 4, first
    assert everybody(nginy) == first
    gone = NAMES.index(first[SOURCES[0]])
    changed = list(addresses)
    changed[gone] = {"address": addresses[gone], "state": "drain"}
    nginy.reload(tcp_config(changed, workers=2, pool=pool))
    meanwhile = everybody(nginy)
    assert NAMES[gone] not in meanwhile.values()
    assert {source for source in SOURCES if meanwhile[source] != first[source]} == {
        source for source in SOURCES if first[source] == NAMES[gone]
    }
    nginy.reload(tcp_config(addresses, workers=2, pool=pool))
    assert everybody(nginy) == first


@pytest.mark.parametrize("policy", ["ring", "maglev"])
def test_a_worker_that_replaces_a_dead_one_looks_up_the_same_table(
    start_nginy: StartNginy, peers: list[Peer], policy: str
) -> None:
    nginy = start_nginy(tcp_config([peer.address for peer in peers], pool={"policy": policy}))
    first = everybody(nginy)
    dead = nginy.worker_pids()[0]
    os.kill(dead, signal.SIGKILL)
    wait_until(lambda: nginy.worker_pids() not in ([], [dead]) and nginy.answers(), "another worker")
    wait_until(lambda: nginy.workers()[0]["state"] == "serving", "it serves")
    assert everybody(nginy) == first


def test_tables_outlive_control_and_the_next_one_has_them_too(start_nginy: StartNginy, peers: list[Peer]) -> None:
    nginy = start_nginy(tcp_config([peer.address for peer in peers], pool={"policy": "maglev"}))
    address, first = nginy.address(), everybody(nginy)

    def met() -> dict[str, str]:
        found = {}
        for source in SOURCES:
            with connect(address, source=source) as sock:
                found[source] = recv_exact(sock, 2).decode().strip()
        return found

    worker = nginy.worker_pids()[0]
    nginy.send(signal.SIGKILL)
    nginy.wait_exit()
    assert met() == first  # nobody is there to send a table
    nginy.start()
    assert nginy.worker_pids() == [worker]
    assert met() == first
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: nginy.worker_pids() not in ([], [worker]) and nginy.answers(), "another worker")
    wait_until(lambda: nginy.workers()[0]["state"] == "serving", "it serves")
    assert met() == first


def test_a_backend_that_is_added_takes_keys_from_all_and_moves_no_others(
    start_nginy: StartNginy, peers: list[Peer]
) -> None:
    pool = {"policy": "ring"}
    addresses = [peer.address for peer in peers]
    nginy = start_nginy(tcp_config(addresses[:7], workers=2, pool=pool))
    first = everybody(nginy)
    nginy.reload(tcp_config(addresses, workers=2, pool=pool))
    after = everybody(nginy)
    assert {after[source] for source in SOURCES if after[source] != first[source]} <= {"h"}


def test_a_destination_key_tells_the_addresses_of_one_listener_apart(
    start_nginy: StartNginy, peers: list[Peer]
) -> None:
    pool = {"policy": {"kind": "rendezvous", "key": "destination"}}
    binds = [f"127.0.7.{i}:0" for i in range(1, 17)]
    nginy = start_nginy(tcp_config([peer.address for peer in peers], pool=pool, listener={"bind": binds}))

    def met(source: str) -> list[str]:
        found = []
        for nth in range(len(binds)):
            with connect(nginy.address(nth=nth), source=source) as sock:
                found.append(recv_exact(sock, 2).decode().strip())
        return found

    first = met("127.0.0.1")
    assert len(set(first)) >= 4, first
    assert met("127.0.0.9") == first


def test_a_constant_key_sends_all_to_one_and_a_tuple_key_to_many(start_nginy: StartNginy, peers: list[Peer]) -> None:
    addresses = [peer.address for peer in peers]
    nginy = start_nginy(tcp_config(addresses, pool={"policy": {"kind": "maglev", "key": "constant"}}))
    assert len(set(everybody(nginy).values())) == 1
    nginy.reload(tcp_config(addresses, pool={"policy": {"kind": "maglev", "key": "tuple"}}))
    assert len({who(nginy) for _ in range(40)}) >= 4


def test_hash_preserve_goes_on_while_the_first_is_saturated_and_comes_back(
    start_nginy: StartNginy, peers: list[Peer]
) -> None:
    pool = {"policy": {"kind": "hash_preserve", "saturated": 2}}
    nginy = start_nginy(tcp_config([peer.address for peer in peers], workers=2, pool=pool))
    with ExitStack() as held:
        names = []
        for _ in range(5):
            sock = held.enter_context(connect(nginy.address()))
            names.append(recv_exact(sock, 2).decode().strip())
        assert sorted(collections.Counter(names).values()) == [1, 2, 2]
    wait_until(lambda: nginy.listener("front")["sessions_live"] == 0, "all places are free")
    assert who(nginy) == names[0]


def test_least_time_prefers_the_backend_that_answers_sooner(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    def late(sock: Any) -> None:
        sock.recv(1)
        time.sleep(0.05)  # what it is: slow
        sock.sendall(b"s")

    def soon(sock: Any) -> None:
        sock.recv(1)
        sock.sendall(b"q")

    backends = [start_peer(late).address, start_peer(soon).address]
    nginy = start_nginy(tcp_config(backends, pool={"policy": "least_time"}))
    answers = []
    for _ in range(20):
        with connect(nginy.address()) as sock:
            sock.sendall(b"?")
            answers.append(recv_exact(sock, 1))
    assert answers.count(b"s") <= 2, answers


def test_slow_start_holds_back_a_backend_that_comes_up_and_no_other(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    steady, fresh = start_peer(named("s")), start_peer(named("f"))
    check = {"kind": "tcp", "interval": "50ms", "rise": 1, "fall": 1}
    pool = {"slow_start": {"window": "1h", "min": 0.01}, "health": check}
    nginy = start_nginy(tcp_config([steady.address, fresh.address], pool=pool))
    wait_until(lambda: all(row["verdict"] == "up" for row in nginy.backends("back")), "both are up")
    assert {who(nginy) for _ in range(4)} == {"s", "f"}  # it was there from the start
    fresh.stop_listening()
    wait_until(lambda: nginy.backends("back")[1]["verdict"] == "down", "it is down")
    fresh.listen()
    wait_until(lambda: nginy.backends("back")[1]["verdict"] == "up", "it is up again")
    assert collections.Counter(who(nginy) for _ in range(60))["f"] <= 12
    steady.stop_listening()
    wait_until(lambda: nginy.backends("back")[0]["verdict"] == "down", "the other one is down")
    assert {who(nginy) for _ in range(10)} == {"f"}


# ---- beside nginx ----


def test_a_ring_sends_every_client_where_nginx_sends_it(start_nginy: StartNginy) -> None:
    """`hash $remote_addr consistent` and `compat: nginx`: weights, and a backend that is out."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(datagram_socket()) for _ in range(5)]
        places = ["{}:{}".format(*sock.getsockname()[:2]) for sock in sockets]
        weights = [1, 1, 2, 3, 1]
        clients = [stack.enter_context(datagram_socket(f"127.0.{i}.1")) for i in range(1, 41)]

        def asked(address: str) -> list[int]:
            """Which backend each client's datagram reaches."""
            found = []
            for client in clients:
                client.sendto(b"where", parse_address(address)[1])
                ready, _, _ = select.select(sockets, [], [], 5)
                assert len(ready) == 1
                ready[0].recv(100)
                found.append(sockets.index(ready[0]))
            return found

        for out in (None, 3):
            servers = [
                f"{place} weight={weight}{' down' if i == out else ''}"
                for i, (place, weight) in enumerate(zip(places, weights, strict=True))
            ]
            backends = [
                {"address": place, "weight": weight, "state": "drain" if i == out else "ready"}
                for i, (place, weight) in enumerate(zip(places, weights, strict=True))
            ]
            policy = {"kind": "ring", "compat": "nginx", "key": "source"}
            nginy = start_nginy(udp_config(backends, workers=2, pool={"policy": policy}))
            with nginx_stream(servers, [""], "hash $remote_addr consistent;") as (theirs,):
                expected = asked(theirs)
                assert len(set(expected)) >= 4 - (out is not None)
                assert asked(nginy.address()) == expected
            nginy.stop()
