"""Policies in Python: asked before the fallback, never in the way of a session."""

import ast
import os
import signal
from pathlib import Path
from typing import Any

import pytest

import nginy as nginy_package
from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import tcp_config, udp_config
from tests.tools.datagrams import DatagramBackend, client_of, exchange
from tests.tools.hellos import real_hello
from tests.tools.nginy_process import Nginy
from tests.tools.peers import Peer, echo, named
from tests.tools.sockets import ask, connect, free_port, read_to_end, recv_exact
from tests.tools.waiting import wait_until

NAMES = "abc"


@pytest.fixture
def peers(start_peer: StartPeer) -> list[Peer]:
    """Backends that say their one-letter names."""
    return [start_peer(named(name)) for name in NAMES]


def python(name: str, **keys: Any) -> dict[str, Any]:
    """A pool whose policy is one of tests/tools/policy_classes.py."""
    policy = {"kind": "python", "call": f"tests.tools.policy_classes:{name}", "deadline": "200ms", **keys}
    return {"policy": policy}


def choices(nginy: Nginy) -> dict[str, Any]:
    return nginy.status()["pools"][0]["choices"]


def visit(nginy: Nginy) -> tuple[str, int]:
    """Who answered, and the client's port."""
    with connect(nginy.address()) as sock:
        return recv_exact(sock, 2).decode().strip(), sock.getsockname()[1]


def who(nginy: Nginy, source: str) -> str:
    """Who answers a client from this address."""
    with connect(nginy.address(), source=source) as sock:
        return recv_exact(sock, 2).decode().strip()


def is_answering(nginy: Nginy) -> bool:
    """Whether a policy process is at work again: the next choice is its own."""
    before = choices(nginy)["answered"]
    visit(nginy)
    return choices(nginy)["answered"] > before


@pytest.mark.parametrize("name", ["ByPort", "ByPortSoon"])
@pytest.mark.parametrize("workers", [1, 2])
def test_the_class_decides(start_nginy: StartNginy, peers: list[Peer], name: str, workers: int) -> None:
    nginy = start_nginy(tcp_config([peer.address for peer in peers], workers=workers, pool=python(name)))
    for who, port in [visit(nginy) for _ in range(30)]:
        assert who == NAMES[port % 3]
    told = {"asked": 30, "answered": 30, "fallbacks": {}, "abandoned": 0, "stale": 0, "releases_dropped": 0}
    assert choices(nginy) == told


@pytest.mark.parametrize(
    ("name", "why"),
    [("Sleepy", "late"), ("Raising", "raised"), ("Nobody", "none"), ("Stranger", "wrong"), ("Nonsense", "wrong")],
)
def test_the_fallback_chooses_in_place_of_a_class_that_fails(
    start_nginy: StartNginy, peers: list[Peer], name: str, why: str
) -> None:
    pool = python(name, deadline="20ms", fallback="source_hash")
    nginy = start_nginy(tcp_config([peer.address for peer in peers], pool=pool))
    assert len({visit(nginy)[0] for _ in range(10)}) == 1, "source_hash knows one backend for one address"
    told = choices(nginy)
    assert (told["asked"], told["answered"], told["fallbacks"]) == (10, 0, {why: 10})
    wait_until(lambda: f"why={why}" in nginy.log(), "control has said so")
    assert nginy.log().count("policy fallback") == 1, "once for each kind"
    assert nginy.log().count("nobody at home") == (1 if why == "raised" else 0)


def test_a_backend_that_is_full_is_not_forced_upon_the_session(start_nginy: StartNginy, peers: list[Peer]) -> None:
    backends = [peers[0].address, {"address": peers[1].address, "max_conns": 1}]
    nginy = start_nginy(tcp_config(backends, pool=python("Last")))
    with connect(nginy.address()) as first, connect(nginy.address()) as second:
        assert recv_exact(first, 2) == b"b\n"
        assert recv_exact(second, 2) == b"a\n"
        assert choices(nginy)["fallbacks"] == {"unusable": 1}


