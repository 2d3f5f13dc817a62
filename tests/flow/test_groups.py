"""Pools made of pools, over real sockets: turns by weight, members that fail, flows of UDP."""

import collections
import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import tcp_config, udp_config
from tests.tools.datagrams import DatagramBackend, clients_of, exchange, exchange_again, tells_sender
from tests.tools.named import who
from tests.tools.nginy_process import Tree
from tests.tools.peers import Peer, named
from tests.tools.sockets import connect, end_of, free_port, recv_exact
from tests.tools.waiting import wait_until

TCP_CHECK = {"kind": "tcp", "interval": "100ms", "rise": 1, "fall": 1}


def grouped(tree: Tree, weights: dict[str, int], pools: dict[str, Any]) -> Tree:
    """The listener's pool becomes a group of these."""
    members = [{"pool": name, "weight": weight} for name, weight in weights.items()]
    return tree | {"pools": {**pools, "back": {"of": members}}}


def sites(peers: Sequence[Peer], weights: dict[str, int], **parts: Any) -> Tree:
    """Pools blue, green, … of one peer each."""
    pools = {name: {"backends": [peer.address]} for name, peer in zip(weights, peers, strict=False)}
    return grouped(tcp_config([peers[0].address], **parts), weights, pools)


@pytest.fixture
def peers(start_peer: StartPeer) -> list[Peer]:
    """Backends that say a, b, c."""
    return [start_peer(named(name)) for name in "abc"]


def test_sessions_are_shared_by_weight(start_nginy: StartNginy, peers: list[Peer]) -> None:
    nginy = start_nginy(sites(peers, {"blue": 9, "green": 1}))
    assert collections.Counter(who(nginy) for _ in range(40)) == {"a": 36, "b": 4}
    [group] = [pool for pool in nginy.status()["pools"] if pool["name"] == "back"]
    assert (group["policy"], group["backends"]) == ("group", [])
    assert group["of"] == [{"pool": "blue", "weight": 9}, {"pool": "green", "weight": 1}]


def test_a_reload_changes_the_shares_and_the_members(start_nginy: StartNginy, peers: list[Peer]) -> None:
    nginy = start_nginy(sites(peers, {"blue": 1, "green": 1}))
    with connect(nginy.address()) as sock:
        first = recv_exact(sock, 2).decode().strip()
        nginy.reload(sites(peers, {"blue": 0, "green": 3, "red": 1}))
        assert collections.Counter(who(nginy) for _ in range(20)) == {"b": 15, "c": 5}
        sock.sendall(b"still")
        assert recv_exact(sock, 5) == b"still"
        assert first in "ab"


def test_a_member_that_is_down_leaves_its_share_to_the_others(start_nginy: StartNginy, peers: list[Peer]) -> None:
    tree = sites(peers, {"blue": 9, "green": 1})
    tree["pools"]["blue"]["health"] = TCP_CHECK
    nginy = start_nginy(tree)
    peers[0].stop_listening()
    wait_until(lambda: nginy.backends("blue")[0]["verdict"] == "down", "blue is down")
    wait_until(lambda: {who(nginy) for _ in range(3)} == {"b"}, "workers know it")
    assert {who(nginy) for _ in range(10)} == {"b"}
    peers[0].listen()
    wait_until(lambda: nginy.backends("blue")[0]["verdict"] == "up", "blue is up")
    wait_until(lambda: who(nginy) == "a", "blue serves again")


def test_a_retry_goes_on_to_another_member(start_nginy: StartNginy, peers: list[Peer]) -> None:
    tree = sites(peers, {"blue": 9, "green": 1}, listener={"limits": {"retries": 1}})
    tree["pools"]["blue"]["backends"] = [f"127.0.0.1:{free_port()}"]
    nginy = start_nginy(tree)
    assert {who(nginy) for _ in range(10)} == {"b"}


