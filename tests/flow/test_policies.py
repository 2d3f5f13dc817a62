"""How backends take turns: policies, weights, states, tiers, caps."""

import collections
import contextlib
from collections.abc import Iterator, Sequence

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import Tree, tcp_config
from tests.tools.named import NAMES, who
from tests.tools.nginy_process import Nginy
from tests.tools.peers import Peer, named
from tests.tools.sockets import connect, end_of, recv_exact
from tests.tools.waiting import wait_until

POLICIES = ("round_robin", "least_conn", "random2", "source_hash", "least_time", "ring", "maglev")


@pytest.fixture
def peers(start_peer: StartPeer) -> list[Peer]:
    """Eight backends that say their one-letter names."""
    return [start_peer(named(name)) for name in NAMES]


@contextlib.contextmanager
def held(nginy: Nginy, count: int, listener: str = "front") -> Iterator[list[str]]:
    """So many sessions at once, and who answered each."""
    with contextlib.ExitStack() as stack:
        names = []
        for _ in range(count):
            sock = stack.enter_context(connect(nginy.address(listener)))
            names.append(recv_exact(sock, 2).decode().strip())
        yield names


def of_each(backends: Sequence[str | Tree], workers: int = 1, **pool: object) -> Tree:
    """A listener and a pool for each policy, named after it, with these backends."""
    tree = tcp_config(backends, workers=workers, pool=pool)
    front, back = tree["listeners"]["front"], tree["pools"]["back"]
    tree["listeners"] = {policy: front | {"pool": policy} for policy in POLICIES}
    tree["pools"] = {policy: back | {"policy": policy} for policy in POLICIES}
    return tree


def answers(nginy: Nginy) -> dict[str, set[str]]:
    """Who answers six new clients, by policy."""
    return {policy: {who(nginy, listener=policy) for _ in range(6)} for policy in POLICIES}


def all_say(*names: str) -> dict[str, set[str]]:
    return dict.fromkeys(POLICIES, set(names))


def test_round_robin_takes_turns(start_nginy: StartNginy, peers: list[Peer]) -> None:
    nginy = start_nginy(tcp_config([peer.address for peer in peers[:3]]))
    assert sorted("".join(who(nginy) for _ in range(9))) == sorted("abc" * 3)


def test_round_robin_spreads_weights_smoothly(start_nginy: StartNginy, peers: list[Peer]) -> None:
    weights = (5, 1, 1)
    backends = [{"address": peer.address, "weight": weight} for peer, weight in zip(peers, weights, strict=False)]
    nginy = start_nginy(tcp_config(backends))
    turns = "".join(who(nginy) for _ in range(28))
    assert collections.Counter(turns) == {"a": 20, "b": 4, "c": 4}
    assert "aaaaaa" not in turns, turns


def test_a_weight_of_zero_gets_nothing(start_nginy: StartNginy, peers: list[Peer]) -> None:
    backends = [{"address": peers[0].address, "weight": 0}, peers[1].address, peers[2].address]
    nginy = start_nginy(of_each(backends))
    for policy in POLICIES:
        assert "a" not in {who(nginy, f"127.0.0.{i + 1}", policy) for i in range(20)}, policy


def test_least_conn_fills_the_emptiest_over_both_workers(start_nginy: StartNginy, peers: list[Peer]) -> None:
    backends = [peer.address for peer in peers[:4]]
    nginy = start_nginy(tcp_config(backends, workers=2, pool={"policy": "least_conn"}))
    with held(nginy, 40) as names:
        counts = collections.Counter(names)
        assert max(counts.values()) - min(counts.values()) <= 2, counts
        live = [row["sessions_live"] for row in nginy.backends("back")]
        assert sum(live) == 40


def test_least_conn_avoids_the_busy_one(start_nginy: StartNginy, peers: list[Peer]) -> None:
    backends = [peer.address for peer in peers[:2]]
    nginy = start_nginy(tcp_config(backends, pool={"policy": "least_conn"}))
    with held(nginy, 2) as first:
        assert sorted(first) == ["a", "b"]
        with connect(nginy.address()) as sock:
            busy = recv_exact(sock, 2).decode().strip()
            other = "b" if busy == "a" else "a"
            for _ in range(5):
                assert who(nginy) == other
                wait_until(lambda: nginy.listener("front")["sessions_live"] == 3, "the last one is gone")


def test_random2_reaches_every_backend(start_nginy: StartNginy, peers: list[Peer]) -> None:
    nginy = start_nginy(tcp_config([peer.address for peer in peers], pool={"policy": "random2"}))
    seen: set[str] = set()
    wait_until(lambda: seen.add(who(nginy)) or len(seen) == len(NAMES), "every backend has had a turn")


