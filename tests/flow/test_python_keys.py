"""Keys that a class in Python says: the native policy goes by them, or by its default key; no session fails."""

import signal
from typing import Any

import pytest

import nginy as nginy_package
from nginy.balancer import simulate
from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import tcp_config, udp_config
from tests.tools.datagrams import DatagramBackend, client_of, exchange
from tests.tools.nginy_process import Nginy
from tests.tools.peers import Peer, named
from tests.tools.sockets import connect, free_port, recv_exact
from tests.tools.waiting import wait_until

NAMES = "abcde"


@pytest.fixture
def peers(start_peer: StartPeer) -> list[Peer]:
    """Backends that say their one-letter names."""
    return [start_peer(named(name)) for name in NAMES]


def called(name: str, kind: str = "ring", deadline: str = "500ms", **keys: Any) -> dict[str, Any]:
    """A policy by a key that one of tests/tools/policy_classes.py says."""
    key = {"kind": "call", "call": f"tests.tools.policy_classes:{name}", "deadline": deadline}
    return {"kind": kind, "key": key, **keys}


def choices(nginy: Nginy, pool: str = "back") -> dict[str, Any]:
    found: dict[str, Any] = next(row["choices"] for row in nginy.status()["pools"] if row["name"] == pool)
    return found


def visit(address: str, first: bytes = b"", source: str = "") -> tuple[str, int]:
    """Who answered, and the client's port."""
    with connect(address, **({"source": source} if source else {})) as sock:
        if first:
            sock.sendall(first)
        return recv_exact(sock, 2).decode().strip(), sock.getsockname()[1]


@pytest.mark.parametrize(("name", "policy"), [
    ("PortKey", {"kind": "ring"}), ("PortKeySoon", {"kind": "ring", "compat": "nginx"}),
    ("PortKeyNumber", {"kind": "ring", "compat": "ketama"}), ("PortKeySoon", {"kind": "maglev"}),
    ("PortKeyNumber", {"kind": "rendezvous"}), ("PortKey", {"kind": "jump"}),
    ("PortKey", {"kind": "bounded_maglev", "factor": 60}), ("PortKey", {"kind": "hash_preserve"}),
])  # fmt: skip
def test_a_key_of_a_class_lands_where_the_same_bytes_land(
    start_nginy: StartNginy, peers: list[Peer], name: str, policy: dict[str, Any]
) -> None:
    addresses = [peer.address for peer in peers]
    nginy = start_nginy(tcp_config(addresses, pool={"policy": called(name, **policy)}))
    visits = [visit(nginy.address()) for _ in range(12)]
    expected = simulate(policy, addresses, [b"%d" % port for _, port in visits])
    assert [addresses[NAMES.index(who)] for who, _ in visits] == expected
    told = {"asked": 12, "answered": 12, "fallbacks": {}, "abandoned": 0, "stale": 0, "releases_dropped": 0}
    assert choices(nginy) == told


def test_a_class_and_a_native_key_of_the_same_bytes_agree(start_nginy: StartNginy, peers: list[Peer]) -> None:
    backends = [peer.address for peer in peers]
    tree = tcp_config(backends, pool={"policy": called("FirstKey", "maglev")}, listener={"preread": 5})
    native = {"kind": "maglev", "key": {"kind": "bytes", "length": 5}}
    tree["pools"]["native"] = {"policy": native, "backends": backends}
    tree["listeners"]["native"] = tree["listeners"]["front"] | {"pool": "native"}
    nginy = start_nginy(tree)
    for number in range(20):
        first = b"n%04d" % number
        assert visit(nginy.address(), first)[0] == visit(nginy.address("native"), first)[0]
    assert choices(nginy)["answered"] == 20


@pytest.mark.parametrize(
    ("name", "why"),
    [("LateKey", "late"), ("RaisingKey", "raised"), ("NoKey", "none"), ("EmptyKey", "none"), ("WrongKey", "wrong")],
)
def test_without_a_key_the_address_decides(start_nginy: StartNginy, peers: list[Peer], name: str, why: str) -> None:
    addresses = [peer.address for peer in peers]
    nginy = start_nginy(tcp_config(addresses, pool={"policy": called(name, deadline="20ms")}))
    sources = [f"127.0.0.{number}" for number in range(2, 8)]
    got = [visit(nginy.address(), source=source)[0] for source in sources]
    policy = {"kind": "ring", "key": "source"}
    assert [addresses[NAMES.index(who)] for who in got] == simulate(policy, addresses, [f"{one}:1" for one in sources])
    told = choices(nginy)
    assert (told["asked"], told["answered"], told["fallbacks"]) == (6, 0, {why: 6})
    if why == "raised":
        wait_until(lambda: "hook=key" in nginy.log() and "no key at home" in nginy.log(), "the log says why")