def test_a_retry_asks_again_with_the_state_of_the_visit(start_nginy: StartNginy, peers: list[Peer]) -> None:
    backends = [peers[0].address, f"127.0.0.1:{free_port()}"]
    nginy = start_nginy(tcp_config(backends, pool=python("Retrying")))
    assert visit(nginy)[0] == "a"
    assert choices(nginy)["asked"] == choices(nginy)["answered"] == 2


def test_every_release_arrives_with_its_outcome(start_nginy: StartNginy, backend: Peer, tmp_path: Path) -> None:
    dead = f"127.0.0.1:{free_port()}"
    notes = tmp_path / "notes"
    nginy = start_nginy(tcp_config([backend.address, dead], pool=python("Retrying")), env={"POLICY_NOTES": str(notes)})
    with connect(nginy.address()) as sock:
        sock.sendall(b"four")
        assert recv_exact(sock, 4) == b"four"
        sock.shutdown(1)
        assert read_to_end(sock)[0] == b""
    wait_until(lambda: notes.exists() and notes.read_text().count("\n") == 2, "both records are there")
    assert [ast.literal_eval(line) for line in notes.read_text().splitlines()] == [
        (dead, "refused", True, False, 0, 0),
        (backend.address, "closed", True, True, 4, 4),
    ]


