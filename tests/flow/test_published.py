"""What a host publishes while it runs: where single keys go, and how loaded backends say they are."""

from collections.abc import Callable
from typing import Any

import pytest

from nginy import Server
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
