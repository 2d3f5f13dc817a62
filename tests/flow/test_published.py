"""What a host publishes while it runs: where single keys go, and how loaded backends say they are."""

import re
from array import array
from collections.abc import Callable
from typing import Any

import pytest

from nginy import Server
from nginy._fast import door
from nginy.backend.tables import key_bytes
from nginy.balancer import Maglev, Ring
from tests.conftest import StartPeer
from tests.tools.configs import tcp_config
from tests.tools.peers import Peer, named
from tests.tools.sockets import connect, recv_exact
from tests.tools.waiting import wait_until

NAMES = "abcd"


@pytest.fixture
def peers(start_peer: StartPeer) -> list[Peer]:
    return [start_peer(named(name)) for name in NAMES]


def asking(server: Server) -> Callable[[str], str]:
    address = server.addresses["front"][0]

    def who(source: str) -> str:
        with connect(address, source=source) as sock:
            return recv_exact(sock, 2).decode().strip()

    return who


@pytest.mark.parametrize("policy", ["round_robin", "maglev", {"kind": "ring", "key": "source"}])
def test_a_map_of_keys_comes_before_the_policy_until_it_is_taken_back(peers: list[Peer], policy: Any) -> None:
    config = tcp_config([peer.address for peer in peers], workers=2, pool={"policy": policy})
    with Server(config) as server:
        who = asking(server)
        sources = [f"127.0.0.{i}" for i in range(7, 15)]
        first = [who(source) for source in sources]
        server.publish_map("back", {"127.0.0.7": peers[2].address, "127.0.0.8": peers[1].address, "::1": "10.0.0.1:1"})
        mapped = ["127.0.0.7", "127.0.0.8"] * 6  # the policy may send one of them there anyway
        wait_until(lambda: [who(source) for source in mapped] == ["c", "b"] * 6, "the map to be there")
        assert len({who(f"127.0.1.{i}") for i in range(1, 30)}) == len(NAMES)
        changed: list[Any] = [peer.address for peer in peers]
        changed[2] = {"address": peers[2].address, "state": "drain"}
        server.apply(tcp_config(changed, workers=2, pool={"policy": policy}))
        assert "c" not in {who("127.0.0.7") for _ in range(6)}
        assert {who("127.0.0.8") for _ in range(6)} == {"b"}
        server.publish_map("back", {})
        server.apply(config)
        taken_back = [who(source) for source in sources]
        assert len(set(taken_back)) > 2 if policy == "round_robin" else taken_back == first
        with pytest.raises(KeyError):
            server.publish_map("nowhere", {})
        with pytest.raises(ValueError, match="does not appear to be"):
            server.publish_map("back", {"nobody": peers[0].address})


def owner_of(ring: Ring, source: str) -> str:
    """As a worker finds it: the upper half of the key's hash, and the first point at or behind it."""
    hashes, nodes = ring._ring().packed()
    at = door.key_hash(key_bytes("source", source)) >> 32
    points = list(zip(array("I", hashes), array("I", nodes), strict=True))
    return list(ring)[next((node for hash, node in points if hash >= at), points[0][1])]


def test_workers_look_keys_up_on_a_ring_of_the_hosts_own(peers: list[Peer]) -> None:
    names = {peer.address: name for peer, name in zip(peers, NAMES, strict=True)}
    config = tcp_config(list(names), workers=2, pool={"policy": {"kind": "ring", "key": "source"}})
    sources = [f"127.0.3.{i}" for i in range(1, 25)]
    with Server(config) as server:
        who = asking(server)
        first = [who(source) for source in sources]
        ring = Ring({peers[0].address: 1, peers[2].address: 3}, points=40)
        server.publish_ring("back", ring)
        wanted = [names[owner_of(ring, source)] for source in sources]
        wait_until(lambda: [who(source) for source in sources * 2] == wanted * 2, "both workers have the ring")
        assert set(wanted) == {"a", "c"}
        gone: list[Any] = [{"address": address, "state": "drain"} if name == "c" else address
                           for address, name in names.items()]  # fmt: skip
        server.apply(tcp_config(gone, workers=2, pool={"policy": {"kind": "ring", "key": "source"}}))
        assert {who(source) for source in sources} == {"a"}, "the ring survives a reload and passes over who is drained"
        server.apply(config)
        server.publish_ring("back", None)
        wait_until(lambda: [who(source) for source in sources * 2] == first * 2, "the pool's own ring is back")


def test_workers_look_keys_up_in_a_maglev_table_of_the_hosts_own_while_the_policy_does(peers: list[Peer]) -> None:
    addresses = [peer.address for peer in peers]
    config = tcp_config(addresses, workers=2, pool={"policy": "maglev"})
    with Server(config) as server:
        who = asking(server)
        server.publish_maglev("back", [addresses[3]] * 5)
        wait_until(lambda: {who(f"127.0.4.{i}") for i in range(1, 30)} == {"d"}, "the table is there")
        server.publish_maglev("back", Maglev({addresses[1]: 1}, size=251))
        wait_until(lambda: {who(f"127.0.4.{i}") for i in range(1, 30)} == {"b"}, "the next table is there")
        server.apply(tcp_config(addresses, workers=2, pool={"policy": "ring"}))
        assert len({who(f"127.0.4.{i}") for i in range(1, 60)}) == len(NAMES), "a ring looks nothing up in it"
        server.apply(config)
        server.apply(tcp_config(addresses, workers=2, pool={"policy": "ring"}))
        server.apply(config)
        assert len({who(f"127.0.4.{i}") for i in range(1, 60)}) == len(NAMES), "it has gone with the policy"


@pytest.mark.parametrize(
    ("policy", "points", "error", "says"),
    [
        ("maglev", [(1, "")], ValueError, "goes by `maglev`, which looks up no such table: a ring needs `ring`"),
        ("round_robin", [(1, "")], ValueError, "goes by `round_robin`"),
        ("ring", [(1, "10.0.0.1:80")], KeyError, "has no backend '10.0.0.1:80'; there are: 127.0.0.1:"),
        ({"kind": "ring", "compat": "nginx"}, Ring(["127.0.0.1:1"]), KeyError, "has no backend '127.0.0.1:1'"),
        ("ring", [(-1, "")], ValueError, "-1 is no hash of a point"),
    ],
)
def test_a_ring_that_the_pool_cannot_have_is_refused(
    peers: list[Peer], policy: Any, points: Any, error: type[Exception], says: str
) -> None:
    address = peers[0].address
    if isinstance(points, list):
        points = [(hash, name or address) for hash, name in points]
    with Server(tcp_config([address], pool={"policy": policy})) as server:
        with pytest.raises(error, match=re.escape(says)):
            server.publish_ring("back", points)
        if isinstance(policy, dict):
            with pytest.raises(ValueError, match="hashes keys with `compat: nginx`, this ring with off"):
                server.publish_ring("back", Ring([address]))
        with pytest.raises(KeyError):
            server.publish_ring("nowhere", [(1, address)])


def test_a_backend_that_reports_a_high_load_gets_fewer(peers: list[Peer]) -> None:
    config = tcp_config([peer.address for peer in peers], pool={"policy": "jump_load"})
    with Server(config) as server:
        who = asking(server)
        sources = [f"127.0.2.{i}" for i in range(1, 61)]
        before = [who(source) for source in sources]
        loaded = max(NAMES, key=before.count)
        server.report_load("back", peers[NAMES.index(loaded)].address, 5.0)
        after = [who(source) for source in sources]
        assert after.count(loaded) < before.count(loaded) / 2
        with pytest.raises(KeyError):
            server.report_load("back", "127.0.0.1:1", 1.0)
