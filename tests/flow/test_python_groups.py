"""Pools with a class in Python as members of a group: the group picks the member, the member's class the backend."""

import ast
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import Tree, tcp_config, udp_config
from tests.tools.datagrams import DatagramBackend, client_of, exchange
from tests.tools.nginy_process import Nginy
from tests.tools.peers import Peer, named
from tests.tools.sockets import connect, free_port, recv_exact
from tests.tools.waiting import wait_until

NAMES = "abcd"


@pytest.fixture
def peers(start_peer: StartPeer) -> list[Peer]:
    """Backends that say their one-letter names."""
    return [start_peer(named(name)) for name in NAMES]


def python(name: str, deadline: str = "500ms", **keys: Any) -> dict[str, Any]:
    return {"kind": "python", "call": f"tests.tools.policy_classes:{name}", "deadline": deadline, **keys}


def grouped(tree: Tree, *members: tuple[int, dict[str, Any]]) -> Tree:
    """The listener's pool becomes a group of pools m0, m1, … with these weights."""
    named = {f"m{number}": pool for number, (_, pool) in enumerate(members)}
    of = [{"pool": f"m{number}", "weight": weight} for number, (weight, _) in enumerate(members)]
    return tree | {"pools": {**named, "back": {"of": of}}}


def choices(nginy: Nginy, pool: str) -> dict[str, Any]:
    found: dict[str, Any] = next(row["choices"] for row in nginy.status()["pools"] if row["name"] == pool)
    return found


def visit(nginy: Nginy) -> tuple[str, int]:
    with connect(nginy.address()) as sock:
        return recv_exact(sock, 2).decode().strip(), sock.getsockname()[1]


def test_the_group_picks_the_member_and_its_class_the_backend(start_nginy: StartNginy, peers: list[Peer]) -> None:
    a, b, c, d = (peer.address for peer in peers)
    members = (3, {"policy": python("Last"), "backends": [a, b]}), (1, {"backends": [c]})
    nginy = start_nginy(grouped(tcp_config([a]), *members))
    assert Counter(visit(nginy)[0] for _ in range(20)) == {"b": 15, "c": 5}
    assert (choices(nginy, "m0")["asked"], choices(nginy, "m0")["answered"]) == (15, 15)
    assert choices(nginy, "back") is None


def test_each_member_asks_its_own_class(start_nginy: StartNginy, peers: list[Peer]) -> None:
    a, b, c, d = (peer.address for peer in peers)
    members = (1, {"policy": python("Last"), "backends": [a, b]}), (1, {"policy": python("ByPort"), "backends": [c, d]})
    nginy = start_nginy(grouped(tcp_config([a], workers=2), *members))
    visits = [visit(nginy) for _ in range(20)]
    assert all(who == "cd"[port % 2] for who, port in visits if who != "b")
    seen = {who for who, _ in visits}
    assert "b" in seen and seen & set("cd")
    assert choices(nginy, "m0")["answered"] + choices(nginy, "m1")["answered"] == 20


@pytest.mark.parametrize(("name", "why"), [("Sleepy", "late"), ("Raising", "raised"), ("Stranger", "wrong")])
def test_without_an_answer_the_fallback_of_that_member_chooses(
    start_nginy: StartNginy, peers: list[Peer], name: str, why: str
) -> None:
    a, b, c, d = (peer.address for peer in peers)
    policy = python(name, deadline="20ms", fallback="first")
    members = (1, {"policy": policy, "backends": [a, b]}), (1, {"backends": [c]})
    nginy = start_nginy(grouped(tcp_config([a]), *members))
    assert Counter(visit(nginy)[0] for _ in range(12)) == {"a": 6, "c": 6}
    assert choices(nginy, "m0")["fallbacks"] == {why: 6}