def test_caps_of_members_are_theirs(start_nginy: StartNginy, peers: list[Peer]) -> None:
    tree = sites(peers, {"blue": 1, "green": 1})
    for name in ("blue", "green"):
        tree["pools"][name]["backends"] = [{"address": tree["pools"][name]["backends"][0], "max_conns": 1}]
    nginy = start_nginy(tree)
    with connect(nginy.address()) as first, connect(nginy.address()) as second:
        assert {recv_exact(first, 2), recv_exact(second, 2)} == {b"a\n", b"b\n"}
        assert end_of(nginy.address()) == "reset"
    assert nginy.reasons()["backends_full"] == 1


def test_options_of_the_backends_pool_are_used(start_nginy: StartNginy, peers: list[Peer]) -> None:
    """`on_down: reset` of the member that serves, and of no other."""
    tree = sites(peers, {"blue": 1, "green": 1})
    tree["pools"]["blue"]["health"] = TCP_CHECK | {"on_down": "reset"}
    tree["pools"]["green"]["health"] = TCP_CHECK | {"on_down": "keep"}
    nginy = start_nginy(tree)
    with connect(nginy.address()) as first, connect(nginy.address()) as second:
        names = {recv_exact(sock, 2): sock for sock in (first, second)}
        for peer in peers[:2]:
            peer.stop_listening()
        wait_until(lambda: nginy.reasons().get("backend_down") == 1, "blue's session is cut")
        names[b"b\n"].sendall(b"kept")
        assert recv_exact(names[b"b\n"], 4) == b"kept"


@pytest.fixture
def senders() -> Iterator[list[DatagramBackend]]:
    """Backends that answer with their names and who asked."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(DatagramBackend(answer=tells_sender(name))) for name in (b"a", b"b")]


def udp_sites(peers: Sequence[DatagramBackend], weights: dict[str, int], **parts: Any) -> Tree:
    """The same for UDP."""
    pools = {name: {"backends": [peer.address]} for name, peer in zip(weights, peers, strict=False)}
    return grouped(udp_config([peers[0].address], **parts), weights, pools)


def test_flows_of_udp_are_shared_by_weight_and_keep_their_backend(
    start_nginy: StartNginy, senders: list[DatagramBackend]
) -> None:
    nginy = start_nginy(udp_sites(senders, {"blue": 3, "green": 1}))
    said: collections.Counter[bytes] = collections.Counter()
    with clients_of(nginy.address(), 8) as socks:
        for sock in socks:
            answers = {exchange(sock)[:1] for _ in range(3)}
            assert len(answers) == 1
            said.update(answers)
    assert said == {b"a": 6, b"b": 2}


def test_a_key_keeps_its_backend_in_a_group_of_udp(start_nginy: StartNginy, senders: list[DatagramBackend]) -> None:
    """A second port of a client has a flow of its own, to the backend its address is bound to."""
    nginy = start_nginy(udp_sites(senders, {"blue": 1, "green": 1}, session={"key": "source", "idle": "3s"}))
    for i in range(1, 9):
        with clients_of(nginy.address(), 3, source=f"127.0.0.{i}") as socks:
            assert len({exchange(sock)[:1] for sock in socks}) == 1


def test_a_flow_moves_to_another_member_when_its_backend_refuses(
    start_nginy: StartNginy, senders: list[DatagramBackend]
) -> None:
    nginy = start_nginy(udp_sites(senders, {"blue": 1, "green": 0}))
    with clients_of(nginy.address(), 1) as [sock]:
        assert exchange(sock)[:1] == b"a"
        nginy.reload(udp_sites(senders, {"blue": 1, "green": 1}))
        assert exchange(sock)[:1] == b"a"
        senders[0].close()
        assert exchange_again(sock)[:1] == b"b"


def test_a_flow_whose_pool_leaves_the_group_ends(start_nginy: StartNginy, senders: list[DatagramBackend]) -> None:
    nginy = start_nginy(udp_sites(senders, {"blue": 1, "green": 0}))
    with clients_of(nginy.address(), 1) as [sock]:
        assert exchange(sock)[:1] == b"a"
        tree = udp_sites(senders, {"blue": 1, "green": 1})
        tree["pools"]["back"] = {"of": ["green"]}
        nginy.reload(tree)
        wait_until(lambda: nginy.reasons().get("backend_removed") == 1, "the flow has ended")
        assert exchange(sock)[:1] == b"b"