def test_an_answer_that_comes_too_late_meets_nobody_and_is_told_back(
    start_nginy: StartNginy, peers: list[Peer], tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    backends = [peer.address for peer in peers[:2]]
    tree = tcp_config(backends, pool=python("Slow", deadline="10ms", fallback="source_hash"))
    nginy = start_nginy(tree, env={"POLICY_NOTES": str(notes)})
    for number in range(1, 5):
        visit(nginy)
        wait_until(lambda: choices(nginy)["stale"] == number, "its answer came, too late")  # noqa: B023
    assert choices(nginy)["fallbacks"] == {"late": 4}
    wait_until(lambda: notes.exists() and notes.read_text().count("\n") == 8, "all records are there")
    told = [ast.literal_eval(line) for line in notes.read_text().splitlines()]
    assert [note[:3] for note in told if note[1] == "unused"] == [(backends[1], "unused", True)] * 4
    assert [note[1:4] for note in told if note[1] != "unused"] == [("closed", False, True)] * 4


def test_backends_show_what_is_in_flight(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    peers = [start_peer(echo) for _ in range(3)]
    nginy = start_nginy(tcp_config([peer.address for peer in peers], workers=2, pool=python("Idlest")))
    socks = []
    for count in range(1, 10):
        socks.append(connect(nginy.address()))
        wait_until(lambda: sum(row["sessions_live"] for row in nginy.backends("back")) == count, "it is counted")  # noqa: B023
    live = [row["sessions_live"] for row in nginy.backends("back")]
    for sock in socks:
        sock.close()
    assert live == [3, 3, 3]


@pytest.mark.parametrize(
    ("name", "reason"), [("Dying", "died"), ("Hanging", "hang"), ("Forking", "fork"), ("Hungry", "memory")]
)
def test_a_process_that_is_of_no_use_is_replaced_and_traffic_goes_on(
    start_nginy: StartNginy, peers: list[Peer], name: str, reason: str
) -> None:
    pool = python(name, deadline="30ms") | {"health": {"kind": "tcp", "interval": "100ms", "fall": 1}}
    runtime, admin = {"policy_memory": "128MiB"}, {"http": {"bind": "127.0.0.1:0"}}
    tree = tcp_config([peer.address for peer in peers], pool=pool, runtime=runtime, admin=admin)
    nginy = start_nginy(tree, checked=False)
    assert {visit(nginy)[0] for _ in range(9)} <= set(NAMES)
    # asked again and again: on a slow machine it may be replaced for another reason before
    wait_until(lambda: visit(nginy) and f"reason={reason}" in nginy.log(), f"it is replaced: {reason}", 30)
    wait_until(lambda: nginy.metric("nginy_policy_process_replaced_total") >= 1, "it is counted")
    peers[0].close()
    wait_until(lambda: nginy.backends("back")[0]["verdict"] == "down", "health goes on")
    nginy.reload(tree | {"pools": {"back": tree["pools"]["back"] | python("ByPort")}})
    wait_until(lambda: is_answering(nginy), "another class answers")
    assert {visit(nginy)[0] for _ in range(9)} == {"b", "c"}
    assert nginy.stop() == 0
    assert not nginy.pids_left()


def test_a_policy_process_that_is_killed_leaves_the_choices_to_the_fallback_until_the_next_one(
    start_nginy: StartNginy, peers: list[Peer]
) -> None:
    nginy = start_nginy(tcp_config([peer.address for peer in peers], pool=python("ByPort")), checked=False)
    workers = set(nginy.worker_pids())
    (pid,) = set(nginy.pids_left()) - workers
    os.kill(pid, signal.SIGKILL)
    for _ in range(20):
        assert visit(nginy)[0] in NAMES
    wait_until(lambda: is_answering(nginy), "the next one answers")
    wait_until(lambda: nginy.reasons() == {"closed": choices(nginy)["asked"]}, "every session has ended well")


def test_a_worker_that_is_replaced_asks_like_the_one_before(start_nginy: StartNginy, peers: list[Peer]) -> None:
    nginy = start_nginy(tcp_config([peer.address for peer in peers], pool=python("ByPort")), checked=False)
    visit(nginy)
    (before,) = nginy.worker_pids()
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: before not in nginy.worker_pids() and nginy.workers()[0]["state"] == "serving", "a new one")
    for who, port in [visit(nginy) for _ in range(12)]:
        assert who == NAMES[port % 3]


def test_a_reload_tells_the_class_of_new_backends(start_nginy: StartNginy, peers: list[Peer]) -> None:
    tree = tcp_config([peers[0].address], pool=python("Last"))
    nginy = start_nginy(tree)
    assert visit(nginy)[0] == "a"
    nginy.reload(tcp_config([peer.address for peer in peers], pool=python("Last")))
    wait_until(lambda: visit(nginy)[0] == "c", "the last one of the new set")


def test_a_client_that_leaves_while_its_policy_is_asked_is_counted_as_gone(
    start_nginy: StartNginy, peers: list[Peer]
) -> None:
    nginy = start_nginy(tcp_config([peer.address for peer in peers], pool=python("Sleepy", deadline="1s")))
    with connect(nginy.address()) as sock:
        wait_until(lambda: choices(nginy)["asked"] == 1, "the question is out")
        sock.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER with 0: a reset
    wait_until(lambda: nginy.reasons() == {"client_gone": 1}, "the session has ended")
    told = choices(nginy)
    assert (told["asked"], told["abandoned"], told["fallbacks"]) == (1, 1, {}), "at once, not at its deadline"


@pytest.mark.parametrize("requests", [0, 1])
def test_datagrams_wait_for_the_answer_in_order(start_nginy: StartNginy, requests: int) -> None:
    names = [b"a", b"b", b"c"]
    with (
        DatagramBackend(answer=lambda payload, _: [names[0] + payload]) as one,
        DatagramBackend(answer=lambda payload, _: [names[1] + payload]) as two,
        DatagramBackend(answer=lambda payload, _: [names[2] + payload]) as three,
    ):
        backends = [peer.address for peer in (one, two, three)]
        session = {"requests": requests, "responses": 1} if requests else {}
        nginy = start_nginy(udp_config(backends, session=session, pool=python("ByToken")))
        for number in (2, 0, 1, 2):
            with client_of(nginy.address()) as sock:
                for place in range(20):
                    sock.send(b"%d %d" % (number, place))
                got = [sock.recv(100) for _ in range(20)]
                assert {answer[:1] for answer in got} == {names[number]}
                assert sorted(int(answer.split()[1]) for answer in got) == list(range(20))
                if not requests:
                    assert [int(answer.split()[1]) for answer in got] == list(range(20)), "order is kept"
        assert choices(nginy)["answered"] == (80 if requests else 4)
        assert not choices(nginy)["fallbacks"]


def test_datagrams_of_a_late_answer_reach_the_fallback(start_nginy: StartNginy) -> None:
    with DatagramBackend() as backend:
        nginy = start_nginy(udp_config([backend.address], pool=python("Sleepy", deadline="20ms")))
        with client_of(nginy.address()) as sock:
            assert exchange(sock, b"hello") == b"hello"
        assert choices(nginy)["fallbacks"] == {"late": 1}


def test_more_datagrams_than_may_wait_end_the_waiting(start_nginy: StartNginy) -> None:
    with DatagramBackend() as backend:
        nginy = start_nginy(udp_config([backend.address], pool=python("Sleepy", deadline="1s")))
        with client_of(nginy.address()) as sock:
            for number in range(100):
                sock.send(b"%d" % number)
            assert [sock.recv(10) for _ in range(100)] == [b"%d" % number for number in range(100)]
        assert choices(nginy)["fallbacks"] == {"no_room": 1}


def test_workers_go_by_weights_that_a_table_publishes_whenever_it_likes(
    start_nginy: StartNginy, peers: list[Peer], tmp_path: Path
) -> None:
    signal_path = tmp_path / "now"
    pool = {"policy": {"kind": "table", "call": "tests.tools.policy_classes:Weights", "fallback": "maglev"}}
    tree = tcp_config([peer.address for peer in peers], workers=2, pool=pool)
    nginy = start_nginy(tree, env={"POLICY_NOTES": str(signal_path)})
    wait_until(lambda: visit(nginy)[0] == "c", "the first table")
    assert {visit(nginy)[0] for _ in range(10)} == {"c"}
    signal_path.touch()
    wait_until(lambda: visit(nginy)[0] == "a", "the next table")
    wait_until(lambda: len({row["generation"] for row in nginy.workers()}) == 1, "both workers have it")
    assert {visit(nginy)[0] for _ in range(10)} == {"a"}
    nginy.reload(tree | {"pools": {"back": tree["pools"]["back"] | {"policy": "round_robin"}}})
    nginy.is_same_at_end = False  # workers have no mailbox any more
    assert {visit(nginy)[0] for _ in range(9)} == set(NAMES), "configured weights are back"


def test_workers_go_by_a_map_of_keys_and_leave_others_to_the_fallback(
    start_nginy: StartNginy, peers: list[Peer]
) -> None:
    pool = {"policy": {"kind": "table", "call": "tests.tools.policy_classes:Keys", "fallback": "random"}}
    tree = tcp_config([peer.address for peer in peers], workers=2, pool=pool)
    nginy = start_nginy(tree)
    wait_until(lambda: {who(nginy, "127.0.0.3") for _ in range(12)} == {"c"}, "the map has arrived at both workers")
    assert {who(nginy, "127.0.0.2") for _ in range(20)} == {"a", "c"}, "its own has weight 0"
    assert {who(nginy, "127.0.0.4") for _ in range(20)} == {"a", "c"}
    nginy.reload(tree | {"pools": {"back": tree["pools"]["back"] | {"policy": "random"}}})
    nginy.is_same_at_end = False  # workers have no mailbox any more
    assert {who(nginy, "127.0.0.3") for _ in range(30)} == set(NAMES), "the map has gone with its class"


def test_a_map_goes_by_the_key_of_its_fallback(start_nginy: StartNginy, peers: list[Peer]) -> None:
    fallback = {"kind": "rendezvous", "key": "sni"}
    pool = {"policy": {"kind": "table", "call": "tests.tools.policy_classes:Names", "fallback": fallback}}
    tree = tcp_config([peer.address for peer in peers], pool=pool, listener={"preread": "tls_hello"})
    nginy = start_nginy(tree)

    def who_has(name: str) -> str:
        with connect(nginy.address()) as sock:
            sock.sendall(real_hello(name))
            return recv_exact(sock, 1).decode()

    names = [f"n{number}.example" for number in range(12)]
    wait_until(lambda: "".join(map(who_has, names)) == NAMES * 4, "the map has arrived")
    assert {who_has(f"x{number}.example") for number in range(20)} == set(NAMES), "others are left to the fallback"


def test_a_map_whose_keys_cannot_be_is_told_in_the_log(start_nginy: StartNginy, peers: list[Peer]) -> None:
    pool = {"policy": {"kind": "table", "call": "tests.tools.policy_classes:WrongKeys"}}
    nginy = start_nginy(tcp_config([peer.address for peer in peers], pool=pool))
    wait_until(lambda: "a.example" in nginy.log() and "policy raised" in nginy.log(), "the log says why")
    assert {visit(nginy)[0] for _ in range(9)} == set(NAMES)


def test_a_table_that_nobody_could_be_served_by_is_not_published(start_nginy: StartNginy, peers: list[Peer]) -> None:
    pool = {"policy": {"kind": "table", "call": "tests.tools.policy_classes:WrongWeights"}}
    nginy = start_nginy(tcp_config([peer.address for peer in peers], pool=pool))
    assert {visit(nginy)[0] for _ in range(9)} == set(NAMES)
    wait_until(lambda: "every weight is 0" in nginy.log(), "the log says why")


def test_a_class_is_made_with_its_arguments_and_anew_when_they_change(
    start_nginy: StartNginy, peers: list[Peer]
) -> None:
    tree = tcp_config([peer.address for peer in peers], pool=python("Numbered", args={"number": 2}))
    nginy = start_nginy(tree)
    assert {visit(nginy)[0] for _ in range(5)} == {"c"}
    other = python("Numbered", args={"number": 0, "more": [1, 0]})
    nginy.reload(tree | {"pools": {"back": tree["pools"]["back"] | other}})
    nginy.is_same_at_end = False  # workers have other mailboxes
    wait_until(lambda: is_answering(nginy), "the next policy process answers")
    assert {visit(nginy)[0] for _ in range(5)} == {"b"}


def test_policies_are_asked_again_by_workers_that_outlived_their_control(
    start_nginy: StartNginy, peers: list[Peer]
) -> None:
    nginy = start_nginy(tcp_config([peer.address for peer in peers], pool=python("ByPort")), checked=False)
    address = nginy.address()
    before = set(nginy.worker_pids())
    nginy.send(signal.SIGKILL)
    nginy.running.wait()
    wait_until(lambda: set(nginy.pids_left()) == before, "the policy process ends with its control")
    with connect(address) as sock:
        assert recv_exact(sock, 1).decode() in NAMES, "the fallback chooses"
    nginy.start()
    assert set(nginy.worker_pids()) == before
    wait_until(lambda: is_answering(nginy), "the next policy process answers")
    who, port = visit(nginy)
    assert who == NAMES[port % 3]


def test_published_weights_outlive_the_control_that_heard_of_them(
    start_nginy: StartNginy, peers: list[Peer], tmp_path: Path
) -> None:
    pool = {"policy": {"kind": "table", "call": "tests.tools.policy_classes:WeightsOnce", "fallback": "ring"}}
    tree = tcp_config([peer.address for peer in peers], pool=pool)
    nginy = start_nginy(tree, env={"POLICY_NOTES": str(tmp_path / "published")}, checked=False)
    weights = [0, 0, 3]
    wait_until(lambda: [row["weight"] for row in nginy.backends("back")] == weights, "they are published")
    before = set(nginy.worker_pids())
    nginy.send(signal.SIGKILL)
    nginy.running.wait()
    wait_until(lambda: set(nginy.pids_left()) == before, "the policy process ends with its control")
    nginy.start()
    assert set(nginy.worker_pids()) == before
    assert [row["weight"] for row in nginy.backends("back")] == weights
    assert {visit(nginy)[0] for _ in range(9)} == {"c"}


@pytest.mark.parametrize("form", ["ring", "maglev"])
def test_a_published_table_outlives_worker_policy_process_reload_and_control(
    start_nginy: StartNginy, peers: list[Peer], tmp_path: Path, form: str
) -> None:
    call = "tests.tools.policy_classes:OwnRing"
    pool = {"policy": {"kind": "table", "call": call, "args": {"form": form}, "fallback": form}}
    tree = tcp_config([peer.address for peer in peers], pool=pool)
    nginy = start_nginy(tree, env={"POLICY_NOTES": str(tmp_path / "published")}, checked=False)

    address = nginy.address()

    def everybody() -> set[str]:
        said = set()
        for number in range(1, 20):
            with connect(address, source=f"127.0.5.{number}") as sock:
                said.add(recv_exact(sock, 2).decode().strip())
        return said

    wait_until(lambda: everybody() == {"b"}, "it is published")
    os.kill(nginy.worker_pids()[0], signal.SIGKILL)
    wait_until(lambda: nginy.worker_pids() and everybody() == {"b"}, "the next worker has it")
    (policies,) = set(nginy.pids_left()) - set(nginy.worker_pids())
    os.kill(policies, signal.SIGKILL)
    wait_until(lambda: "policy process replaced" in nginy.log(), "another policy process, which publishes nothing")
    assert everybody() == {"b"}
    nginy.reload(tree | {"pools": {"back": tree["pools"]["back"] | {"slow_start": {"window": "1s"}}}})
    assert everybody() == {"b"}
    wait_until(lambda: nginy.log().count("policy process ready") == 2, "nothing is on its way")
    before = set(nginy.worker_pids())
    nginy.send(signal.SIGKILL)
    nginy.running.wait()
    wait_until(lambda: set(nginy.pids_left()) == before, "the policy process ends with its control")
    assert everybody() == {"b"}
    nginy.start()
    assert set(nginy.worker_pids()) == before
    os.kill(nginy.worker_pids()[0], signal.SIGKILL)
    wait_until(lambda: set(nginy.worker_pids()) != before and everybody() == {"b"}, "the next control has it too")


def test_a_published_map_outlives_control(start_nginy: StartNginy, peers: list[Peer], tmp_path: Path) -> None:
    pool = {"policy": {"kind": "table", "call": "tests.tools.policy_classes:KeysOnce", "fallback": "random"}}
    tree = tcp_config([peer.address for peer in peers], pool=pool)
    nginy = start_nginy(tree, env={"POLICY_NOTES": str(tmp_path / "published")}, checked=False)
    wait_until(lambda: {who(nginy, "127.0.0.3") for _ in range(12)} == {"c"}, "it is published")
    for _ in range(2):  # the control after the next has it from the next one
        before = set(nginy.worker_pids())
        nginy.send(signal.SIGKILL)
        nginy.running.wait()
        wait_until(lambda before=before: set(nginy.pids_left()) == before, "the policy process ends with its control")
        nginy.start()
        assert {who(nginy, "127.0.0.3") for _ in range(12)} == {"c"}
    nginy.reload(tree | {"pools": {"back": tree["pools"]["back"] | {"policy": "random"}}})
    assert {who(nginy, "127.0.0.3") for _ in range(30)} == set(NAMES), "it has gone with its class"


def test_a_table_that_its_fallback_cannot_look_up_is_told_in_the_log(
    start_nginy: StartNginy, peers: list[Peer]
) -> None:
    pool = {"policy": {"kind": "table", "call": "tests.tools.policy_classes:OwnRing", "fallback": "maglev"}}
    nginy = start_nginy(tcp_config([peer.address for peer in peers], pool=pool))
    wait_until(lambda: "looks up no such table: a ring needs" in nginy.log(), "the log says why")


@pytest.mark.parametrize("name", ["ByPort", "ByPortSoon"])
def test_embedded_the_class_runs_in_a_thread_of_its_own(peers: list[Peer], name: str) -> None:
    tree = {"version": 1} | tcp_config([peer.address for peer in peers], pool=python(name))
    with nginy_package.Server(tree) as server:
        for _ in range(10):
            with connect(server.addresses["front"][0]) as sock:
                assert recv_exact(sock, 1).decode() == NAMES[sock.getsockname()[1] % 3]
        assert server.view().pools[0].choices["answered"] == 10
        assert server.view().policy_process.pid == os.getpid()


def test_the_class_is_told_what_a_preread_has_seen(start_nginy: StartNginy, peers: list[Peer]) -> None:
    nginy = start_nginy(
        tcp_config([peer.address for peer in peers], pool=python("ByHello"), listener={"preread": "tls_hello"})
    )
    said = {
        real_hello("app.example.org", ("http/1.1", "h2")): b"a",
        real_hello("app.example.org", ("http/1.1",)): b"b",
        real_hello(None, ("h2",)): b"c",
        b"no hello at all": b"c",
    }
    for first, name in said.items():
        assert ask(nginy.address(), first) == name + b"\n" + first
    assert choices(nginy)["answered"] == 4