def test_a_process_that_dies_over_a_key_leaves_the_choice_to_the_address(
    start_nginy: StartNginy, peers: list[Peer]
) -> None:
    addresses = [peer.address for peer in peers]
    nginy = start_nginy(tcp_config(addresses, pool={"policy": called("DyingKey", deadline="20ms")}), checked=False)
    expected = simulate({"kind": "ring", "key": "source"}, addresses, ["127.0.0.1:1"] * 9)
    assert [addresses[NAMES.index(visit(nginy.address())[0])] for _ in range(9)] == expected
    wait_until(lambda: "reason=died" in nginy.log(), "it is replaced")


def test_all_attempts_of_a_visit_go_by_the_key_that_came_once(start_nginy: StartNginy, peers: list[Peer]) -> None:
    dead = [f"127.0.0.1:{free_port()}" for _ in range(3)]
    addresses = [*dead, *(peer.address for peer in peers)]
    pool = {"policy": called("PortKey", "rendezvous")}
    nginy = start_nginy(tcp_config(addresses, pool=pool, listener={"limits": {"retries": 7}}))
    who, port = visit(nginy.address())
    with nginy_package.balancer.Simulator({"kind": "rendezvous"}, addresses) as simulator:
        tried: list[str] = []
        while (address := simulator.choose(b"%d" % port, tried)) in dead:
            assert address is not None
            tried.append(address)
    assert address == peers[NAMES.index(who)].address
    assert choices(nginy)["asked"] == 1


def test_datagrams_wait_for_their_key(start_nginy: StartNginy) -> None:
    with DatagramBackend(answer=lambda *_: [b"a"]) as one, DatagramBackend(answer=lambda *_: [b"b"]) as two:
        addresses = [one.address, two.address]
        nginy = start_nginy(udp_config(addresses, pool={"policy": called("FirstKey", "maglev")}))
        keys = [b"n%04d" % number for number in range(12)]
        got = []
        for key in keys:
            with client_of(nginy.address()) as sock:
                got.append(exchange(sock, key + b" and more").decode())
        assert [addresses["ab".index(name)] for name in got] == simulate({"kind": "maglev"}, addresses, keys)
        assert (choices(nginy)["asked"], choices(nginy)["answered"]) == (12, 12)


def test_datagrams_without_a_key_go_by_their_session(start_nginy: StartNginy) -> None:
    with DatagramBackend(answer=lambda *_: [b"a"]) as one, DatagramBackend(answer=lambda *_: [b"b"]) as two:
        addresses = [one.address, two.address]
        nginy = start_nginy(udp_config(addresses, pool={"policy": called("LateKey", "maglev", deadline="20ms")}))
        sources = [f"127.0.0.{number}" for number in range(2, 10)]
        got = []
        for source in sources:
            with client_of(nginy.address(), source) as sock:
                got.append(exchange(sock).decode())
        policy = {"kind": "maglev", "key": "source"}
        expected = simulate(policy, addresses, [f"{source}:1" for source in sources])
        assert [addresses["ab".index(name)] for name in got] == expected
        assert choices(nginy)["fallbacks"] == {"late": 8}


def test_a_key_is_asked_again_by_workers_that_outlived_their_control(
    start_nginy: StartNginy, peers: list[Peer]
) -> None:
    addresses = [peer.address for peer in peers]
    nginy = start_nginy(tcp_config(addresses, pool={"policy": called("PortKey")}), checked=False)
    address, before = nginy.address(), set(nginy.worker_pids())
    nginy.send(signal.SIGKILL)
    nginy.running.wait()
    wait_until(lambda: set(nginy.pids_left()) == before, "the policy process ends with its control")
    assert visit(address)[0] in NAMES
    nginy.start()
    answered = choices(nginy)["answered"]
    wait_until(lambda: visit(address) and choices(nginy)["answered"] > answered, "the next process answers")
    who, port = visit(address)
    assert [addresses[NAMES.index(who)]] == simulate("ring", addresses, [b"%d" % port])


def test_a_client_that_leaves_before_its_key_is_there_is_counted(start_nginy: StartNginy, peers: list[Peer]) -> None:
    pool = {"policy": called("LateKey", deadline="1s")}
    nginy = start_nginy(tcp_config([peer.address for peer in peers], pool=pool))
    with connect(nginy.address()) as sock:
        wait_until(lambda: choices(nginy)["asked"] == 1, "the question is out")
        sock.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER with 0: a reset
    wait_until(lambda: choices(nginy)["abandoned"] == 1, "its question counts as abandoned")
    assert choices(nginy)["fallbacks"] == {}


def test_embedded_the_class_runs_in_a_thread_of_its_own(peers: list[Peer]) -> None:
    addresses = [peer.address for peer in peers]
    tree = {"version": 1} | tcp_config(addresses, pool={"policy": called("PortKey")})
    with nginy_package.Server(tree) as server:
        visits = [visit(server.addresses["front"][0]) for _ in range(8)]
        expected = simulate("ring", addresses, [b"%d" % port for _, port in visits])
        assert [addresses[NAMES.index(who)] for who, _ in visits] == expected