def test_a_member_that_has_nobody_is_not_asked(start_nginy: StartNginy, peers: list[Peer]) -> None:
    a, b, c, d = (peer.address for peer in peers)
    health = {"kind": "tcp", "interval": "100ms", "rise": 1, "fall": 1}
    members = (9, {"policy": python("Last"), "backends": [a], "health": health}), (1, {"backends": [c]})
    nginy = start_nginy(grouped(tcp_config([a]), *members))
    peers[0].stop_listening()
    wait_until(lambda: nginy.backends("m0")[0]["verdict"] == "down", "it is down")
    wait_until(lambda: {visit(nginy)[0] for _ in range(3)} == {"c"}, "workers know it")
    asked = choices(nginy, "m0")["asked"]
    assert {visit(nginy)[0] for _ in range(10)} == {"c"}
    assert choices(nginy, "m0")["asked"] == asked


def test_a_retry_may_ask_another_member_and_each_hears_the_end_of_its_own(
    start_nginy: StartNginy, peers: list[Peer], tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    dead, alive = f"127.0.0.1:{free_port()}", peers[0].address
    members = (
        (9, {"policy": python("Last"), "backends": [dead]}),
        (1, {"policy": python("Last"), "backends": [alive]}),
    )
    tree = grouped(tcp_config([dead], listener={"limits": {"retries": 1}}), *members)
    nginy = start_nginy(tree, env={"POLICY_NOTES": str(notes)})
    assert visit(nginy)[0] == "a"
    wait_until(lambda: notes.exists() and notes.read_text().count("\n") == 2, "both records are there")
    told = [ast.literal_eval(line)[:4] for line in notes.read_text().splitlines()]
    assert told == [(dead, "refused", True, False), (alive, "closed", True, True)]
    assert choices(nginy, "m0")["answered"] == choices(nginy, "m1")["answered"] == 1


def test_keys_of_a_class_are_the_members_own(start_nginy: StartNginy, peers: list[Peer]) -> None:
    a, b, c, d = (peer.address for peer in peers)
    key = {"kind": "call", "call": "tests.tools.policy_classes:NumberKey", "deadline": "500ms"}
    one = {"policy": {"kind": "rendezvous", "key": key}, "backends": [a, b]}
    nginy = start_nginy(grouped(tcp_config([a]), (1, one), (1, {"backends": [c]})))
    by_key: dict[tuple[bool, int], set[str]] = {}
    for who, port in [visit(nginy) for _ in range(30)]:
        by_key.setdefault((who == "c", port // 2 % 8), set()).add(who)
    assert all(len(seen) == 1 for seen in by_key.values()), by_key
    assert set().union(*by_key.values()) == set("abc")
    assert choices(nginy, "m0")["answered"] == 15


def test_tables_are_members_like_native_policies(start_nginy: StartNginy, peers: list[Peer]) -> None:
    a, b, c, d = (peer.address for peer in peers)
    policy = {"kind": "table", "call": "tests.tools.policy_classes:Weights"}
    nginy = start_nginy(grouped(tcp_config([a]), (1, {"policy": policy, "backends": [a, b]}), (1, {"backends": [c]})))
    wait_until(lambda: {visit(nginy)[0] for _ in range(4)} == {"b", "c"}, "the published weights hold")
    assert Counter(visit(nginy)[0] for _ in range(10)) == {"b": 5, "c": 5}


@pytest.mark.parametrize(("name", "most"), [("ByToken", "answered"), ("Sleepy", "fallbacks")])
def test_flows_are_asked_for_like_sessions(start_nginy: StartNginy, name: str, most: str) -> None:
    with (
        DatagramBackend(answer=lambda *_: [b"a"]) as one,
        DatagramBackend(answer=lambda *_: [b"b"]) as two,
        DatagramBackend(answer=lambda *_: [b"c"]) as three,
    ):
        policy = python(name, deadline="500ms" if name == "ByToken" else "20ms", fallback="first")
        asked = {"policy": policy, "backends": [one.address, two.address]}
        nginy = start_nginy(grouped(udp_config([one.address]), (1, asked), (1, {"backends": [three.address]})))
        got = []
        for _ in range(10):
            with client_of(nginy.address()) as sock:
                got.append(exchange(sock, b"1").decode())
        assert Counter(got) == {"b" if name == "ByToken" else "a": 5, "c": 5}
        assert choices(nginy, "m0")[most] == (5 if name == "ByToken" else {"late": 5})