def test_source_hash_sends_one_client_always_to_the_same_backend(start_nginy: StartNginy, peers: list[Peer]) -> None:
    nginy = start_nginy(tcp_config([peer.address for peer in peers], workers=2, pool={"policy": "source_hash"}))
    sources = [f"127.0.{i}.1" for i in range(1, 31)]
    first = {source: who(nginy, source) for source in sources}
    for _ in range(3):
        assert {source: who(nginy, source) for source in sources} == first
    assert len(set(first.values())) >= 4, first


def test_source_hash_leaves_a_backend_that_drains_and_comes_back_to_it(
    start_nginy: StartNginy, peers: list[Peer]
) -> None:
    pool = {"policy": "source_hash"}
    everyone = [peer.address for peer in peers]
    nginy = start_nginy(tcp_config(everyone, pool=pool))
    sources = [f"127.0.{i}.1" for i in range(1, 31)]
    first = {source: who(nginy, source) for source in sources}
    drained = NAMES.index(first[sources[0]])
    changed: list = list(everyone)
    changed[drained] = {"address": everyone[drained], "state": "drain"}
    nginy.reload(tcp_config(changed, pool=pool))
    assert NAMES[drained] not in {who(nginy, source) for source in sources}
    nginy.reload(tcp_config(everyone, pool=pool))
    assert {source: who(nginy, source) for source in sources} == first


@pytest.mark.parametrize("state", ["drain", "maint"])
def test_a_backend_in_drain_or_maint_gets_no_new_session_and_keeps_its_old_ones(
    start_nginy: StartNginy, peers: list[Peer], state: str
) -> None:
    nginy = start_nginy(of_each([peers[0].address]))
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect(nginy.address(policy))) for policy in POLICIES]
        for sock in socks:
            assert recv_exact(sock, 2) == b"a\n"
        nginy.reload(of_each([{"address": peers[0].address, "state": state}, peers[1].address]))
        assert answers(nginy) == all_say("b")
        for sock in socks:
            sock.sendall(b"still here")
            assert recv_exact(sock, 10) == b"still here"


def test_the_backup_tier_serves_only_when_the_first_cannot(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    first, backup = start_peer(named("f")), start_peer(named("k"))
    check = {"kind": "tcp", "interval": "100ms", "rise": 1, "fall": 1}
    nginy = start_nginy(of_each([first.address, {"address": backup.address, "backup": True}], health=check))

    def is_first(verdict: str) -> bool:
        return all(nginy.backends(policy)[0]["verdict"] == verdict for policy in POLICIES)

    assert answers(nginy) == all_say("f")
    first.stop_listening()
    wait_until(lambda: is_first("down"), "the first tier is down")
    assert answers(nginy) == all_say("k")
    first.listen()
    wait_until(lambda: is_first("up"), "the first tier is back")
    wait_until(lambda: answers(nginy) == all_say("f"), "workers know it")


def test_max_conns_spills_over_and_then_refuses(start_nginy: StartNginy, peers: list[Peer]) -> None:
    backends = [
        {"address": peers[0].address, "max_conns": 2},
        {"address": peers[1].address, "max_conns": 1},
        {"address": peers[2].address, "max_conns": 1, "tier": 1},
    ]
    nginy = start_nginy(of_each(backends, workers=2))
    for policy in POLICIES:
        with held(nginy, 4, policy) as names:
            assert collections.Counter(names) == {"a": 2, "b": 1, "c": 1}, policy
            assert end_of(nginy.address(policy)) == "reset"
            assert nginy.reasons(policy) == {"backends_full": 1}
        wait_until(lambda: nginy.listener(policy)["sessions_live"] == 0, "all places are free")  # noqa: B023
        with held(nginy, 3, policy) as names:
            assert len(names) == 3


def test_the_listener_refuses_sessions_over_its_limit_over_both_workers(
    start_nginy: StartNginy, peers: list[Peer]
) -> None:
    config = tcp_config([peers[0].address], workers=2, listener={"limits": {"sessions": 10}})
    nginy = start_nginy(config)
    with held(nginy, 10):
        for _ in range(5):
            assert end_of(nginy.address()) == "reset"
        assert nginy.reasons() == {"session_limit": 5}
        assert nginy.listener("front")["sessions_live"] == 10
    wait_until(lambda: nginy.listener("front")["sessions_live"] == 0, "all places are free")
    with held(nginy, 10) as names:
        assert len(names) == 10


def test_a_worker_refuses_sessions_over_its_own_bound(start_nginy: StartNginy, peers: list[Peer]) -> None:
    nginy = start_nginy(tcp_config([peers[0].address], runtime={"sessions": 8}))
    with held(nginy, 8):
        assert end_of(nginy.address()) == "reset"
        assert nginy.reasons() == {"slab_full": 1}
    wait_until(lambda: nginy.listener("front")["sessions_live"] == 0, "all places are free")
    assert who(nginy) == "a"
